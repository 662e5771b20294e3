//! The memory of attention, with its gradient: that of long sequences grows with the number of
//! tokens, not with its square.

use burn::backend::Autodiff;
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use peak_alloc::PeakAlloc;
use pyroclast_kernels::attention;

/// Counts every byte that this program has allocated.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The largest number of bytes allocated while all of this many tokens attend to each other,
/// forward and backward, beyond those before.
fn peak(tokens: usize) -> f64 {
    let device = Default::default();
    let draw = || {
        let shape = [1, 2, tokens, 8];
        Tensor::<Autodiff<Flex>, 4>::random(shape, Distribution::Default, &device).require_grad()
    };
    let (q, k, v) = (draw(), draw(), draw());
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let gradients = attention(q.clone(), k, v, 0.3).sum().backward();
    assert!(q.grad(&gradients).is_some());
    (ALLOCATOR.peak_usage() - before) as f64
}

// There is one test, since the memory of another running at the same time would be counted too.
#[test]
fn memory_of_attention_grows_with_the_number_of_tokens() {
    let (few, many) = (peak(1024), peak(4096));
    assert!((2.0..6.0).contains(&(many / few)), "{few} and {many} bytes");
    // The scores of all pairs, once.
    let scores = (2 * 4096 * 4096 * 4) as f64;
    assert!(many < scores / 4.0, "{many} bytes and not {scores}");
}
