//! The threads that the loops on flex share.

/// Makes the calling thread one of the pool that loops on flex are shared out to: the one that trains or samples, before anything
/// else is computed. Otherwise every loop begins by waking another thread and ends by waking this one, which takes longer than a short
/// loop does.
///
/// Whether it was done. It isn't where there is a pool already, where another thread would wait in vain for this one because the pool
/// has no second, or without flex.
pub fn join_pool() -> bool {
    #[cfg(feature = "flex")]
    {
        let asked = std::env::var("RAYON_NUM_THREADS").ok();
        let asked = asked.and_then(|n| n.parse().ok()).filter(|n| *n > 0);
        let there = || std::thread::available_parallelism().map_or(1, usize::from);
        if asked.unwrap_or_else(there) > 1 {
            let pool = rayon::ThreadPoolBuilder::new().use_current_thread();
            return pool.build_global().is_ok();
        }
    }
    false
}
