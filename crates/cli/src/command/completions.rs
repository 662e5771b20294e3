//! `pyroclast completions`: the script that completes a command line in a shell.

use crate::args::{Arguments, Completions};
use crate::say::raw;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::generate;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Completions) -> Result<ExitCode> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    generate(arguments.shell, &mut command, "pyroclast", &mut script);
    raw(&script);
    Ok(ExitCode::SUCCESS)
}
