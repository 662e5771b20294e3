//! What a process needs for the kernels on flex to run at their full speed. The benches take this file for theirs.

/// Keeps the pages of a freed tensor for the next one. The system's allocator gives them back at once, and to have them again costs
/// more than to fill them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads to compute on: as many as asked for in the way of every program that stands on rayon, or as there are cores.
pub(crate) fn threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok();
    let asked = asked.and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
