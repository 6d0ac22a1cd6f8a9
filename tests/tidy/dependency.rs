//! Each dependency in Cargo.toml says on its line what it is for.

use super::source::{Finding, Tree};

const MANIFEST: &str = "Cargo.toml";

/// Dependencies without a reason.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_dependency = false;
    for (at, line) in tree.document(MANIFEST).unwrap_or_default().lines().enumerate() {
        let finding = |what: String| Finding { path: MANIFEST.into(), line: at + 1, what };
        if let Some(header) = line.strip_prefix('[') {
            is_dependency = header.trim_end_matches(']').ends_with("dependencies");
            if header.contains("dependencies.") {
                findings.push(finding("write it on one line, with its reason".into()));
            }
            continue;
        }
        let Some((name, _)) = line.split_once('=') else { continue };
        if is_dependency && !line.starts_with('#') && reason(line).is_none_or(str::is_empty) {
            findings.push(finding(format!("`{}` has no reason beside it", name.trim())));
        }
    }
    findings
}

/// What follows the first `#` outside of quotes.
fn reason(line: &str) -> Option<&str> {
    let mut is_quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted => return Some(line[at + 1..].trim()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(manifest: &str) -> Vec<usize> {
        find(&Tree::of([(MANIFEST, manifest)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn finds_dependencies_without_a_reason() {
        assert_eq!(found("[package]\nname = \"a\"\n[dependencies]\nhex = \"1\"\n"), [4]);
        assert_eq!(found("[dev-dependencies]\nhex = \"1\" #\n"), [2]);
        assert_eq!(found("[target.'cfg(unix)'.dependencies]\nhex = \"a#b\"\n"), [2]);
        assert_eq!(found("[dependencies.hex]\nversion = \"1\"\n"), [1]);
    }

    #[test]
    fn is_content_with_a_reason() {
        assert_eq!(found("[dependencies]\n# --- half ---\nhex = \"1\" # digests in text\n\n[lints]\na = \"b\"\n"), []);
    }
}
