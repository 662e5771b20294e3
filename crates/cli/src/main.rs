//! The `pyroclast` command: trains, samples and evaluates flow matching models.
//!
//! `args` declares the arguments, `device` turns a name into a backend, and `command` has one file
//! per subcommand. Only this crate prints, and everything else that it does is a public function of
//! a library crate.

#![recursion_limit = "256"]

mod args;
mod command;
mod device;
mod export;
mod features;
mod group;
mod loading;
mod memory;
mod pair_plot;
mod plan;
mod progress;
mod report;
mod say;
mod server;

use anyhow::{Result, bail};
use args::{Arguments, Command};
use clap::Parser;
use clap::error::ErrorKind;
use pyroclast_allocator::{MiMalloc, keep_pages};
use pyroclast_kernels::join_pool;
use pyroclast_train::config::ConfigError;
use pyroclast_train::draw::SampleError;
use pyroclast_train::learn::{Group, WeightsError};
use pyroclast_train::stored_model::StoredModelError;
use pyroclast_train::task::TaskError;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An error that the user can fix on the command line: the exit code is 2, not 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn main() -> ExitCode {
    keep_pages();
    survive_full_files();
    let joined = match group::join() {
        Ok(joined) => joined,
        Err(error) => {
            say::aloud(format_args!("error: {error:#}"));
            return ExitCode::from(1);
        }
    };
    match run(&joined.group) {
        Ok(code) => code,
        Err(error) => joined.fail(&error, if is_usage(&error) { 2 } else { 1 }),
    }
}

fn run(group: &Arc<dyn Group>) -> Result<ExitCode> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && error.kind() != MISSING => {
            bail!(Usage(one_line(&error)));
        }
        // Help, and the version.
        Err(error) => {
            if group.leads() {
                let _ = error.print();
            }
            return Ok(ExitCode::from(error.exit_code() as u8));
        }
    };
    let shares = matches!(
        arguments.command,
        Command::Train(_) | Command::Sample(_) | Command::Evaluate(_)
    );
    if group.size() > 1 && !shares {
        bail!(Usage(
            "only `train`, `sample` and `evaluate` share their work among the processes of MPI; \
             start one"
                .into()
        ));
    }
    join_pool();
    match arguments.command {
        Command::Train(arguments) => command::train::run(arguments, group),
        Command::Sample(arguments) => command::sample::run(arguments, group),
        Command::Evaluate(arguments) => command::evaluate::run(arguments, group),
        Command::Export(arguments) => command::export::run(arguments),
        Command::Serve(arguments) => command::serve::run(arguments),
        Command::Page(arguments) => command::page::run(arguments),
        Command::Import(arguments) => command::import::run(arguments),
        Command::Compare(arguments) => command::compare::run(arguments),
        Command::Classifier(arguments) => command::classifier::run(arguments),
        Command::Distance(arguments) => command::distance::run(arguments),
        Command::Methods(arguments) => command::methods::run(&arguments),
        Command::Sweep(arguments) => command::sweep::run(arguments),
        Command::Data(arguments) => command::data::run(arguments),
        Command::Devices(arguments) => command::devices::run(&arguments),
        Command::Config(arguments) => command::config::run(&arguments),
        Command::Presets(arguments) => command::presets::run(&arguments),
        Command::Completions(arguments) => command::completions::run(&arguments),
        Command::Man => command::man::run(),
    }
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail, as on a full disk, in
/// place of ending the process.
fn survive_full_files() {
    #[cfg(unix)]
    {
        use signal_hook::{consts::SIGXFSZ, flag};
        // Where the signal cannot be caught, it does what it always did.
        let _ = flag::register(SIGXFSZ, std::sync::Arc::default());
    }
}

/// The error of a command line without a subcommand, whose message is the help.
const MISSING: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

/// What is wrong with a command line, without the usage that clap prints below it.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let ends = ["\n\nUsage:", "\n\nFor more information"];
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    let lines = text[..end.unwrap_or(text.len())].lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    format!("{}; see --help", lines.join(" "))
}

/// Whether a different command line would avoid the error.
fn is_usage(error: &anyhow::Error) -> bool {
    let of_weights = |error: &WeightsError| {
        matches!(
            error,
            WeightsError::NoRate { .. }
                | WeightsError::NoPower { .. }
                | WeightsError::FarPower { .. }
        )
    };
    // Samples that diverge and solves that stop are the model's; all else is the plan's.
    let of_samples =
        |error: &SampleError| !matches!(error, SampleError::Solve(_) | SampleError::NotFinite(_));
    let of_task = |error: &TaskError| matches!(error, TaskError::UnknownName { .. });
    if let Some(error) = error.downcast_ref::<StoredModelError>() {
        return match error {
            StoredModelError::OtherWeights { .. } => true,
            StoredModelError::Weights(error) => of_weights(error),
            _ => false,
        };
    }
    error.downcast_ref::<SampleError>().is_some_and(of_samples)
        || error.downcast_ref::<TaskError>().is_some_and(of_task)
        || error.is::<Usage>()
        || error.is::<ConfigError>()
}
