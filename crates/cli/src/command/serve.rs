//! `pyroclast serve`: a page on this machine that draws samples in the browser.

use super::page::page_of;
use crate::args::Serve;
use crate::say::{note, say};
use crate::server::{listen, serve};
use anyhow::{Context, Result};
use std::process::ExitCode;

pub(crate) fn run(arguments: Serve) -> Result<ExitCode> {
    let files = page_of(&arguments.models.runs, arguments.models.weights)?;
    let listener = listen(arguments.port).with_context(|| match arguments.port {
        Some(port) => format!("cannot listen on port {port}; give another, or leave out --port"),
        None => "cannot listen on a port of this machine; give one with --port".to_owned(),
    })?;
    say!("http://127.0.0.1:{}/", listener.local_addr()?.port());
    note!("open it in a browser on this machine; Ctrl-C stops it");
    serve(&listener, files).context("cannot serve the page")?;
    Ok(ExitCode::SUCCESS)
}
