//! Links between Markdown files lead somewhere.

use std::collections::HashMap;

use crate::tidy::{Problem, Source};

/// Checks every relative link and every anchor of every Markdown file. `exists` answers for a path from the root.
pub(super) fn check(sources: &[Source], exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let pages = sources
        .iter()
        .filter(|source| source.path.ends_with(".md"))
        .map(|source| (source.path.as_str(), source.text.as_str()))
        .collect::<HashMap<_, _>>();
    let mut problems = Vec::new();
    for (path, text) in &pages {
        for (line, target) in links(text) {
            if let Some(what) = broken(path, target, &pages, exists) {
                problems.push(Problem::new(path, line, what));
            }
        }
    }
    problems
}

fn broken(path: &str, target: &str, pages: &HashMap<&str, &str>, exists: &dyn Fn(&str) -> bool) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let page = if file.is_empty() {
        path.to_owned()
    } else {
        match resolve(path, file) {
            Some(page) if exists(&page) => page,
            _ => return Some(format!("the link to {file} leads nowhere")),
        }
    };
    let text = pages.get(page.as_str())?;
    (!anchor.is_empty() && !headings(text).any(|heading| slug(heading) == anchor))
        .then(|| format!("{page} has no heading for #{anchor}"))
}

/// `file` as written in `page`, from the root of the repository; nothing when it leaves the repository.
fn resolve(page: &str, file: &str) -> Option<String> {
    let mut parts = page.split('/').collect::<Vec<_>>();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Lines outside fenced code, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((index + 1, line))
    })
}

fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| {
        line.match_indices("](").filter_map(move |(at, _)| {
            let is_in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split(')').next()?.split(' ').next()?;
            (!is_in_code && !target.is_empty()).then_some((number, target))
        })
    })
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| line.trim_start_matches('#').trim())
}

/// The anchor that GitHub and GitLab give a heading.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|char| match char {
            ' ' => Some('-'),
            '-' | '_' => Some(char),
            char if char.is_alphanumeric() => Some(char),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_page(text: &str, expected: &[&str]) {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let sources = [
            source("docs/page.md", text),
            source("README.md", "# Wallarm\n\n## Try it: `up`\n"),
        ];
        let problems = check(&sources, &|path| matches!(path, "README.md" | "docs" | "docs/page.md"));
        let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(problems, expected, "{text}");
    }

    #[test]
    fn good_links() {
        check_page("[a](../README.md) [b](https://example.com/x) [c](.)", &[]);
        check_page("# Own\n[a](#own) [b](../README.md#try-it-up)", &[]);
    }

    #[test]
    fn code_is_no_link() {
        check_page("`[a](nowhere)`\n```\n[a](nowhere)\n```\n", &[]);
    }

    #[test]
    fn broken_links() {
        check_page("\n[a](gone.md)", &["docs/page.md:2: the link to gone.md leads nowhere"]);
        check_page(
            "[a](../../README.md)",
            &["docs/page.md:1: the link to ../../README.md leads nowhere"],
        );
        check_page(
            "[a](../README.md#gone)",
            &["docs/page.md:1: README.md has no heading for #gone"],
        );
    }
}
