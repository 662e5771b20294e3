//! Loading data: where decoded pictures are kept, and a bar while they are decoded.

use crate::Usage;
use crate::say::{self, note};
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use pyroclast_data::folder_of_batches;
use pyroclast_train::dataset::{DataSource, Loading};
use pyroclast_train::task::Task;
use std::cell::RefCell;
use std::env;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time after which decoding is worth a word.
const LONG: Duration = Duration::from_secs(1);

/// Runs a computation that may decode pictures, and shows how far it is.
pub(crate) fn with_progress<T>(load: impl FnOnce(&Loading<'_>) -> Result<T>) -> Result<T> {
    with_progress_of("decod", load)
}

/// The same of another work than decoding; `verb` lacks its -ed and -ing.
pub(crate) fn with_progress_of<T>(
    verb: &'static str,
    load: impl FnOnce(&Loading<'_>) -> Result<T>,
) -> Result<T> {
    let bar: RefCell<Option<ProgressBar>> = RefCell::new(None);
    let (start, decoded) = (Instant::now(), RefCell::new(0));
    let progress = |done: usize, total: Option<usize>| {
        *decoded.borrow_mut() = done;
        let mut bar = bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| new_bar(verb, total));
        bar.set_position(done as u64);
    };
    let loaded = load(&Loading {
        cache: cache(),
        progress: &progress,
    });
    if let Some(bar) = bar.take() {
        bar.finish_and_clear();
    }
    let (n, seconds) = (decoded.take(), start.elapsed());
    if n > 0 && seconds > LONG {
        let per_second = n as f64 / seconds.as_secs_f64();
        note!(
            "{verb}ed {n} pictures in {:.1} s ({per_second:.0} per second)",
            seconds.as_secs_f64()
        );
    }
    loaded
}

/// What a command line names as data: a path or, of several batches of CIFAR, their folder.
pub(crate) fn one_source(first: String, more: &[String]) -> Result<String> {
    if more.is_empty() {
        return Ok(first);
    }
    let paths = [&first].into_iter().chain(more).map(Path::new);
    let folder = folder_of_batches(&paths.collect::<Vec<_>>());
    let folder = folder.map_err(|error| Usage(error.to_string()))?;
    Ok(folder.to_string_lossy().into_owned())
}

/// Refuses a key that says how a table is read where the data is none: it would do nothing.
pub(crate) fn check_table(data: &DataSource, task: &Task) -> Result<()> {
    let plain = DataSource::default();
    let keys = [
        ("data.label", data.label != plain.label),
        ("data.separator", data.separator != plain.separator),
        ("data.decimal", data.decimal != plain.decimal),
        ("data.missing", data.missing != plain.missing),
        ("data.columns", data.columns != plain.columns),
    ];
    let set = (keys.into_iter()).find_map(|(key, is_set)| is_set.then_some(key));
    match (set, &task.training.table) {
        (Some(key), None) => bail!(Usage(format!(
            "{key} says how a table is read, and {} is none; leave it out",
            task.training.name
        ))),
        _ => Ok(()),
    }
}

fn new_bar(verb: &str, total: Option<usize>) -> ProgressBar {
    if !say::prints() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total as u64),
            format!("{{bar:30.yellow/dim}} {verb}ing {{pos}}/{{len}}  {{per_sec}}  ETA {{eta}}"),
        ),
        None => (
            ProgressBar::new_spinner(),
            format!("{{spinner}} {verb}ing {{pos}}  {{per_sec}}"),
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}

/// The folder of decoded pictures: PYROCLAST_CACHE, or `pyroclast` in the user's folder of caches.
fn cache() -> PathBuf {
    let folder = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let of_user = || {
        folder("XDG_CACHE_HOME")
            .or_else(|| folder("LOCALAPPDATA"))
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(env::temp_dir)
            .join("pyroclast")
    };
    folder("PYROCLAST_CACHE").unwrap_or_else(of_user)
}
