//! How one value is read from a layer and written to a file.

use std::{net::SocketAddr, path::PathBuf};

use config::{Value, ValueKind};

use super::{LogFormat, LogLevel};

/// A field of the configuration.
pub(super) trait Setting {
    /// Takes a value.
    ///
    /// # Errors
    /// What was expected instead; then nothing is changed.
    fn set(&mut self, value: Value) -> Result<(), &'static str>;

    /// The value as TOML; `None` when it is not set.
    fn show(&self) -> Option<toml::Value>;
}

impl Setting for u64 {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected a whole number, not negative";
        // `into_uint` would round a fraction and take `true` for 1.
        if matches!(value.kind, ValueKind::Float(_) | ValueKind::Boolean(_)) {
            return Err(expected);
        }
        *self = value.into_uint().map_err(|_| expected)?;
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        i64::try_from(*self).ok().map(toml::Value::Integer)
    }
}

impl Setting for u32 {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let mut number = 0u64;
        number.set(value)?;
        *self = Self::try_from(number).map_err(|_| "expected a number below 4294967296")?;
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(toml::Value::Integer((*self).into()))
    }
}

impl Setting for usize {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let mut number = 0u64;
        number.set(value)?;
        *self = Self::try_from(number).map_err(|_| "expected a number that fits this machine")?;
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        i64::try_from(*self).ok().map(toml::Value::Integer)
    }
}

impl Setting for bool {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected true or false";
        // The environment and flags bring texts; `into_bool` would also take numbers, "yes" and "off".
        *self = match value.kind {
            ValueKind::Boolean(truth) => truth,
            ValueKind::String(text) => text.parse().map_err(|_| expected)?,
            _ => return Err(expected),
        };
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(toml::Value::Boolean(*self))
    }
}

fn text(value: Value, expected: &'static str) -> Result<String, &'static str> {
    if matches!(value.kind, ValueKind::String(_)) { value.into_string().map_err(|_| expected) } else { Err(expected) }
}

impl Setting for PathBuf {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let path = text(value, "expected a path")?;
        if path.is_empty() {
            return Err("expected a path, not nothing");
        }
        *self = path.into();
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.to_string_lossy().into_owned()))
    }
}

/// Empty text unsets it, so that an environment variable can.
impl Setting for Option<PathBuf> {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let path = text(value, "expected a path, or \"\" for none")?;
        *self = (!path.is_empty()).then(|| path.into());
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        self.as_ref().and_then(Setting::show)
    }
}

/// In the environment and in flags, which have no lists, items are separated by commas.
impl Setting for Vec<String> {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected a list of texts";
        *self = match value.kind {
            ValueKind::String(items) => {
                items.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
            ValueKind::Array(items) => items.into_iter().map(|item| text(item, expected)).collect::<Result<_, _>>()?,
            _ => return Err(expected),
        };
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(self.iter().cloned().map(toml::Value::String).collect::<Vec<_>>().into())
    }
}

impl Setting for SocketAddr {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected an address and a port such as 127.0.0.1:8700 or [::]:8700";
        *self = text(value, expected)?.parse().map_err(|_| expected)?;
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.to_string()))
    }
}

/// Empty text unsets it, so that an environment variable can.
impl Setting for Option<SocketAddr> {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected an address and a port such as 127.0.0.1:8690, or \"\" for none";
        let text = text(value, expected)?;
        *self = if text.is_empty() { None } else { Some(text.parse().map_err(|_| expected)?) };
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        self.as_ref().and_then(Setting::show)
    }
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The word in configuration and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Setting for LogLevel {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected error, warn, info, debug or trace";
        let word = text(value, expected)?;
        *self = Self::ALL.into_iter().find(|level| level.as_str() == word).ok_or(expected)?;
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.as_str().to_owned()))
    }
}

impl LogFormat {
    const ALL: [Self; 3] = [Self::Auto, Self::Human, Self::Json];

    /// The word in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

impl Setting for LogFormat {
    fn set(&mut self, value: Value) -> Result<(), &'static str> {
        let expected = "expected auto, human or json";
        let word = text(value, expected)?;
        *self = Self::ALL.into_iter().find(|format| format.as_str() == word).ok_or(expected)?;
        Ok(())
    }

    fn show(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.as_str().to_owned()))
    }
}
