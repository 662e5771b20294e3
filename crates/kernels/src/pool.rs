//! The threads that the loops on flex share.

/// Makes the calling thread one of the pool of `threads` that loops on flex are shared out to: the thread that trains or samples,
/// before anything else is computed. Otherwise every loop begins by waking another thread and ends by waking this one, which takes
/// longer than a short loop does.
///
/// Whether it was done. It isn't where there is a pool already, without flex, or with fewer than two threads: then a thread beside
/// this one would wait for it in vain.
pub fn join_pool(threads: usize) -> bool {
    #[cfg(feature = "flex")]
    if threads > 1 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        return pool.use_current_thread().build_global().is_ok();
    }
    let _ = threads;
    false
}
