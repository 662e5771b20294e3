//! The pool of threads that the loops on flex share.

/// Makes the calling thread one of a pool of `threads` that share the loops on flex.
///
/// Call it first, on the thread that trains or samples. Without it every loop starts by waking
/// another thread and ends by waking this one, which takes longer than a short loop does.
///
/// Returns whether this was done. It is not done where a pool exists already, without the feature
/// `flex`, or for fewer than two threads, since then no thread of the pool would be left to run
/// what other threads start.
pub fn join_pool(threads: usize) -> bool {
    #[cfg(feature = "flex")]
    if threads > 1 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        return pool.use_current_thread().build_global().is_ok();
    }
    let _ = threads;
    false
}
