//! Where log lines go and how they look.

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _};

use super::Failure;
use crate::{
    api::port::LogFilter,
    config::{LogFormat, LogSection},
};

/// Libraries that say on every connection what only their authors want to know; they are heard from `warn` on, unless
/// `RUST_LOG` asks for them.
const QUIET: &str =
    "libp2p=warn,libp2p_gossipsub=error,multistream_select=warn,yamux=warn,actix_server=warn,netlink=warn";

/// Starts logging to standard error: for people on a terminal, one JSON object a line elsewhere, unless the
/// configuration says which. `RUST_LOG`, where set and not empty, is stronger than the configured level. Returns the way
/// to another filter.
///
/// # Errors
/// [`Failure::Usage`] when `RUST_LOG` makes no sense.
pub(super) fn init(section: &LogSection) -> Result<Arc<dyn LogFilter>, Failure> {
    let filter = filter(section, std::env::var("RUST_LOG").ok().as_deref())?;
    let (filter, handle) = reload::Layer::new(filter);
    let is_terminal = io::stderr().is_terminal();
    let is_human = match section.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = if is_human {
        registry.with(fmt::layer().with_ansi(is_terminal).with_writer(io::stderr)).try_init()
    } else {
        let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(io::stderr);
        registry.with(layer).try_init()
    };
    started.map_err(|error| Failure::failed("logging", error))?;
    Ok(Arc::new(Filter(handle)))
}

/// The filter that is at work.
struct Filter(reload::Handle<EnvFilter, Registry>);

impl LogFilter for Filter {
    fn current(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }

    fn replace(&self, directives: &str) -> Result<(), String> {
        let filter = replacement(directives)?;
        // Told while the old filter may still let it through.
        tracing::info!(filter = directives, "the filter of the log is replaced");
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

/// The levels, and silence.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Reads a level as the configuration does, or directives. What is neither a level nor an assignment would be taken for
/// the name of a part, and silence all others.
fn replacement(directives: &str) -> Result<EnvFilter, String> {
    let is_level = |word: &str| LEVELS.contains(&word.trim());
    let expected = "expected error, warn, info, debug, trace or off, or directives such as info,thalweg::replica=debug";
    // Fields of spans may have commas of their own.
    if !directives.contains('[') && !directives.split(',').all(|part| is_level(part) || part.contains('=')) {
        return Err(expected.to_owned());
    }
    let directives =
        if is_level(directives) { format!("{},{QUIET}", directives.trim()) } else { directives.to_owned() };
    EnvFilter::try_new(directives).map_err(|error| format!("{error}; {expected}"))
}

fn filter(section: &LogSection, rust_log: Option<&str>) -> Result<EnvFilter, Failure> {
    let directives = match rust_log {
        Some(directives) if !directives.is_empty() => directives.to_owned(),
        _ => format!("{},{QUIET}", section.level.as_str()),
    };
    EnvFilter::try_new(directives).map_err(|error| Failure::Usage(format!("RUST_LOG: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_is_stronger_than_the_configured_level() {
        let section = LogSection::default();
        assert!(filter(&section, None).unwrap().to_string().contains("info"));
        assert!(filter(&section, Some("")).unwrap().to_string().contains("libp2p=warn"));
        assert_eq!(filter(&section, Some("thalweg=debug")).unwrap().to_string(), "thalweg=debug");
        assert!(matches!(filter(&section, Some("a=b=c")), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_replacement_is_a_level_or_directives() {
        let replaced = |text: &str| replacement(text).map(|filter| filter.to_string());
        let debug = replaced("debug").unwrap();
        assert!(debug.contains("debug") && debug.contains("libp2p=warn"), "as the configured level: {debug}");
        assert_eq!(replaced("thalweg=debug").unwrap(), "thalweg=debug");
        assert!(replaced("info,thalweg::replica=trace").unwrap().contains("thalweg::replica=trace"));
        for senseless in ["", "loud", "debgu", "info,thalweg", "a=b=c", "info;debug"] {
            assert!(replaced(senseless).is_err(), "{senseless}");
        }
    }
}
