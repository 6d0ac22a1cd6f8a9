//! Passphrases of key files: asked for at a terminal, never shown, never on a command line.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use zeroize::Zeroizing;

use super::Failure;
use crate::config::{PASSPHRASE_VARIABLE, passphrase_of_environment, read_secret_line};

/// The fewest characters of a new one: whoever has the file can guess ten a second on each core.
const CHARACTERS_MIN: usize = 12;

/// Asks for the passphrase of a file; `None` without a terminal, or when nothing is answered.
pub(super) fn ask(file: &Path) -> Option<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let answer = rpassword::prompt_password(format!("Passphrase of {}: ", file.display())).ok().map(Zeroizing::new);
    answer.filter(|answer| !answer.is_empty())
}

/// The passphrase for a new file: the line in `given`, else that of the environment, else what is answered twice.
///
/// # Errors
/// [`Failure::Usage`] when there is none, when it is short, or when the two answers differ.
pub(super) fn choose(given: Option<&Path>, file: &Path) -> Result<Zeroizing<String>, Failure> {
    let usage = |what: &str| Failure::Usage(format!("{}: {what}", file.display()));
    let chosen = match given {
        Some(given) => read_secret_line(given).map_err(|error| Failure::failed(given.display(), error))?,
        None => match passphrase_of_environment() {
            Some(passphrase) => passphrase,
            None => {
                let none = format!("no passphrase: give --passphrase-file, {PASSPHRASE_VARIABLE}, or a terminal");
                let first = ask(file).ok_or_else(|| usage(&none))?;
                let again = rpassword::prompt_password("The same again: ").map(Zeroizing::new);
                if again.ok().as_ref() != Some(&first) {
                    return Err(usage("the two passphrases differ; nothing was written"));
                }
                first
            }
        },
    };
    if chosen.chars().count() < CHARACTERS_MIN {
        return Err(usage(&format!("a passphrase has {CHARACTERS_MIN} characters at least; nothing was written")));
    }
    Ok(chosen)
}
