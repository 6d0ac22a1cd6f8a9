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

/// Prints them for a command line.
pub(super) fn run(arguments: &Arguments, command: &Command) -> Result<ExitCode, Failure> {
    output::bytes(&script(arguments.shell, command))?;
    Ok(ExitCode::SUCCESS)
}

/// What is hidden from help is hidden from shells too.
fn script(shell: Shell, command: &Command) -> Vec<u8> {
    let shown = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).cloned();
    let mut command = Command::new("thalweg").args(command.get_arguments().cloned()).subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "thalweg", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ValueEnum as _};

    use super::*;

    #[test]
    fn every_shell_completes_what_help_shows_and_nothing_else() {
        let command = Command::new("thalweg")
            .arg(Arg::new("json").long("json"))
            .subcommand(Command::new("shown"))
            .subcommand(Command::new("secret").hide(true));
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell, &command)).unwrap();
            assert!(script.contains("shown") && script.contains("json") && !script.contains("secret"), "{shell}");
        }
    }
}
