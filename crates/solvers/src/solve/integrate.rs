//! The fixed-grid loop.
//!
//! `x_{i+1} = step(t_i, t_{i+1}, x_i)`

use crate::grid::TimeGrid;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The state at the end of the grid.
///
/// It cannot fail and never waits for the device: all work is queued when it returns.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_solvers::{RK4, TimeGrid, integrate};
///
/// let decay = |_: f64, x: Tensor<NdArray, 2>| -x;
/// let x = Tensor::ones([1, 1], &Default::default());
/// let end = integrate(&decay, &RK4, x, &TimeGrid::uniform(0.0, 1.0, 20)).into_scalar();
/// assert!((end - (-1.0_f32).exp()).abs() < 1e-6);
/// ```
pub fn integrate<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    grid: &TimeGrid,
) -> Tensor<B, D>
where
    B: Backend,
    F: ?Sized,
    M: Method<B, F, D>,
{
    integrate_observed(field, method, x, grid, |_, _| {})
}

/// [`integrate`], showing each state with its time, the first and the last included.
pub fn integrate_observed<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    grid: &TimeGrid,
    mut observe: impl FnMut(f64, &Tensor<B, D>),
) -> Tensor<B, D>
where
    B: Backend,
    F: ?Sized,
    M: Method<B, F, D>,
{
    let start = grid.times()[0];
    observe(start, &x);
    let mut state = method.init(field, start, &x);
    let mut x = x;
    for (t, s) in grid.intervals() {
        (x, state) = method.step(field, t, s, x, state);
        observe(s, &x);
    }
    x
}
