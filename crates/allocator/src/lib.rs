//! The memory of a program that computes on a processor.
//!
//! Every operation on tensors allocates megabytes and frees them. What is returned to the system
//! must be faulted in and zeroed again, page by page, which takes longer than the operation itself.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: pyroclast_allocator::MiMalloc = pyroclast_allocator::MiMalloc;
//!
//! fn main() {
//!     pyroclast_allocator::keep_pages();
//!     // …
//! }
//! ```

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
pub use mimalloc::MiMalloc;
use std::ffi::c_long;

/// `mi_option_purge_delay` of mimalloc 3, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;
/// Some steps of training of the largest networks that one trains on a processor, in milliseconds.
const KEPT: c_long = 10_000;

/// Lets [`MiMalloc`] return freed memory to the system every 10 s, where it would do so every
/// second. `MIMALLOC_PURGE_DELAY` in the environment (ms; −1: never) takes precedence.
///
/// Call it first in `main`: other threads may read the option while it is written.
#[allow(unsafe_code)]
pub fn keep_pages() {
    // SAFETY: the call writes one aligned machine word in memory of mimalloc's own, and neither
    // takes nor returns a pointer.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libmimalloc_sys::mi_option_get;

    /// The number of the option is that of another option in other versions of mimalloc.
    #[test]
    #[allow(unsafe_code)]
    fn it_is_the_delay_that_is_set() {
        // SAFETY: reads one word.
        let delay = || unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1000, "mimalloc's default");
        keep_pages();
        assert_eq!(delay(), KEPT);
    }
}
