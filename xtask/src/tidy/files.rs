//! Rules about single files: names, words that may not be committed, sources of corpus cases, `unsafe`.

use crate::tidy::{Problem, Source};

/// What stands in the root of the repository, besides Markdown files and dot-files.
const TOP_LEVEL: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "LICENSE",
    "wasm-filter",
    "injector",
    "analytics",
    "envoy",
    "charts",
    "xtask",
    "docs",
];

/// Module names that say nothing: the place where every second noun ends up.
const EMPTY_NAMES: [&str; 4] = ["utils.rs", "common.rs", "helpers.rs", "types.rs"];

/// Words of unfinished work. Split, so that this file does not break its own rule.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// The only module that may contain `unsafe`: the raw calls of proxy-wasm.
const UNSAFE_MODULE: &str = "wasm-filter/src/host/envoy.rs";

/// How something unsafe begins. Split for the same reason.
const UNSAFE_FORMS: [&str; 6] = [
    concat!("unsafe", " {"),
    concat!("unsafe", " fn"),
    concat!("unsafe", " impl"),
    concat!("unsafe", " trait"),
    concat!("unsafe", " extern"),
    concat!("unsafe", "("),
];

/// Where the cases are that every build of the engine runs.
const CORPUS: &str = "wasm-filter/engine/testdata/";

/// Rules that need only the path.
pub(super) fn check_names(paths: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut last_top = "";
    for path in paths {
        let (top, name) = (
            path.split('/').next().unwrap_or_default(),
            path.rsplit('/').next().unwrap_or_default(),
        );
        if top != last_top && !TOP_LEVEL.contains(&top) && !top.starts_with('.') && !top.ends_with(".md") {
            problems.push(Problem::new(top, 0, "is not part of the top level of the repository"));
        }
        last_top = top;
        if name == "mod.rs" {
            problems.push(Problem::new(
                path,
                0,
                "a module is `foo.rs` with children in `foo/`, never a mod.rs",
            ));
        }
        if EMPTY_NAMES.contains(&name) {
            problems.push(Problem::new(path, 0, "name the module after what it holds"));
        }
    }
    problems
}

/// Rules that need the text.
pub(super) fn check_text(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for word in UNFINISHED {
            if has_word(line, word) {
                problems.push(Problem::new(
                    &source.path,
                    index + 1,
                    format!("{word} is no issue: finish it or file one"),
                ));
            }
        }
        if source.path.ends_with(".rs") && source.path != UNSAFE_MODULE && has_unsafe(line) {
            problems.push(Problem::new(
                &source.path,
                index + 1,
                format!("only {UNSAFE_MODULE} may be unsafe"),
            ));
        }
    }
    if source.path.starts_with(CORPUS) && source.path.ends_with(".toml") {
        problems.extend(check_corpus(source));
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_edge = |byte: Option<&u8>| !byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        is_edge(at.checked_sub(1).and_then(|before| line.as_bytes().get(before)))
            && is_edge(line.as_bytes().get(at + word.len()))
    })
}

/// Whether a line opens something unsafe. Comments and lint names do not count.
fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    UNSAFE_FORMS.iter().any(|form| {
        code.match_indices(form)
            .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
    })
}

/// Every case says where it comes from: a CVE, a standard, a page, or that it is our own.
fn check_corpus(source: &Source) -> Vec<Problem> {
    let table = match source.text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => return vec![Problem::new(&source.path, 0, error.message())],
    };
    let cases = table
        .values()
        .filter_map(toml::Value::as_array)
        .flatten()
        .filter_map(toml::Value::as_table)
        .collect::<Vec<_>>();
    if cases.is_empty() {
        return vec![Problem::new(&source.path, 0, "holds no cases")];
    }
    cases
        .into_iter()
        .enumerate()
        .filter(|(_, case)| {
            case.get("source")
                .and_then(toml::Value::as_str)
                .is_none_or(|source| source.trim().is_empty())
        })
        .map(|(index, case)| {
            let name = case
                .get("name")
                .and_then(toml::Value::as_str)
                .map_or_else(|| format!("number {}", index + 1), |name| format!("{name:?}"));
            Problem::new(&source.path, 0, format!("case {name} has no `source`"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_problems(path: &str, text: &str) -> usize {
        check_text(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    fn name_is_fine(path: &str) -> bool {
        check_names(&[path.to_owned()]).is_empty()
    }

    #[test]
    fn top_level_is_fixed() {
        for path in [
            "Cargo.toml",
            "README.md",
            ".ci/run",
            "xtask/src/main.rs",
            "docs/adr/a.md",
        ] {
            assert!(name_is_fine(path), "{path}");
        }
        for path in [
            "scripts/run.sh",
            "build.rs",
            "xtask/src/up/mod.rs",
            "envoy/src/utils.rs",
        ] {
            assert!(!name_is_fine(path), "{path}");
        }
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        let word = UNFINISHED[0];
        assert_eq!(n_problems("a.md", &format!("one\n{word}: two")), 1);
        assert_eq!(n_problems("a.md", &format!("MAS{word}NS and {word}S")), 0);
    }

    #[test]
    fn unsafe_is_found_as_code() {
        let block = concat!("let x = unsafe", " { y() };");
        assert_eq!(n_problems("xtask/src/a.rs", block), 1);
        assert_eq!(n_problems(UNSAFE_MODULE, block), 0);
        assert_eq!(n_problems("a.md", block), 0);
        assert_eq!(n_problems("xtask/src/a.rs", &format!("// {block}")), 0);
        assert_eq!(n_problems("xtask/src/a.rs", "#![forbid(unsafe_code)]"), 0);
        assert_eq!(n_problems("xtask/src/a.rs", concat!("#[unsafe", "(no_mangle)]")), 1);
    }

    #[test]
    fn corpus_cases_have_a_source() {
        let path = "wasm-filter/engine/testdata/sqli.toml";
        let with = "[[attack]]\nname = 'a'\nsource = 'own'\n";
        let without = "[[attack]]\nname = 'b'\n";
        assert_eq!(n_problems(path, with), 0);
        assert_eq!(n_problems(path, &format!("{with}{without}")), 1);
        assert_eq!(n_problems(path, "[[attack]]\nsource = ' '\n"), 1);
        assert_eq!(n_problems(path, ""), 1);
        assert_eq!(n_problems(path, "not toml"), 1);
    }
}
