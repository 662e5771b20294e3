//! The continuous adjoint.
//!
//! `dλ/dt = −λ·∂u/∂x`, `dγ/dt = −λ·∂u/∂θ`, with x solved backward at the same time:
//! `∂L/∂x(t_0) = λ(t_0)`, `∂L/∂θ = γ(t_0)`
//!
//! Source: Chen et al. 2018, algorithm 1. The error is controlled on x and λ, not on the integral γ
//! (Kidger et al. 2021, "Hey, that's not an ODE").

use super::{Gradients, Pullback, Solved, parameters};
use crate::error::SolveError;
use crate::grid::TimeGrid;
use crate::method::EmbeddedMethod;
use crate::solve::{Adaptive, Control, Measured, Stopped, solve_measured};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Counted, VectorField};
use std::cell::RefCell;
use std::collections::HashSet;

/// The pullback that solves the adjoint.
#[derive(Debug)]
pub struct Adjoint<'a, B: Backend, F, M, const D: usize> {
    field: &'a F,
    method: &'a M,
    control: Control,
    times: Vec<f64>,
    states: Vec<Tensor<B, D>>,
}

/// States with a pullback that solves the adjoint.
pub type Backsolvable<'a, B, F, M, const D: usize> = Solved<B, Adjoint<'a, B, F, M, D>, D>;

/// Solves over `times` on B and keeps only the saved states: the pullback solves x again, backward.
///
/// The gradient is that of the exact solution, up to the tolerance, and not of the discrete one. A
/// field that contracts strongly is unstable backward; use
/// [`checkpointed_adaptive`](super::checkpointed_adaptive) for it.
///
/// # Errors
/// [`Stopped`].
pub fn backsolve<'a, B, F, M, const D: usize>(
    field: &'a F,
    method: &'a M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    control: Control,
) -> Result<Backsolvable<'a, B, F, M, D>, Stopped<B, D>>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>>,
    F::InnerModule: VectorField<B, D>,
    M: for<'b> EmbeddedMethod<B, Counted<'b, F::InnerModule>, D>,
{
    let inner = field.valid();
    let at = times.times();
    let solution = Adaptive::new(control)
        .landing_on(at.iter().copied())
        .solve(&inner, method, x, (at[0], at[at.len() - 1]))?;
    let states: Vec<Tensor<B, D>> = solution.saved.into_iter().map(|(_, x)| x).collect();
    Ok(Solved {
        pullback: Adjoint {
            field,
            method,
            control,
            times: times.times().to_vec(),
            states: states.clone(),
        },
        states,
        statistics: solution.statistics,
    })
}

/// x, λ and γ in one row.
struct AdjointField<'a, F, const D: usize> {
    field: &'a F,
    shape: [usize; D],
    /// The parameters for which an evaluation has found a gradient.
    used: RefCell<HashSet<ParamId>>,
}

impl<F, const D: usize> AdjointField<'_, F, D> {
    fn size(&self) -> usize {
        self.shape.iter().product()
    }

    fn part<B: Backend>(&self, z: &Tensor<B, 2>, index: usize) -> Tensor<B, D> {
        let n = self.size();
        z.clone().narrow(1, index * n, n).reshape(self.shape)
    }

    fn row<B: Backend>(x: Tensor<B, D>) -> Tensor<B, 2> {
        let n = x.shape().num_elements();
        x.reshape([1, n])
    }
}

impl<B, F, const D: usize> VectorField<B, 2> for AdjointField<'_, F, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>> + VectorField<Autodiff<B>, D>,
{
    fn velocity(&self, t: f64, z: Tensor<B, 2>) -> Tensor<B, 2> {
        let x = Tensor::<Autodiff<B>, D>::from_inner(self.part(&z, 0)).require_grad();
        let lambda = self.part(&z, 1);
        let velocity = self.field.velocity(t, x.clone());
        let gradients = (velocity.clone() * Tensor::from_inner(lambda.clone()))
            .sum()
            .backward();
        let at_x = x.grad(&gradients).unwrap_or_else(|| lambda.zeros_like());
        let mut parts = vec![Self::row(velocity.inner()), -Self::row(at_x)];
        for part in parameters::flat(self.field, &gradients, &mut self.used.borrow_mut()) {
            parts.push(-part.unsqueeze_dim(0));
        }
        Tensor::cat(parts, 1)
    }
}

impl<B, F, M, const D: usize> Pullback<B, D> for Adjoint<'_, B, F, M, D>
where
    B: Backend,
    F: AutodiffModule<Autodiff<B>> + VectorField<Autodiff<B>, D>,
    F::InnerModule: VectorField<B, D>,
    M: for<'b, 'c> EmbeddedMethod<B, Counted<'b, AdjointField<'c, F, D>>, 2>,
{
    fn apply(self, cotangents: &[Tensor<B, D>]) -> Result<Gradients<B, D>, SolveError> {
        let n = self.states.len();
        assert_eq!(cotangents.len(), n, "one cotangent per saved state");
        let adjoint = AdjointField {
            field: self.field,
            shape: self.states[0].dims(),
            used: RefCell::default(),
        };
        let size = adjoint.size();
        let x = &self.states[0];
        let count = parameters::count(self.field);
        let mut gamma = Tensor::<B, 2>::zeros([1, count], (&x.device(), x.dtype()));
        let mut lambda = cotangents[n - 1].clone();
        let mut evaluations = 0;
        for i in (1..n).rev() {
            let z = Tensor::cat(
                vec![
                    AdjointField::<F, D>::row(self.states[i].clone()),
                    AdjointField::<F, D>::row(lambda),
                    gamma,
                ],
                1,
            );
            let span = (self.times[i], self.times[i - 1]);
            let measured = Measured::First(2 * size);
            let solution = solve_measured(self.control, measured, &adjoint, self.method, z, span)?;
            evaluations += solution.statistics.evaluations;
            lambda = adjoint.part(&solution.x, 1);
            lambda = lambda + cotangents[i - 1].clone();
            gamma = solution.x.narrow(1, 2 * size, count);
        }
        Ok(Gradients {
            x: lambda,
            parameters: parameters::unflat(
                self.field,
                gamma.reshape([count]),
                &adjoint.used.borrow(),
            ),
            evaluations,
        })
    }
}
