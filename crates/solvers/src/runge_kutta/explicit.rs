//! The stage loop.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`

use super::{LastSlope, Tableau};
use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::VectorField;
use pyroclast_kernels::combine;

/// An explicit Runge–Kutta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplicitRk(pub &'static Tableau);

/// The stages of one step, and its end.
pub(super) struct Stages<B: Backend, const D: usize> {
    pub(super) slopes: Vec<Tensor<B, D>>,
    pub(super) end: Tensor<B, D>,
}

impl ExplicitRk {
    /// The stages of a step of length h from x, given its first slope, and the slope at stage i as
    /// a function of c_i and the state there.
    pub(super) fn stages<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        h: f64,
        first: Tensor<B, D>,
        mut slope: impl FnMut(f64, Tensor<B, D>) -> Tensor<B, D>,
    ) -> Stages<B, D> {
        let Tableau { a, b, c, .. } = self.0;
        let mut slopes = Vec::with_capacity(a.len());
        slopes.push(first);
        for i in 1..a.len() {
            let y = advance(x.clone(), h, a[i], &slopes);
            if self.0.first_same_as_last && i + 1 == a.len() {
                slopes.push(slope(c[i], y.clone()));
                return Stages { slopes, end: y };
            }
            slopes.push(slope(c[i], y));
        }
        let end = advance(x, h, b, &slopes);
        Stages { slopes, end }
    }

    /// The stages of a step from t to s.
    pub(super) fn stages_between<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize>(
        &self,
        field: &F,
        (t, s): (f64, f64),
        x: Tensor<B, D>,
        state: LastSlope<B, D>,
    ) -> Stages<B, D> {
        let h = s - t;
        let first = state.0.unwrap_or_else(|| field.velocity(t, x.clone()));
        self.stages(x, h, first, |c, y| field.velocity(t + c * h, y))
    }

    /// The memory after a step with these stages.
    pub(super) fn memory<B: Backend, const D: usize>(
        &self,
        slopes: &[Tensor<B, D>],
    ) -> LastSlope<B, D> {
        LastSlope(slopes.last().filter(|_| self.0.first_same_as_last).cloned())
    }
}

/// `x + h·Σ w_i·k_i`.
fn advance<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    h: f64,
    weights: &[f64],
    slopes: &[Tensor<B, D>],
) -> Tensor<B, D> {
    let terms: Vec<_> = weights.iter().map(|w| h * w).zip(slopes).collect();
    combine(x, &terms)
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for ExplicitRk {
    type State = LastSlope<B, D>;

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State) {
        let Stages { slopes, end } = self.stages_between(field, (t, s), x, state);
        (end, self.memory(&slopes))
    }
}
