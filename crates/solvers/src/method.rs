//! A numerical method: one step from t to s.
//!
//! `(x_s, memory') = step(field, t, s, x_t, memory)`
//!
//! A method keeps no state of its own. Its memory between steps (the last slope, a multistep
//! history, a count of draws) is passed along. A rejected step is retried from the memory that it
//! started with, and a recorded one can be replayed.

use crate::dense::{DenseStep, KeptStep};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The contents of a memory, taken apart.
#[derive(Debug, Clone)]
pub struct Parts<B: Backend, const D: usize> {
    /// Tensors on the device.
    pub tensors: Vec<Tensor<B, D>>,
    /// Times of earlier steps, on the host.
    pub times: Vec<f64>,
    /// Whole numbers: steps taken, draws made, orders.
    pub counts: Vec<u64>,
}

impl<B: Backend, const D: usize> Default for Parts<B, D> {
    fn default() -> Self {
        Self {
            tensors: Vec::new(),
            times: Vec::new(),
            counts: Vec::new(),
        }
    }
}

/// The memory that a method carries from one step to the next. It can be taken apart, stored, and
/// put together again on another backend. Its default is the memory before the first step.
pub trait Memory<B: Backend, const D: usize>: Clone + Default {
    /// Takes the memory apart.
    fn into_parts(self) -> Parts<B, D>;

    /// Puts parts from [`Memory::into_parts`] together again.
    fn from_parts(parts: Parts<B, D>) -> Self;
}

/// The number of steps taken: the memory of methods that draw noise, which tells their draws apart.
impl<B: Backend, const D: usize> Memory<B, D> for u64 {
    fn into_parts(self) -> Parts<B, D> {
        Parts {
            counts: vec![self],
            ..Parts::default()
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        parts.counts.first().copied().unwrap_or_default()
    }
}

/// The memory of methods that remember nothing.
impl<B: Backend, const D: usize> Memory<B, D> for () {
    fn into_parts(self) -> Parts<B, D> {
        Parts::default()
    }

    fn from_parts(_: Parts<B, D>) -> Self {}
}

/// The memory of methods that remember one tensor, such as the slope of the step before.
impl<B: Backend, const D: usize> Memory<B, D> for Option<Tensor<B, D>> {
    fn into_parts(self) -> Parts<B, D> {
        Parts {
            tensors: self.into_iter().collect(),
            ..Parts::default()
        }
    }

    fn from_parts(parts: Parts<B, D>) -> Self {
        parts.tensors.into_iter().next()
    }
}

/// A numerical method for fields of type `F`.
///
/// A method of your own needs a memory and a step; [`integrate`](crate::integrate()) then runs it.
///
/// ```
/// use burn::tensor::{Tensor, backend::Backend};
/// use burn_ndarray::NdArray;
/// use pyroclast_core::field::VectorField;
/// use pyroclast_solvers::{Method, TimeGrid, integrate};
///
/// /// `x' = x + h·u(t + h/2, x)`: the midpoint in time alone.
/// struct MidpointInTime;
///
/// impl<B: Backend, F: VectorField<B, D>, const D: usize> Method<B, F, D> for MidpointInTime {
///     type State = ();
///
///     fn step(
///         &self,
///         field: &F,
///         t: f64,
///         s: f64,
///         x: Tensor<B, D>,
///         (): (),
///     ) -> (Tensor<B, D>, ()) {
///         let slope = field.velocity(0.5 * (t + s), x.clone());
///         (x + slope * (s - t), ())
///     }
/// }
///
/// let field = |t: f64, x: Tensor<NdArray, 2>| x.ones_like() * (2.0 * t);
/// let x = Tensor::zeros([1, 1], &Default::default());
/// let end = integrate(&field, &MidpointInTime, x, &TimeGrid::uniform(0.0, 1.0, 4));
/// assert!((end.into_scalar() - 1.0).abs() < 1e-6);
/// ```
pub trait Method<B: Backend, F: ?Sized, const D: usize> {
    /// The memory that is carried from one step to the next.
    type State: Memory<B, D>;

    /// The memory before the first step: empty by default.
    fn init(&self, field: &F, t: f64, x: &Tensor<B, D>) -> Self::State {
        let _ = (field, t, x);
        Self::State::default()
    }

    /// One step from t to s, forward or backward in time.
    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State);
}

/// A step with an estimate of its error, which may be kept or rejected.
#[derive(Debug, Clone)]
pub struct Attempt<B: Backend, S, const D: usize> {
    /// `x_s`.
    pub x: Tensor<B, D>,
    /// `x_s − x̂_s`, the estimate of its error.
    pub error: Tensor<B, D>,
    /// The memory after the step.
    pub state: S,
    /// The slopes of its stages, for dense output.
    pub slopes: Vec<Tensor<B, D>>,
}

/// A method that estimates the error of its steps, so that their size can be chosen.
pub trait EmbeddedMethod<B: Backend, F: ?Sized, const D: usize>: Method<B, F, D> {
    /// The order p of the step that is kept: the global error falls like hᵖ.
    fn order(&self) -> usize;

    /// The power of h with which the error estimate falls. For an ODE it is one more than the lower
    /// of the two orders.
    fn error_order(&self) -> f64;

    /// `u_t(x)`, to guess the first step size.
    fn slope(&self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D>;

    /// `u_t(x)`, stored in the memory if the first step can use it.
    fn first_slope(
        &self,
        field: &F,
        t: f64,
        x: &Tensor<B, D>,
        state: &mut Self::State,
    ) -> Tensor<B, D> {
        let _ = state;
        self.slope(field, t, x.clone())
    }

    /// One step, with the estimate of its error.
    fn step_with_error(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> Attempt<B, Self::State, D>;

    /// Where a step from t that may reach s should end: at s, or somewhat before it.
    fn landing(&self, t: f64, s: f64) -> f64 {
        let _ = t;
        s
    }

    /// Stores the slopes of a rejected step that the next attempt from the same state can reuse.
    fn retry(&self, state: &mut Self::State, slopes: Vec<Tensor<B, D>>) {
        let _ = (state, slopes);
    }

    /// The solution within a step that was kept. `state` is the memory after that step: a slope
    /// evaluated at its end is stored there, where the next step finds it.
    ///
    /// The default, which SDE methods use, is the straight line between the endpoints. It follows a
    /// Brownian path with strong order ½. To keep a method's own order, land on the times you need.
    fn interpolant(
        &self,
        field: &F,
        step: KeptStep<B, D>,
        state: &mut Self::State,
    ) -> DenseStep<B, D> {
        let _ = (field, state);
        DenseStep::line(step)
    }
}
