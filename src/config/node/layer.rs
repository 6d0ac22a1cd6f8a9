//! Four layers over each other: defaults, `node.toml`, environment, flags.

use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value};

use super::{
    NodeConfig, Problem, Problems,
    key::{SECTIONS, Section},
};

impl NodeConfig {
    /// Reads a node's configuration: `file`, over it the process's environment, over that `flags` as
    /// (`section.key`, value). Relative paths are made to start at the file's directory, whatever layer they stand in.
    ///
    /// # Errors
    /// [`Problems`] with everything that is wrong.
    pub fn load(file: &Path, flags: &[(String, String)]) -> Result<Self, Problems> {
        // Other programs' variables may hold anything; `std::env::vars` would panic on what is no text.
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
        Self::load_from(file, environment, flags).map(|config| config.resolved(directory(file)))
    }

    /// Reads `node.toml` alone, with its paths as they stand there: to be changed and written back.
    ///
    /// # Errors
    /// [`Problems`] with everything that is wrong.
    pub fn load_file(file: &Path) -> Result<Self, Problems> {
        Self::load_from(file, Map::new(), &[])
    }

    pub(super) fn load_from(
        file: &Path,
        environment: Map<String, String>,
        flags: &[(String, String)],
    ) -> Result<Self, Problems> {
        let layers = merge(file, environment, flags).map_err(|error| {
            let remedy = "give a node.toml, as `thalweg genesis` writes it";
            Problems(vec![Problem::new(file.display().to_string(), error.to_string(), remedy)])
        })?;
        let mut config = Self::default();
        let mut problems = Vec::new();
        for (name, value) in sorted(layers) {
            match SECTIONS.iter().find(|section| section.name == name) {
                Some(section) => config.take_section(section, value, &mut problems),
                None => {
                    let sections: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
                    let remedy = format!("remove it; the sections are {}", sections.join(", "));
                    problems.push(Problem { origin: origin(&value), ..Problem::new(name, "is unknown", remedy) });
                }
            }
        }
        config.check(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    fn take_section(&mut self, section: &Section, value: Value, problems: &mut Vec<Problem>) {
        let from = origin(&value);
        let Ok(values) = value.into_table() else {
            let remedy = format!("write keys below [{}]", section.name);
            problems.push(Problem { origin: from, ..Problem::new(section.name, "is a section, not a key", remedy) });
            return;
        };
        for (name, value) in sorted(values) {
            let from = origin(&value);
            let (what, remedy) = match section.keys.iter().find(|key| key.name == name) {
                Some(key) => {
                    let shown = value.to_string();
                    match (key.field)(self).set(value) {
                        Ok(()) => continue,
                        Err(expected) => (format!("is {shown:?}"), expected.to_owned()),
                    }
                }
                None => {
                    let keys: Vec<_> = section.keys.iter().map(|key| key.name).collect();
                    (
                        "is unknown".to_owned(),
                        format!("remove it; the keys of [{}] are {}", section.name, keys.join(", ")),
                    )
                }
            };
            let key = format!("{}.{name}", section.name);
            problems.push(Problem { key, origin: from, what, remedy });
        }
    }
}

fn merge(
    file: &Path,
    environment: Map<String, String>,
    flags: &[(String, String)],
) -> Result<Map<String, Value>, config::ConfigError> {
    let variables =
        Environment::with_prefix("THALWEG").prefix_separator("__").separator("__").source(Some(environment));
    let mut builder = Config::builder().add_source(File::from(file).format(FileFormat::Toml)).add_source(variables);
    for (key, value) in flags {
        builder = builder.set_override(key, value.as_str())?;
    }
    builder.build()?.cache.into_table()
}

/// The order of the words, so that the same mistakes give the same report.
fn sorted(values: Map<String, Value>) -> Vec<(String, Value)> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values
}

fn origin(value: &Value) -> Option<String> {
    value.origin().map(str::to_owned)
}

/// The directory that a file is in.
fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
