//! Repository commands, called as `cargo xtask COMMAND`: one file per command, and this one chooses.
//!
//! Invariant: what CI does is written here and nowhere else; a person at a terminal runs the same commands.

mod bench;
mod binaries;
mod ci;
mod clock;
mod conformance;
mod deny;
mod flags;
mod fresh;
mod ids;
mod layers;
mod lint;
mod oracle;
mod pages;
mod process;
mod services;
mod shard;
mod tally;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use crate::flags::{Command, USAGE};

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match command {
        Command::Help => {
            println!("{USAGE}");
            Ok(())
        }
        Command::Bench(it) => it.run(),
        Command::Ci(it) => it.run(),
        Command::Conformance(it) => it.run(),
        Command::Fresh => fresh::run_all(),
        Command::Ids(it) => it.run(),
        Command::Layers => layers::run(),
        Command::Lint => lint::run(),
        Command::Oracle => oracle::run(),
        Command::Services(it) => it.run(),
        Command::Test(it) => it.run(),
        Command::Tidy => tidy::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
