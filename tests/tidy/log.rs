//! Log lines: every field that occurs in one is documented, and every documented one occurs.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::{spanned::Spanned as _, visit::Visit};

use super::source::{Finding, Tree};

/// Where fields are documented: the first cells of a table's rows.
const PAGE: &str = "src/docs/logs.md";
const HEADING: &str = "## Fields";
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Fields that stand in a line or on the page alone.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let page = tree.document(PAGE).unwrap_or_default();
    let documented = documented(page);
    let mut findings = Vec::new();
    let mut used = BTreeMap::new();
    for source in tree.sources.iter().filter(|source| source.path.starts_with("src/")) {
        let Ok(file) = syn::parse_file(&source.text) else { continue };
        let mut reader = Reader::default();
        reader.visit_file(&file);
        for (field, line) in reader.fields {
            if source.is_test_line(line) {
                continue;
            }
            if !documented.contains_key(&field) {
                findings.push(source.finding(line, format!("`{field}` is no field of {PAGE}")));
            }
            used.insert(field, line);
        }
    }
    for (field, line) in documented.iter().filter(|(field, _)| !used.contains_key(*field)) {
        findings.push(Finding { path: PAGE.into(), line: *line, what: format!("no log line has `{field}`") });
    }
    findings
}

/// The words in backticks in the first cells below the heading, with their lines.
fn documented(page: &str) -> BTreeMap<String, usize> {
    let lines = page.lines().enumerate().skip_while(|(_, line)| *line != HEADING);
    let cells = lines.filter_map(|(at, line)| Some((at + 1, line.strip_prefix("| `")?.split(" |").next()?)));
    let fields = cells.flat_map(|(line, cell)| cell.split(['`', ',', ' ']).map(move |word| (word.to_owned(), line)));
    fields.filter(|(word, _)| !word.is_empty()).collect()
}

#[derive(Default)]
struct Reader {
    fields: Vec<(String, usize)>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let path: Vec<String> = called.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [root, level] = path.as_slice()
            && root == "tracing"
            && LEVELS.contains(&level.as_str())
        {
            let line = called.path.span().start().line;
            self.fields.extend(fields(&called.tokens).into_iter().map(|field| (field, line)));
        }
        syn::visit::visit_macro(self, called);
    }
}

/// The names of the fields before the message: `name`, `%name`, `?name` or `name = value`.
fn fields(tokens: &TokenStream) -> Vec<String> {
    let mut fields = Vec::new();
    let mut is_start = true;
    for token in tokens.clone() {
        match token {
            TokenTree::Literal(_) if is_start => return fields,
            TokenTree::Ident(name) if is_start => {
                fields.push(name.to_string());
                is_start = false;
            }
            TokenTree::Punct(sign) if sign.as_char() == ',' => is_start = true,
            TokenTree::Punct(sign) if is_start && ['%', '?'].contains(&sign.as_char()) => {}
            _ => is_start = false,
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        let page = format!("| `other` |\n\n{HEADING}\n\n| field | is |\n|---|---|\n| `height`, `peer` | x |\n");
        let code = format!("fn f() {{ {line} }}");
        find(&Tree::of([(PAGE, page.as_str()), ("src/node/a.rs", code.as_str())])).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn finds_fields_that_are_not_documented_and_documented_ones_that_are_not_there() {
        assert_eq!(found(r#"tracing::info!(height, peer = %self.peer(a, b), "went {x} well");"#), [""; 0]);
        assert_eq!(
            found(r#"tracing::warn!(%height, ?peer, other, "no"); "#),
            [format!("`other` is no field of {PAGE}")]
        );
        assert_eq!(found(r#"tracing::debug!(height, "peer");"#), ["no log line has `peer`"]);
        assert_eq!(found(r#"other::debug!(no, "x"); tracing::trace!(peer, height, "x", y)"#), [""; 0]);
    }
}
