//! The interface of sampling methods: those of the table, and your own.

use super::description::{Description, Requirements};
use super::error::MethodError;
use super::sampled_field::SampledField;
use super::settings::Settings;
use crate::error::SolveError;
use crate::grid::TimeGrid;
use crate::method::{EmbeddedMethod, Method};
use crate::solve::{Adaptive, Control, Statistics, integrate_observed};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;
use std::fmt;

/// A method with a description and requirements that are known before it runs.
pub trait Described {
    /// Its name, order, cost and options.
    fn description(&self) -> &Description;

    /// Its requirements on the model and the grid, with these settings.
    fn requirements(&self, settings: &Settings<'_>) -> Requirements;
}

/// A method that samples a model: [`MethodName`](super::MethodName), or
/// [`OwnMethod`](super::OwnMethod).
pub trait SamplingMethod<B: Backend, const D: usize>: Described {
    /// Solves for the samples of one chunk, usually with [`Solve::fixed`] or [`Solve::adaptive`].
    ///
    /// # Errors
    /// [`MethodError`]: the method cannot choose its own steps, or an adaptive solve stopped.
    fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, MethodError>;
}

impl<M: Described + ?Sized> Described for &M {
    fn description(&self) -> &Description {
        (**self).description()
    }

    fn requirements(&self, settings: &Settings<'_>) -> Requirements {
        (**self).requirements(settings)
    }
}

/// A reference to a method is a method, so a list of `&dyn SamplingMethod` can hold any of them.
impl<B, M, const D: usize> SamplingMethod<B, D> for &M
where
    B: Backend,
    M: SamplingMethod<B, D> + ?Sized,
{
    fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, MethodError> {
        (**self).solve(solve)
    }
}

/// The times of a solve.
#[derive(Debug)]
pub enum Times {
    /// The times of a fixed grid.
    Grid(TimeGrid),
    /// From one time to another, with adaptive steps.
    Span((f64, f64), Control),
}

impl Times {
    /// The time at which the solve starts.
    pub fn start(&self) -> f64 {
        match self {
            Self::Grid(grid) => grid.times()[0],
            Self::Span((start, _), _) => *start,
        }
    }
}

/// The state at the end of a solve, and the cost of the solve.
pub type Solved<B, const D: usize> = (Tensor<B, D>, Statistics);

/// The initial value problem of one chunk of samples, from noise to data.
pub struct Solve<'a, 'f, B: Backend, const D: usize> {
    /// The name of the method, for error messages.
    pub method: &'static str,
    /// The field.
    pub field: &'a SampledField<'f, B, D>,
    /// The state at the start.
    pub x: Tensor<B, D>,
    /// The times.
    pub times: &'a Times,
    /// What the method is made with.
    pub settings: &'a Settings<'a>,
    /// Sees the time and the state at the start and after each step of a fixed grid.
    pub observe: &'a mut dyn FnMut(f64, &Tensor<B, D>),
}

impl<'f, B: Backend, const D: usize> Solve<'_, 'f, B, D> {
    /// Solves with any method on the fixed grid of the plan.
    ///
    /// # Errors
    /// [`MethodError::NotAdaptive`] if the plan asks for adaptive steps.
    pub fn fixed<M>(self, method: &M) -> Result<Solved<B, D>, MethodError>
    where
        M: Method<B, SampledField<'f, B, D>, D>,
    {
        let Times::Grid(grid) = self.times else {
            return Err(MethodError::NotAdaptive {
                method: self.method,
            });
        };
        let x = integrate_observed(self.field, method, self.x, grid, self.observe);
        let statistics = Statistics {
            steps: grid.steps(),
            ..Statistics::default()
        };
        Ok((x, statistics))
    }

    /// Solves with an adaptive method, on the fixed grid or with the adaptive steps of the plan.
    ///
    /// # Errors
    /// [`MethodError::Solve`] if the adaptive solve stops before the end.
    pub fn adaptive<M>(self, method: &M) -> Result<Solved<B, D>, MethodError>
    where
        M: Method<B, SampledField<'f, B, D>, D>
            + for<'c> EmbeddedMethod<B, Counted<'c, SampledField<'f, B, D>>, D>,
    {
        let Times::Span(span, control) = self.times else {
            return self.fixed(method);
        };
        (self.observe)(span.0, &self.x);
        let solution = Adaptive::new(*control).solve(self.field, method, self.x, *span);
        let solution = solution.map_err(SolveError::from)?;
        Ok((solution.x, solution.statistics))
    }
}

impl<B: Backend, const D: usize> fmt::Debug for Solve<'_, '_, B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solve")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
