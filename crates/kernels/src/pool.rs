//! The pool of threads that the loops on flex share.

/// Makes the calling thread one of rayon's pool, whose threads share the loops on flex.
///
/// Call it first, on the thread that trains or samples. Without it every loop starts by waking
/// another thread and ends by waking this one, which takes longer than a short loop does. The
/// pool has as many threads as rayon gives it: one per core, or `RAYON_NUM_THREADS`.
///
/// Returns whether the thread has joined. It does not if a global pool exists already, without the
/// feature `flex`, or if the pool has a single thread: none would be left to run what other threads
/// start.
pub fn join_pool() -> bool {
    // Only a pool tells how many threads rayon gives to one.
    cfg!(feature = "flex")
        && rayon::ThreadPoolBuilder::new()
            .build()
            .is_ok_and(|pool| pool.current_num_threads() > 1)
        && rayon::ThreadPoolBuilder::new()
            .use_current_thread()
            .build_global()
            .is_ok()
}
