//! The one binary of LLM-SRE.

mod access;
mod cli;
mod client;
mod config;
mod demo;
mod dlq;
mod drill;
mod eval;
mod node;
mod output;
mod policy;
mod replay;
mod run;
mod self_watch;
mod side_by_side;
mod store;
mod times;
mod wiring;
mod world;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::client::Asking;
use crate::config::Config;

/// What a wrong flag, key or file exits with; clap does the same.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match config::load(&cli.overrides()) {
        Ok(config) => config,
        Err(error) => return fail(&error.into(), USAGE),
    };
    match start(cli, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<config::Error>() => fail(&error, USAGE),
        Err(error) => fail(&error, 1),
    }
}

fn start(cli: Cli, config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let command = cli.command.unwrap_or_else(|| Command::Demo(cli::Demo::default()));
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "llm-sre", &mut io::stdout());
            Ok(())
        }
        Command::Config(cli::Config::Dump) => Ok(output::line(config.to_toml()?.trim_end())?),
        Command::Access(command) => access::run(command),
        Command::Incidents(arguments) => runtime.block_on(client::run(Asking::Incidents(arguments), &config)),
        Command::Diagnose(arguments) => runtime.block_on(client::run(Asking::Diagnose(arguments), &config)),
        Command::Exchanges(arguments) => runtime.block_on(client::run(Asking::Exchanges(arguments), &config)),
        Command::Actions(arguments) => runtime.block_on(client::run(Asking::Actions(arguments), &config)),
        Command::KillSwitch(arguments) => runtime.block_on(client::run(Asking::KillSwitch(arguments), &config)),
        Command::Freeze(arguments) => runtime.block_on(client::run(Asking::Freeze(arguments), &config)),
        Command::Maintenance(arguments) => runtime.block_on(client::run(Asking::Maintenance(arguments), &config)),
        Command::Audit(arguments) => runtime.block_on(client::run(Asking::Audit(arguments), &config)),
        Command::Policy(command) => policy::run(command, &config),
        Command::Store(command) => store::run(&command, &config),
        Command::Faults(arguments) => runtime.block_on(client::run(Asking::Faults(arguments), &config)),
        Command::Health(arguments) => runtime.block_on(client::run(Asking::Health(arguments), &config)),
        Command::Dlq(arguments) => runtime.block_on(async {
            let _logging = run::logging(&config, "llm-sre-dlq")?;
            dlq::run(arguments, &config).await
        }),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Drill(arguments) => drill::run(&arguments, &config),
        Command::Eval(arguments) => eval::run(&arguments, &config, &runtime),
        Command::World(arguments) => world::run(&arguments, &config),
        Command::Demo(arguments) => runtime.block_on(demo::run(arguments, config)),
        Command::Run(arguments) => runtime.block_on(run::run(arguments, config)),
    }
}

/// Prints an error with its sources as one line.
fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("llm-sre: {error:#}");
    ExitCode::from(code)
}

/// Whether the error is only that nobody reads on, as in `llm-sre incidents list | head`.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
