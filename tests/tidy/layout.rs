//! Files: short, headed by what they are for, named by the field's words; documents whose examples and drawings hold.

use super::source::{Finding, Source, Tree};

/// The most lines of a Rust file. Past it: which second idea lives here?
const LINES_MAX: usize = 500;

/// Files that are longer, with the most lines that each may have. Entries only ever shrink and go.
const RATCHET: [(&str, usize); 0] = [];

/// Module names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 8] = ["manager", "handler", "helper", "helpers", "util", "utils", "common", "core"];

/// The most columns of a drawing in a document.
const COLUMNS_MAX: usize = 100;

/// All findings about files.
pub fn find(tree: &Tree) -> Vec<Finding> {
    find_with(tree, &RATCHET)
}

fn find_with(tree: &Tree, ratchet: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        findings.extend(length(source, ratchet));
        // A folder's tests need none: the folder's header says what is tested.
        let is_inner_test = source.is_test && source.path.starts_with("src/");
        if !source.has_header && !is_inner_test {
            findings.push(source.finding(1, "no `//!` header: what is it for, who calls it, what are its limits?"));
        }
        let is_empty = |name: &str| EMPTY_NAMES.contains(&name);
        for (name, line) in source.modules.iter().filter(|(name, _)| is_empty(name)) {
            findings.push(source.finding(*line, format!("`{name}` says nothing of what is inside")));
        }
        findings.extend(blocks(&source.path, &source.text, "//"));
    }
    for (path, _) in ratchet.iter().filter(|(path, _)| tree.sources.iter().all(|source| source.path != *path)) {
        findings.push(Finding { path: (*path).into(), line: 0, what: "is gone: take it off the ratchet".into() });
    }
    for (path, text) in tree.documents.iter().filter(|(path, _)| path.ends_with(".md")) {
        findings.extend(blocks(path, text, ""));
    }
    findings
}

fn length(source: &Source, ratchet: &[(&str, usize)]) -> Option<Finding> {
    let lines = source.text.lines().count();
    let allowed = ratchet.iter().find(|(path, _)| *path == source.path).map(|(_, allowed)| *allowed);
    let what = match allowed {
        None if lines > LINES_MAX => format!("{lines} lines, more than {LINES_MAX}: which second idea lives here?"),
        Some(allowed) if lines > allowed => format!("{lines} lines, more than the {allowed} it may have"),
        Some(allowed) if lines < allowed => format!("{lines} lines: lower the ratchet from {allowed}"),
        _ => return None,
    };
    Some(source.finding(0, what))
}

/// Fenced blocks: no example that is not compiled, no drawing wider than a screen.
fn blocks(path: &str, text: &str, comment: &str) -> Vec<Finding> {
    let finding = |line, what: String| Finding { path: path.into(), line, what };
    let mut findings = Vec::new();
    let mut is_inside = false;
    for (at, line) in text.lines().enumerate() {
        let Some(line) = line.trim_start().strip_prefix(comment) else { continue };
        let line = line.trim_start_matches(['/', '!']).trim_start();
        if let Some(language) = line.strip_prefix("```") {
            is_inside = !is_inside;
            if language.split(',').any(|word| word.trim() == "ignore") {
                findings.push(finding(at + 1, "an ignored example rots: let it compile or remove it".into()));
            }
        } else if is_inside && line.chars().count() > COLUMNS_MAX {
            findings.push(finding(at + 1, format!("wider than {COLUMNS_MAX} columns")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        find(&Tree::of([(path, text)])).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn finds_long_files_and_slack_ratchets() {
        let long = format!("//! A.\n{}", "\n".repeat(LINES_MAX));
        let tree = Tree::of([("src/app/a.rs", long.as_str())]);
        assert_eq!(find_with(&tree, &[]).len(), 1);
        assert_eq!(find_with(&tree, &[("src/app/a.rs", LINES_MAX + 1)]), []);
        assert_eq!(find_with(&tree, &[("src/app/a.rs", LINES_MAX)]).len(), 1);
        assert_eq!(find_with(&tree, &[("src/app/a.rs", LINES_MAX + 2)]).len(), 1, "may only shrink");
        assert_eq!(find_with(&tree, &[("src/app/a.rs", LINES_MAX + 1), ("src/app/b.rs", 600)]).len(), 1);
    }

    #[test]
    fn finds_missing_headers_and_empty_names() {
        assert_eq!(found("src/app/a.rs", "fn f() {}").len(), 1);
        assert_eq!(found("src/app/a.rs", "// A.\nfn f() {}").len(), 1);
        assert_eq!(found("src/app/a.rs", "#![doc = include_str!(\"a.md\")]").len(), 0);
        let tests = [("src/app/mod.rs", "//! A.\n#[cfg(test)]\nmod tests;"), ("src/app/tests.rs", "fn f() {}")];
        assert_eq!(find(&Tree::of(tests)), []);
        for name in EMPTY_NAMES {
            assert_eq!(found("src/app/mod.rs", &format!("//! A.\npub mod {name};")).len(), 1, "{name}");
        }
        assert_eq!(found("src/app/mod.rs", "//! A.\nmod mempool;").len(), 0);
    }

    #[test]
    fn finds_examples_that_rot_and_drawings_that_wrap() {
        let fence = "```";
        assert_eq!(found("src/app/a.rs", &format!("//! A.\n//! {fence}rust,ignore\n//! f();\n//! {fence}")).len(), 1);
        let wide = "-".repeat(COLUMNS_MAX + 1);
        assert_eq!(found("README.md", &format!("{fence}text\n{wide}\n{fence}\n{wide}\n")).len(), 1);
        assert_eq!(
            found("src/app/a.rs", &format!("//! A.\n/// {fence}text\n/// {wide}\n/// {fence}\nfn f() {{}}")).len(),
            1
        );
    }
}
