//! `pyroclast devices`: lists the devices, and whether they work.

use crate::device::{ALL, best};
use crate::say::say;
use anyhow::Result;
use std::process::ExitCode;

pub(crate) fn run() -> Result<ExitCode> {
    let best = best().ok();
    for name in ALL {
        let state = match name.problem() {
            None if best == Some(name) => "ready, the default".to_owned(),
            None => "ready".to_owned(),
            Some(problem) => problem,
        };
        say!("{:<8} {:<44} {state}", name.to_string(), name.about());
    }
    Ok(ExitCode::SUCCESS)
}
