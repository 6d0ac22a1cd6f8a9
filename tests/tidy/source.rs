//! The tree as the checks see it: Rust files parsed, with what they mention; other text files as text.

use std::{collections::BTreeSet, fmt, fs, path::Path};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, File, Item,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// Something that breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Relative to the package.
    pub path: String,
    /// From 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong, for people.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// How something is named in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// In a path or a `use`.
    Path,
    /// As a method that is called.
    Method,
    /// As a macro that is called.
    Macro,
    /// As an attribute: its path and every word in it.
    Attribute,
    /// As a literal with a fraction.
    Float,
}

/// One name somewhere in a file.
#[derive(Clone, Debug)]
pub struct Mention {
    pub way: Way,
    /// `crate` and `super` are resolved as far as the file tells: a path within the crate starts with `crate`.
    pub segments: Vec<String>,
    pub line: usize,
}

/// A Rust file.
pub struct Source {
    pub path: String,
    pub text: String,
    pub mentions: Vec<Mention>,
    /// Modules declared here: name and line.
    pub modules: Vec<(String, usize)>,
    /// Whether it starts with inner documentation.
    pub has_header: bool,
    /// Whether all of it is compiled for tests, benches or examples only.
    pub is_test: bool,
    test_lines: Vec<(usize, usize)>,
    test_modules: Vec<Vec<String>>,
}

impl Source {
    fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let file: File = syn::parse_str(text).map_err(|error| Finding {
            path: path.into(),
            line: error.span().start().line,
            what: format!("does not parse: {error}"),
        })?;
        let mut reader = Reader { module: module_of(path), ..Reader::default() };
        reader.visit_file(&file);
        Ok(Self {
            path: path.into(),
            text: text.into(),
            mentions: reader.mentions,
            modules: reader.modules,
            has_header: file.attrs.iter().any(|attribute| attribute.path().is_ident("doc")),
            is_test: path.starts_with("tests/") || path.starts_with("benches/") || path.starts_with("examples/"),
            test_lines: reader.test_lines,
            test_modules: reader.test_modules,
        })
    }

    /// The folder below `src`; `main` and `lib` for the roots, `None` outside of `src`.
    pub fn folder(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split('/').next().map(|first| first.trim_end_matches(".rs"))
    }

    /// Whether a line is compiled for tests only.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// A finding in this file.
    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// Everything the checks look at.
#[derive(Default)]
pub struct Tree {
    pub sources: Vec<Source>,
    /// Text files that are not Rust: path and content.
    pub documents: Vec<(String, String)>,
    /// Files that do not parse.
    pub broken: Vec<Finding>,
}

impl Tree {
    /// The package that this test belongs to: every text file but those that are built or ignored.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        read_folder(root, root, &mut files);
        files.sort();
        Self::of(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// A tree of given files.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            if !path.ends_with(".rs") {
                tree.documents.push((path.into(), text.into()));
                continue;
            }
            match Source::parse(path, text) {
                Ok(source) => tree.sources.push(source),
                Err(finding) => tree.broken.push(finding),
            }
        }
        let test_modules: BTreeSet<Vec<String>> =
            tree.sources.iter().flat_map(|source| source.test_modules.iter().cloned()).collect();
        for source in &mut tree.sources {
            let module = module_of(&source.path);
            source.is_test |= (1..=module.len()).any(|depth| test_modules.contains(&module[..depth]));
        }
        tree
    }

    /// The text of a file that is not Rust.
    pub fn document(&self, path: &str) -> Option<&str> {
        self.documents.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str())
    }
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
        let is_ignored = ["target", ".git", "Cargo.lock"].contains(&name.as_str());
        if is_ignored || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            read_folder(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            // What is not UTF-8 is no text and has no rules.
            let inside = path.strip_prefix(root).expect("below the root");
            files.push((inside.to_string_lossy().replace('\\', "/"), text));
        }
    }
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are module `[a, b]`; the roots are `[]`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut module: Vec<String> = inside.split('/').map(String::from).collect();
    if module.last().is_some_and(|last| last == "mod") || matches!(inside, "lib" | "main") {
        module.pop();
    }
    module
}

/// Collects what a file mentions.
#[derive(Default)]
struct Reader {
    /// The module that is being read.
    module: Vec<String>,
    mentions: Vec<Mention>,
    modules: Vec<(String, usize)>,
    test_lines: Vec<(usize, usize)>,
    test_modules: Vec<Vec<String>>,
}

