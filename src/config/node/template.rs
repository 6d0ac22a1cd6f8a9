//! The commented `node.toml`.

use std::fmt::Write as _;

use super::{
    NodeConfig,
    key::{Key, SECTIONS},
};

/// What becomes of keys that have their default value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defaults {
    /// Written like the others.
    Written,
    /// Written as comments, so that a later version's better default applies.
    CommentedOut,
}

const HEADER: &str = "\
# The configuration of one Thalweg node. Paths are relative to this file. Each key can also be set by an environment
# variable, THALWEG__SECTION__KEY (lists with commas), or by `thalweg start --set section.key=value`.
";

impl NodeConfig {
    /// Writes the configuration as a commented `node.toml`.
    pub fn render(&self, defaults: Defaults) -> String {
        let mut shown = self.clone();
        let mut default = Self::default();
        let mut out = HEADER.to_owned();
        for section in SECTIONS {
            push(&mut out, format_args!("\n# {}\n[{}]", section.about, section.name));
            for key in section.keys {
                let is_default = (key.field)(&mut shown).show() == (key.field)(&mut default).show();
                let hidden = is_default && defaults == Defaults::CommentedOut;
                push(&mut out, format_args!("# {}\n{}", key.about, assignment(key, &mut shown, hidden)));
            }
        }
        out
    }
}

fn assignment(key: &Key, config: &mut NodeConfig, hidden: bool) -> String {
    match (key.field)(config).show() {
        None => format!("# {} = \"{}\"", key.name, key.example),
        Some(toml::Value::Array(items)) if items.len() > 1 => {
            let lines = items.iter().fold(String::new(), |lines, item| format!("{lines}    {item},\n"));
            format!("{} = [\n{lines}]", key.name)
        }
        Some(value) => format!("{}{} = {value}", if hidden { "# " } else { "" }, key.name),
    }
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a String cannot fail");
}
