//! The gradients of an event: its time and its state.
//!
//! `∂t* = −(∇g·∂x + ∂_θ g)/ġ` and `∂x* = ∂x + f·∂t*`, with ∂x the change of the state at the fixed
//! time t*, f the field there, and `ġ = ∇g·f + ∂g/∂t` the speed at which g crosses zero
//!
//! Source: Chen, Amos & Nickel 2021, "Learning neural event functions for ordinary differential
//! equations" (the implicit function theorem on `g(t*, x(t*)) = 0`). The state that an
//! adaptive solve returns has the gradient ∂x alone, since times are numbers on the host.

use crate::solve::Solution;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::field::{BatchField, VectorField};
use pyroclast_core::per_sample::from_host;

/// The time and state at which a solve ended, on the tape.
#[derive(Debug, Clone)]
pub struct AtEvent<B: AutodiffBackend, const D: usize> {
    /// The time: `[1]` or, where each sample has its own, `[batch]`.
    pub t: Tensor<B, 1>,
    /// The state.
    pub x: Tensor<B, D>,
}

/// The time and state of a solution with shared steps, which a solve on the tape ended at the event
/// `g(t, x) = 0`. Their values are those of the solution.
///
/// Where the solve reached the end of its span instead, the time is a constant.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_solvers::gradient::at_event;
/// use pyroclast_solvers::{Adaptive, DOPRI5, Direction, Event};
///
/// type B = Autodiff<NdArray<f64>>;
/// // x' = −x from x0, until it falls to ½: t* = ln 2x0, whose derivative is 1/x0.
/// let decay = |_: f64, x: Tensor<B, 2>| -x;
/// let half = |_: Tensor<B, 1>, x: Tensor<B, 2>| x.flatten::<1>(0, 1) - 0.5;
/// let x0 = Tensor::<B, 2>::from_floats([[2.0]], &Default::default()).require_grad();
/// let solution = Adaptive::tolerance(1e-8)
///     .until(Event::of_tensors(half, Direction::Falling))
///     .solve(&decay, &DOPRI5, x0.clone(), (0.0, 10.0))?;
///
/// let gradients = at_event(&solution, &decay, half).t.backward();
/// assert!((x0.grad(&gradients).unwrap().into_scalar() - 0.5).abs() < 1e-6);
/// # Ok::<(), pyroclast_solvers::Stopped<B, 2>>(())
/// ```
///
/// Costs an evaluation of the field. The change of g is found by a backward pass of its own: g may
/// use parameters, and no other tensor that has been computed on the tape.
///
/// The gradients are infinite or undefined where g touches zero without crossing it.
///
/// # Shapes
/// - g: of t `[1]` and x, to `[1]`
///
/// # Panics
/// If each sample had steps of its own; that is what [`at_events`] is for.
pub fn at_event<B, F, G, const D: usize>(
    solution: &Solution<B, D>,
    field: &F,
    g: G,
) -> AtEvent<B, D>
where
    B: AutodiffBackend,
    F: VectorField<B, D> + ?Sized,
    G: Fn(Tensor<B, 1>, Tensor<B, D>) -> Tensor<B, 1>,
{
    assert!(
        solution.samples.is_empty(),
        "each of {} samples has an event of its own; use at_events",
        solution.samples.len()
    );
    let velocity = field.velocity(solution.t, solution.x.clone().detach());
    let crossed = [solution.event.is_some()];
    differentiable(&[solution.t], &crossed, &solution.x, velocity.inner(), g)
}

/// [`at_event`] for a solution whose samples have steps, and events, of their own.
///
/// # Shapes
/// - g: of t `[batch]` and x, to `[batch]`, each from its own row
///
/// # Panics
/// If the samples shared their steps.
pub fn at_events<B, F, G, const D: usize>(
    solution: &Solution<B, D>,
    field: &F,
    g: G,
) -> AtEvent<B, D>
where
    B: AutodiffBackend,
    F: BatchField<B, D> + ?Sized,
    G: Fn(Tensor<B, 1>, Tensor<B, D>) -> Tensor<B, 1>,
{
    let samples = &solution.samples;
    assert!(
        !samples.is_empty(),
        "all samples share one event; use at_event"
    );
    let times: Vec<f64> = samples.iter().map(|sample| sample.t).collect();
    let crossed: Vec<bool> = samples.iter().map(|s| s.event.is_some()).collect();
    let rows: Vec<usize> = (0..times.len()).collect();
    let velocity = field.velocities(&times, solution.x.clone().detach(), &rows);
    differentiable(&times, &crossed, &solution.x, velocity.inner(), g)
}

/// The start of a solve from a time that is on the tape itself, as after an event: x moved back
/// along the field by as much as `time` moves, `x − f·(time − t)`. Its value is that of x.
///
/// A solve from the number t and this state then has the gradient of one from `time` and x.
///
/// # Shapes
/// - time: `[1]`
pub fn starting_at<B, F, const D: usize>(
    field: &F,
    t: f64,
    time: &Tensor<B, 1>,
    x: Tensor<B, D>,
) -> Tensor<B, D>
where
    B: AutodiffBackend,
    F: VectorField<B, D> + ?Sized,
{
    let velocity = field.velocity(t, x.clone().detach()).detach();
    let moved = time.clone() - time.clone().detach();
    x - velocity * moved.reshape([1; D])
}

fn differentiable<B, G, const D: usize>(
    times: &[f64],
    crossed: &[bool],
    x: &Tensor<B, D>,
    velocity: Tensor<B::InnerBackend, D>,
    g: G,
) -> AtEvent<B, D>
where
    B: AutodiffBackend,
    G: Fn(Tensor<B, 1>, Tensor<B, D>) -> Tensor<B, 1>,
{
    let n = times.len();
    let (device, dtype) = (x.device(), x.dtype());
    let numbers = |values: Vec<f64>| from_host::<B, 1>(values, [n], &device, dtype);
    let t = numbers(times.to_vec());
    let at = (t.clone().require_grad(), x.clone().detach().require_grad());
    let gradients = g(at.0.clone(), at.1.clone()).sum().backward();
    // A function of the state alone has no gradient in time, and the other way round.
    let along_t = at.0.grad(&gradients);
    let along_x = at.1.grad(&gradients).map(|gradient| {
        let products = gradient * velocity.clone();
        let size = products.shape().num_elements() / n.max(1);
        products.reshape([n, size]).sum_dim(1).squeeze_dim::<1>(1)
    });
    let speed = match (along_t, along_x) {
        (Some(t), Some(x)) => t + x,
        (Some(speed), None) | (None, Some(speed)) => speed,
        (None, None) => t.clone().inner().zeros_like(),
    };
    // A sample without an event ends at a time that does not move.
    let moves = numbers(crossed.iter().map(|&c| f64::from(u8::from(c))).collect());
    let speed = Tensor::from_inner(speed) * moves.clone() + (-moves.clone() + 1.0);
    let zero = g(t.clone(), x.clone());
    let change = (zero.clone().detach() - zero) / speed * moves;
    let mut rows = [1; D];
    rows[0] = n;
    AtEvent {
        t: t + change.clone(),
        x: x.clone() + Tensor::from_inner(velocity) * change.reshape(rows),
    }
}
