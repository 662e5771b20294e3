//! The memory that a command would take, counted before it is taken.
//!
//! The counts are bounds from below: what is refused could not have been done.

use crate::Usage;
use anyhow::{Result, bail};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Refuses what does not fit into the memory of this machine.
pub(crate) fn check(what: &str, bytes: u64, remedy: &str) -> Result<()> {
    match problem(what, bytes, remedy) {
        Some(problem) => bail!(Usage(problem)),
        None => Ok(()),
    }
}

/// What to say about that which does not fit into the memory of this machine; `None` if it may fit.
pub(crate) fn problem(what: &str, bytes: u64, remedy: &str) -> Option<String> {
    let limit = limit();
    (bytes > limit).then(|| {
        format!(
            "{what} would take at least {} of memory, and this machine has {}; {remedy}",
            shown(bytes),
            shown(limit)
        )
    })
}

/// Refuses more steps than there is memory for their times.
pub(crate) fn check_steps(steps: usize) -> Result<()> {
    // A grid is made, and another from its parts inside the model's range.
    let bytes = product([steps as u64, 2, 8]);
    check(&format!("a grid of {steps} steps"), bytes, "take fewer")
}

/// The product of these numbers, or `u64::MAX` if it is larger.
pub(crate) fn product<const N: usize>(factors: [u64; N]) -> u64 {
    factors.into_iter().fold(1, u64::saturating_mul)
}

/// The memory of the machine, or of the container that the process runs in.
fn limit() -> u64 {
    let ram = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(ram));
    let container = system.cgroup_limits().map(|limits| limits.total_memory);
    // On a system that does not tell, nothing is refused.
    match container.unwrap_or(u64::MAX).min(system.total_memory()) {
        0 => u64::MAX,
        bytes => bytes,
    }
}

/// A number of bytes in the largest unit of which there is one.
fn shown(bytes: u64) -> String {
    if bytes == u64::MAX {
        return "16 EiB".to_owned();
    }
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = (bytes.max(1).ilog2() / 10) as usize;
    let value = bytes as f64 / 1024_f64.powi(power as i32);
    match power {
        0 => format!("{bytes} bytes"),
        _ => format!("{value:.1} {}", units[power]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_largest_unit() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1 << 10, "1.0 KiB"),
            (24 << 30, "24.0 GiB"),
            (3 << 59, "1.5 EiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn what_no_machine_has_is_refused_and_what_every_machine_has_is_not() {
        check("nothing", 1 << 20, "").expect("a mebibyte");
        let error = check("-n 9", product([u64::MAX, 2]), "ask for less").expect_err("too much");
        let message = error.to_string();
        assert!(
            message.starts_with("-n 9 would take at least 16 EiB of memory"),
            "{message}"
        );
        assert!(message.ends_with("ask for less"), "{message}");
    }
}