impl Reader {
    fn mention(&mut self, way: Way, segments: Vec<String>, line: usize) {
        self.mentions.push(Mention { way, segments: self.resolve(segments), line });
    }

    /// Replaces leading `super` and `self` by the path from the crate's root.
    fn resolve(&self, segments: Vec<String>) -> Vec<String> {
        let relative = segments.iter().take_while(|name| *name == "super" || *name == "self").count();
        if relative == 0 {
            return segments;
        }
        let ups = segments.iter().take(relative).filter(|name| *name == "super").count();
        let kept = self.module.len().saturating_sub(ups);
        let from_root = std::iter::once("crate".to_string()).chain(self.module[..kept].iter().cloned());
        from_root.chain(segments.into_iter().skip(relative)).collect()
    }

    fn use_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.mention(Way::Path, with(&name.ident), name.span().start().line),
            syn::UseTree::Rename(name) => self.mention(Way::Path, with(&name.ident), name.span().start().line),
            syn::UseTree::Glob(glob) => self.mention(Way::Path, prefix.to_vec(), glob.span().start().line),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.use_tree(prefix, item)),
        }
    }

    /// The paths in the arguments of a macro, which are no syntax yet.
    fn tokens(&mut self, way: Way, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 && !path.is_empty() {
                        self.mention(way, std::mem::take(&mut path), line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) if punct.as_char() == '!' && !path.is_empty() => {
                    self.mention(Way::Macro, std::mem::take(&mut path), line);
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    // `a::{b, c}` in a macro is rare enough to lose its prefix.
                    if !path.is_empty() {
                        self.mention(way, std::mem::take(&mut path), line);
                    }
                    self.tokens(way, group.stream());
                    colons = 0;
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.starts_with(|first: char| first.is_ascii_digit()) && text.contains('.') {
                        self.mention(Way::Float, vec![text], literal.span().start().line);
                    }
                    colons = 0;
                }
                TokenTree::Punct(_) => colons = 0,
            }
        }
        if !path.is_empty() {
            self.mention(way, path, line);
        }
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item(&mut self, item: &'a Item) {
        if attributes(item).iter().any(is_for_tests) {
            let span = item.span();
            self.test_lines.push((span.start().line, span.end().line));
            if let Item::Mod(module) = item {
                self.test_modules.push([self.module.as_slice(), &[module.ident.to_string()]].concat());
            }
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        self.modules.push((module.ident.to_string(), module.ident.span().start().line));
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.use_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(Way::Path, segments, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        self.mention(Way::Method, vec![call.method.to_string()], call.method.span().start().line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_lit_float(&mut self, literal: &'a syn::LitFloat) {
        self.mention(Way::Float, vec![literal.to_string()], literal.span().start().line);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let segments = call.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(Way::Macro, segments, call.path.span().start().line);
        self.tokens(Way::Path, call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        let path: Vec<String> = attribute.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
        let words = match &attribute.meta {
            syn::Meta::List(list) => words_of(list.tokens.clone()),
            _ => Vec::new(),
        };
        self.mention(Way::Attribute, [path, words].concat(), attribute.span().start().line);
    }
}

fn words_of(tokens: TokenStream) -> Vec<String> {
    let words = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Ident(ident) => vec![ident.to_string()],
        TokenTree::Group(group) => words_of(group.stream()),
        _ => Vec::new(),
    });
    words.collect()
}

/// `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let words = words_of(list.tokens.clone());
    attribute.path().is_ident("cfg")
        && words.iter().any(|word| word == "test")
        && !words.iter().any(|word| word == "not")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[test]
fn files_that_do_not_parse_are_reported_by_line() {
    let tree = Tree::of([("src/types/a.rs", "//! A.\nfn f( {}\n")]);
    assert_eq!(tree.broken.len(), 1);
    assert_eq!((tree.broken[0].path.as_str(), tree.broken[0].line), ("src/types/a.rs", 2));
}

#[test]
fn test_code_is_told_from_production() {
    let tree = Tree::of([
        (
            "src/app/mod.rs",
            "//! A.\nfn f() {}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n}\n#[cfg(not(test))]\nfn g() {}",
        ),
        ("src/app/tests/deep.rs", "//! T.\nfn f() {}"),
        ("src/app/testing.rs", "//! T.\nfn f() {}"),
    ]);
    let is_test: Vec<bool> = [2, 6, 9].iter().map(|line| tree.sources[0].is_test_line(*line)).collect();
    assert_eq!(is_test, [false, true, false]);
    assert!(tree.sources[1].is_test_line(2));
    assert!(!tree.sources[2].is_test_line(2));
}
