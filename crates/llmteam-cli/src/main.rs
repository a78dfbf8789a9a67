//! The `llmteam` command line.
//!
//! Standard output is data, standard error is talk; what a command came to is its exit code ([`exit`]).
//! This program holds no rule of its own about segments, runs or answers: it opens the stores, hands
//! files to the layers, and shows what they say.

mod admission;
mod args;
mod commands;
mod config;
mod drive;
mod error;
mod exit;
mod input;
mod output;
mod people;
mod progress;
mod session;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime could be started: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    let code = match runtime.block_on(commands::perform(args.command)) {
        Ok(code) => code,
        Err(error) => {
            error.show();
            exit::of_error(&error)
        }
    };
    // A thread may still wait for a line on the terminal; nobody needs it any more.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Warnings go to standard error; `LLMTEAM_LOG` asks for more, as in `LLMTEAM_LOG=debug`.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LLMTEAM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
