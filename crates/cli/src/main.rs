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
mod memory;
mod plan;
mod progress;
mod say;

use crate::say::note;
use args::{Arguments, Command};
use clap::Parser;
use pyroclast_kernels::join_pool;
use pyroclast_train::config::ConfigError;
use pyroclast_train::learn::WeightsError;
use pyroclast_train::stored_model::StoredModelError;
use std::process::ExitCode;

/// Keeps the memory of a dropped tensor for the next one. The system's allocator would return it,
/// and faulting the pages in again costs more than filling them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An error that the user can fix on the command line: the exit code is 2, not 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn main() -> ExitCode {
    survive_full_files();
    let arguments = Arguments::parse();
    join_pool();
    let outcome = match arguments.command {
        Command::Train(arguments) => command::train::run(arguments),
        Command::Sample(arguments) => command::sample::run(arguments),
        Command::Evaluate(arguments) => command::evaluate::run(arguments),
        Command::Export(arguments) => command::export::run(arguments),
        Command::Compare(arguments) => command::compare::run(arguments),
        Command::Classifier(arguments) => command::classifier::run(arguments),
        Command::Distance(arguments) => command::distance::run(arguments),
        Command::Methods(arguments) => command::methods::run(arguments),
        Command::Devices => command::devices::run(),
        Command::Config(arguments) => command::config::run(&arguments),
        Command::Presets(arguments) => command::presets::run(arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            note!("error: {error:#}");
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail, as on a full disk, in place
/// of ending the process.
fn survive_full_files() {
    #[cfg(unix)]
    {
        use signal_hook::{consts::SIGXFSZ, flag};
        // Where the signal cannot be caught, it does what it always did.
        let _ = flag::register(SIGXFSZ, std::sync::Arc::default());
    }
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
    match error.downcast_ref::<StoredModelError>() {
        Some(StoredModelError::OtherWeights { .. } | StoredModelError::Config(_)) => true,
        Some(StoredModelError::Weights(error)) => of_weights(error),
        Some(_) => false,
        None => error.is::<Usage>() || error.is::<ConfigError>(),
    }
}
