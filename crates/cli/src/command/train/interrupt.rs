//! Ctrl-C, and the request of a system to end.

use anyhow::{Context, Result};
use pyroclast_train::learn::{Next, Watcher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code after Ctrl-C, by the convention of shells.
pub(super) const INTERRUPTED: u8 = 130;

/// What becomes true once this process is asked to end. The second time ends it at once, in the
/// middle of a step.
pub(super) fn interrupts() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
    .context("cannot listen for interrupts")?;
    Ok(stop)
}

/// What is to happen after a step.
pub(super) fn wish(stop: &AtomicBool) -> Next {
    match stop.load(Ordering::SeqCst) {
        true => Next::Stop,
        false => Next::Continue,
    }
}

/// Watches the training of a process that is not the first: it shows and writes nothing.
pub(super) struct Follower {
    pub(super) stop: Arc<AtomicBool>,
}

impl<T> Watcher<T> for Follower {
    fn stepped(&mut self, _: &T) -> Next {
        wish(&self.stop)
    }
}
