//! `cargo xtask tidy`: rules of this project that no other tool knows.
//!
//! All problems are shown at once, each with its place and what to do.

mod edges;
mod files;
mod links;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::project::Project;

/// One broken rule and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: String,
    /// Line, from 1; 0 for the whole file.
    line: usize,
    what: String,
}

// === impl Problem ===

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Problem {
        Problem {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// A text file of the repository: its path from the root, with `/`, and what it holds.
#[derive(Clone, Debug)]
struct Source {
    path: String,
    text: String,
}

/// Checks everything; fails with all problems on stderr.
pub(crate) fn run(project: &Project) -> Result<()> {
    let paths = tracked_files(project)?;
    let sources = read_texts(project.root(), &paths)?;
    let mut problems = edges::check(&edges::metadata(project)?);
    problems.extend(files::check_names(&paths));
    for source in &sources {
        problems.extend(files::check_text(source));
    }
    problems.extend(links::check(&sources, &|path| project.root().join(path).exists()));
    problems.sort();
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => {
            println!("tidy: {} files are in order", paths.len());
            Ok(())
        }
        n => bail!("tidy: {n} problems"),
    }
}

/// Everything that is, or would be, committed.
fn tracked_files(project: &Project) -> Result<Vec<String>> {
    let shell = project.shell()?;
    let list = cmd!(shell, "git ls-files -z --cached --others --exclude-standard")
        .quiet()
        .read()
        .context("listing the files of the repository with git")?;
    let mut paths = list
        .split('\0')
        .filter(|path| !path.is_empty() && project.root().join(path).is_file())
        .map(str::to_owned)
        .collect::<Vec<_>>();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn read_texts(root: &Path, paths: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let full: PathBuf = root.join(path);
        let bytes = fs::read(&full).with_context(|| format!("reading {path}"))?;
        // Wheels of pictures and captured bytes are nothing to read.
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source {
                path: path.clone(),
                text,
            });
        }
    }
    Ok(sources)
}
