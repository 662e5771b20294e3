//! What a model provides: a forward pass.
//!
//! `output = N_θ(x_t, t, condition)`

use crate::condition::Condition;
use crate::noise::Draws;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A trainable function of a noisy state, its time and a condition.
///
/// # Shapes
/// - x: `[batch, …]`, and the output alike
/// - t: `[batch]`, in [0, 1], one time per sample
pub trait Network<B: Backend, const D: usize>: Module<B> {
    /// What the output is conditioned on, beside the time: `()` for nothing.
    type Condition: Condition<B>;

    /// The output, without randomness.
    fn forward(
        &self,
        x: Tensor<B, D>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
    ) -> Tensor<B, D>;

    /// The output in training, with dropout masks from `dropout`. Networks without dropout need not
    /// implement it.
    fn forward_training(
        &self,
        x: Tensor<B, D>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
        dropout: &mut Draws,
    ) -> Tensor<B, D> {
        let _ = dropout;
        self.forward(x, t, condition)
    }
}
