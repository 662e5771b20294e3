//! What a model provides: a forward pass.
//!
//! `output = N_θ(x_t, t, condition)`

use crate::condition::Condition;
use crate::noise::Draws;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A direction in the inputs of a network, along which a derivative is taken.
///
/// # Shapes
/// - x: as the state
#[derive(Debug, Clone)]
pub struct Direction<B: Backend, const D: usize> {
    /// Along the state; `None` for not at all.
    pub x: Option<Tensor<B, D>>,
    /// Along the time.
    pub t: f64,
    /// Along the duration.
    pub duration: f64,
}

/// A trainable function of a noisy state, its time and a condition.
///
/// # Shapes
/// - x: `[batch, …]`, and the output alike
/// - t: `[batch]`, in [0, 1], one time per sample
pub trait Network<B: Backend, const D: usize>: Module<B> + 'static {
    /// What the output is conditioned on, beside the time: `()` for nothing.
    type Condition: Condition<B>;

    /// The output, without randomness. For a network that takes the duration of a step, it is that of
    /// a step without one: the velocity.
    fn forward(
        &self,
        x: Tensor<B, D>,
        t: Tensor<B, 1>,
        condition: &Self::Condition,
    ) -> Tensor<B, D>;

    /// The output in training, with dropout masks from `dropout`. Networks without dropout need not
    /// implement it.
    ///
    /// What is drawn at once is as many values for each row of the batch, in the order of its rows,
    /// since a batch may come in parts ([`Draws::of_rows`]); a value for all rows is drawn alone.
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

    /// The output for a step that starts at t and has this duration: `u_θ(x, t, t + duration)`, an
    /// average velocity. A duration may be 0, and negative for a step back.
    ///
    /// # Shapes
    /// - duration: `[batch]`
    ///
    /// # Panics
    /// If the network was built without an input for the duration, as any is unless it says
    /// otherwise.
    fn forward_over(
        &self,
        x: Tensor<B, D>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        dropout: Option<&mut Draws>,
    ) -> Tensor<B, D> {
        let _ = (x, t, duration, condition, dropout);
        panic!("this network has no input for the duration of a step")
    }

    /// The output of [`Network::forward_over`] without dropout, and its derivative along a
    /// direction, from tangents that the layers carry along; `None` for a network whose layers
    /// carry none. [`Derivative`](crate::jvp::Derivative) has the ways that any network has.
    fn tangent_over(
        &self,
        x: Tensor<B, D>,
        t: Tensor<B, 1>,
        duration: Tensor<B, 1>,
        condition: &Self::Condition,
        direction: &Direction<B, D>,
    ) -> Option<(Tensor<B, D>, Tensor<B, D>)> {
        let _ = (x, t, duration, condition, direction);
        None
    }
}
