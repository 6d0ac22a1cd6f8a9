//! The command line.
//!
//! Called by `main`. Each subcommand is a module with its arguments and a `run`; what it prints for programs goes to
//! standard output, what it says to people to standard error. Exit status: 0 done, 1 failed, 2 asked for something
//! that makes no sense (flags, configuration). Without the feature `node` only what needs no network is offered.

#[cfg(feature = "node")]
mod admin;
#[cfg(feature = "node")]
mod backup;
#[cfg(feature = "node")]
mod bench;
#[cfg(feature = "node")]
mod client;
mod cluster;
mod completions;
mod failure;
mod genesis;
#[cfg(feature = "node")]
mod import;
mod inspect;
mod keygen;
mod kubernetes;
#[cfg(all(feature = "node", feature = "planted"))]
mod liar;
#[cfg(feature = "node")]
mod localnet;
#[cfg(feature = "node")]
mod logging;
#[cfg(feature = "node")]
mod metrics;
mod output;
mod passphrase;
#[cfg(feature = "node")]
mod restore;
mod simulate;
#[cfg(feature = "node")]
mod start;
mod table;
#[cfg(feature = "node")]
mod transfer;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use failure::Failure;

/// A Byzantine fault tolerant consensus runtime.
#[derive(Debug, Parser)]
#[command(
    name = "thalweg",
    version = crate::VERSION,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Begin with:
  thalweg localnet                     # four validators on this machine
  thalweg put river 'to the sea'       # in another terminal
  thalweg get river --node http://127.0.0.1:8703
  thalweg help COMMAND                 # each with an example"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "node")]
    Localnet(localnet::Arguments),
    Genesis(genesis::Arguments),
    Keygen(keygen::Arguments),
    #[cfg(feature = "node")]
    #[command(hide = true)]
    Janitor(localnet::JanitorArguments),
    #[cfg(feature = "node")]
    Start(start::Arguments),
    #[cfg(feature = "node")]
    Put(client::PutArguments),
    #[cfg(feature = "node")]
    Get(client::GetArguments),
    #[cfg(feature = "node")]
    Delete(client::DeleteArguments),
    #[cfg(feature = "node")]
    Submit(client::SubmitArguments),
    #[cfg(feature = "node")]
    Import(import::Arguments),
    #[cfg(feature = "node")]
    Status(client::StatusArguments),
    #[cfg(feature = "node")]
    Peers(client::PeersArguments),
    #[cfg(feature = "node")]
    Validators(client::ValidatorsArguments),
    #[cfg(feature = "node")]
    Block(client::BlockArguments),
    #[cfg(feature = "node")]
    Certificate(client::CertificateArguments),
    #[cfg(feature = "node")]
    Checkpoint(client::CheckpointArguments),
    #[cfg(feature = "node")]
    #[command(name = "command")]
    Fate(client::CommandArguments),
    #[cfg(feature = "node")]
    Events(client::EventsArguments),
    #[cfg(feature = "node")]
    Doctor(client::DoctorArguments),
    #[cfg(feature = "node")]
    Admin(admin::Arguments),
    #[cfg(feature = "node")]
    Backup(backup::Arguments),
    #[cfg(feature = "node")]
    Restore(restore::Arguments),
    #[cfg(feature = "node")]
    Bench(bench::Arguments),
    Verify(verify::Arguments),
    Inspect(inspect::Arguments),
    Simulate(simulate::Arguments),
    #[cfg(feature = "node")]
    Metrics(metrics::Arguments),
    Completions(completions::Arguments),
}

/// Runs the command that the process was given, and returns its exit status.
pub fn main() -> ExitCode {
    let Cli { command, json } = Cli::parse();
    let done = match command {
        #[cfg(feature = "node")]
        Command::Localnet(arguments) => localnet::run(&arguments, json),
        Command::Genesis(arguments) => genesis::run(&arguments, json),
        Command::Keygen(arguments) => keygen::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Janitor(arguments) => localnet::clear_up(&arguments),
        #[cfg(feature = "node")]
        Command::Start(arguments) => start::run(&arguments),
        #[cfg(feature = "node")]
        Command::Put(arguments) => client::put(&arguments, json),
        #[cfg(feature = "node")]
        Command::Get(arguments) => client::get(&arguments, json),
        #[cfg(feature = "node")]
        Command::Delete(arguments) => client::delete(&arguments, json),
        #[cfg(feature = "node")]
        Command::Submit(arguments) => client::submit(&arguments, json),
        #[cfg(feature = "node")]
        Command::Import(arguments) => import::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Status(arguments) => client::status(&arguments, json),
        #[cfg(feature = "node")]
        Command::Peers(arguments) => client::peers(&arguments, json),
        #[cfg(feature = "node")]
        Command::Validators(arguments) => client::validators(&arguments, json),
        #[cfg(feature = "node")]
        Command::Block(arguments) => client::block(&arguments, json),
        #[cfg(feature = "node")]
        Command::Certificate(arguments) => client::certificate(&arguments),
        #[cfg(feature = "node")]
        Command::Checkpoint(arguments) => client::checkpoint(&arguments),
        #[cfg(feature = "node")]
        Command::Fate(arguments) => client::command(&arguments, json),
        #[cfg(feature = "node")]
        Command::Events(arguments) => client::events(&arguments, json),
        #[cfg(feature = "node")]
        Command::Doctor(arguments) => client::doctor(&arguments, json),
        Command::Inspect(arguments) => inspect::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Admin(arguments) => admin::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Backup(arguments) => backup::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Restore(arguments) => restore::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Bench(arguments) => bench::run(&arguments, json),
        Command::Verify(arguments) => verify::run(&arguments, json),
        Command::Simulate(arguments) => simulate::run(&arguments, json),
        #[cfg(feature = "node")]
        Command::Metrics(_) => metrics::run(json),
        Command::Completions(arguments) => completions::run(&arguments, &Cli::command()),
    };
    done.unwrap_or_else(|failure| failure.report(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("thalweg {}", command.get_name())), "{} has no example", command.get_name());
        }
    }
}
