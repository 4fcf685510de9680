//! Chores of this repository.

#![expect(clippy::print_stdout, reason = "what commands answer")]

mod lab;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Chores of this repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Several hosts on this machine, with one server
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Lab(command) => lab::run(command),
    }
}
