//! The flow map of a velocity field, by a solver.

use crate::grid::TimeGrid;
use crate::method::Method;
use crate::solve::integrate;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::flow_map::FlowMap;

/// The flow map that a method makes of a field, by equal steps from time to time: what a model of
/// few steps is compared with.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::flow_map::FlowMap;
/// use pyroclast_solvers::flow_map::SolvedMap;
/// use pyroclast_solvers::RK4;
///
/// let decay = |_: f64, x: Tensor<NdArray, 2>| -x;
/// let map = SolvedMap { field: &decay, method: RK4, steps: 20 };
/// let x = map.map(0.0, 1.0, Tensor::ones([1, 1], &Default::default())).into_scalar();
/// assert!((x - (-1.0_f32).exp()).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SolvedMap<'a, F: ?Sized, M> {
    /// The velocity field.
    pub field: &'a F,
    /// The method.
    pub method: M,
    /// The number of steps between any two times, at least 1.
    pub steps: usize,
}

impl<B, F, M, const D: usize> FlowMap<B, D> for SolvedMap<'_, F, M>
where
    B: Backend,
    F: ?Sized,
    M: Method<B, F, D>,
{
    fn map(&self, t: f64, r: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        if t == r {
            return x;
        }
        integrate(
            self.field,
            &self.method,
            x,
            &TimeGrid::uniform(t, r, self.steps),
        )
    }
}
