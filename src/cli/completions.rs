//! `thalweg completions`: what a shell needs to complete this command line, from the command line's own definition.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Failure, output};

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  thalweg completions bash > ~/.local/share/bash-completion/completions/thalweg
  thalweg completions zsh > ~/.zfunc/_thalweg
  thalweg completions fish > ~/.config/fish/completions/thalweg.fish")]
pub(super) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints them for the whole command line.
pub(super) fn run(arguments: &Arguments, mut command: Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "thalweg", &mut script);
    output::bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
