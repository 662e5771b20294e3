//! Gradients while other threads take theirs.
//!
//! After a backward pass burn frees nodes of any thread's tape that no tensor holds, so the inputs
//! of an operation have to be held until its node is on the tape.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexDevice};
use pyroclast_kernels::silu;
use std::sync::atomic::{AtomicBool, Ordering};

type A = Autodiff<Flex>;

fn leaf(value: f32) -> Tensor<A, 1> {
    Tensor::full([1 << 12], value, &FlexDevice).require_grad()
}

/// Ends the other thread, also where a gradient panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The gradient of `x + SiLU(2x)` at x = ½.
fn gradient() -> f32 {
    let x = leaf(0.5);
    // Burn joins tapes as operations do, and where several have been joined it keeps the next node
    // of x apart until that is joined too.
    let joined = (0..4).fold(x.clone(), |sum, _| sum + leaf(1.0));
    let fused = silu(x.clone() * 2.0);
    let gradients = (joined + fused).sum().backward();
    let gradient = x.grad(&gradients).expect("a gradient");
    gradient.slice(0..1).into_scalar()
}

#[test]
fn a_fused_operation_keeps_its_gradient_beside_other_threads() {
    let sigmoid = 1.0 / (1.0 + (-1.0_f32).exp());
    let expected = 1.0 + 2.0 * sigmoid * (1.0 + 1.0 - sigmoid);
    let over = AtomicBool::new(false);
    let lost = std::thread::scope(|threads| {
        let _over = Over(&over);
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = leaf(1.0).sum().backward();
            }
        });
        (0..1000)
            .filter(|_| (gradient() - expected).abs() > 1e-5)
            .count()
    });
    assert_eq!(lost, 0, "of 1000 gradients");
}
