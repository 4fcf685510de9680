//! The `isospin` binary: commands, configuration, wiring. No logic of the services.

mod cli;
mod cloud;
mod commands;
mod config;
mod credentials;
mod host_agent;
mod logging;
mod memory;
mod metrics;
mod serve;
mod state_dir;
mod supervise;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Databases, keys and logs are their owner's, whatever the shell's habits.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    if matches!(cli.command, Command::Agent(_)) {
        memory::keep_small();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let result = runtime.block_on(run(cli.command));
    // Blocking work that is still going on (a long list nobody waits for) is left behind.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(arguments) => commands::up::run(arguments).await?,
        Command::Down(arguments) => commands::down::run(arguments).await?,
        Command::Status(arguments) => commands::status::run(arguments).await?,
        Command::Server(arguments) => serve::run(arguments).await?,
        Command::Agent(cli::Agent { command: Some(cli::AgentCommand::Status(arguments)), .. }) => {
            commands::agent_status::run(arguments)?;
        }
        Command::Agent(arguments) => host_agent::run(arguments).await?,
        Command::Attach(arguments) => commands::attach::attach(arguments).await?,
        Command::Detach(arguments) => commands::attach::detach(arguments).await?,
        Command::Demo(arguments) => commands::demo::run(arguments).await?,
        Command::Policy(arguments) => return commands::policy::run(arguments),
        Command::Identity(arguments) => commands::identity::run(arguments).await?,
        Command::Keys(arguments) => commands::keys::run(arguments).await?,
        Command::Openapi => commands::openapi::run()?,
        Command::Token(arguments) => commands::token::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for people, the causes after it; the supervisor looks for "error: ".
#[expect(clippy::print_stderr, reason = "this is where errors of a command are told")]
fn fail(error: &anyhow::Error) -> ExitCode {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    eprintln!("error: {}", causes.join(": "));
    ExitCode::FAILURE
}
