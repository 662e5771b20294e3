//! `pyroclast man`: the manual page.

use crate::args::Arguments;
use crate::say::raw;
use anyhow::Result;
use clap::CommandFactory;
use clap_mangen::Man;
use std::process::ExitCode;

pub(crate) fn run() -> Result<ExitCode> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    // The commands follow on the same page, each with its options in sections of its own.
    for part in (command.get_subcommands()).filter(|part| part.get_name() != "help") {
        let name = part.get_name().to_uppercase();
        let man = Man::new(part.clone());
        let mut text = Vec::new();
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        let text = String::from_utf8_lossy(&text).replace(".SH ", ".SS ");
        page.extend(format!(".SH \"PYROCLAST {name}\"\n{text}").bytes());
    }
    raw(&page);
    Ok(ExitCode::SUCCESS)
}
