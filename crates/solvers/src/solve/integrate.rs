//! The loop over a fixed grid.
//!
//! `x_{i+1} = step(t_i, t_{i+1}, x_i)`

use crate::grid::TimeGrid;
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The state at the end of the grid.
///
/// It cannot fail, and it never waits for the device: when it returns, all work has been queued.
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

/// [`integrate`], passing each time and state to `observe`, the first and the last included.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_solvers::{EULER, TimeGrid, integrate_observed};
///
/// let field = |_: f64, x: Tensor<NdArray, 2>| x.ones_like();
/// let x = Tensor::zeros([1, 1], &Default::default());
/// let mut path = Vec::new();
/// integrate_observed(&field, &EULER, x, &TimeGrid::uniform(0.0, 1.0, 4), |t, x| {
///     path.push((t, x.clone().into_scalar()));
/// });
/// assert_eq!(path, [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (1.0, 1.0)]);
/// ```
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
