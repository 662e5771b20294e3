//! `pyroclast devices`: lists the devices, and whether they work.

use crate::args::Devices;
use crate::device::{ALL, Name, best};
use crate::say::say;
use anyhow::Result;
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Devices) -> Result<ExitCode> {
    let best = best().ok();
    let found = ALL.map(|name| (name, name.problem()));
    if arguments.json {
        let device = |(name, problem): &(Name, Option<String>)| {
            json!({
                "name": name.to_string(),
                "about": name.about(),
                "works": problem.is_none(),
                "default": best == Some(*name),
                "problem": problem,
            })
        };
        let devices: Vec<Value> = found.iter().map(device).collect();
        say!("{}", json!({ "devices": devices }));
        return Ok(ExitCode::SUCCESS);
    }
    for (name, problem) in found {
        let state = match problem {
            None if best == Some(name) => "ready, the default".to_owned(),
            None => "ready".to_owned(),
            Some(problem) => problem,
        };
        say!("{:<8} {:<44} {state}", name.to_string(), name.about());
    }
    Ok(ExitCode::SUCCESS)
}
