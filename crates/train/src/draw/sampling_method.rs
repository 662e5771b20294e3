//! The interface of sampling methods: those of the table, and your own.

use super::description::{Description, Kind, PLAIN, Requirements};
use super::sampled_field::SampledField;
use super::{Cost, MethodName, SampleError, Settings};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::Counted;
use pyroclast_solvers::sampler::Requirement;
use pyroclast_solvers::{
    Adaptive, Control, EmbeddedMethod, Method, SolveError, Statistics, TimeGrid, integrate_observed,
};
use std::fmt;

/// A method with a description and requirements that are known before it runs.
pub trait Described {
    /// Its name, order, cost and options.
    fn description(&self) -> &Description;

    /// Its requirements on the model and the grid, with these settings.
    fn requirements(&self, settings: &Settings<'_>) -> Requirements;
}

/// A method that samples a model: [`MethodName`], or [`OwnMethod`].
pub trait SamplingMethod<B: Backend, const D: usize>: Described {
    /// Solves for the samples of one chunk, usually with [`Solve::fixed`] or [`Solve::adaptive`].
    ///
    /// # Errors
    /// [`SampleError`]: the method cannot choose its own steps, or an adaptive solve stopped.
    fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, SampleError>;
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
    fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, SampleError> {
        (**self).solve(solve)
    }
}

/// The times of a solve.
#[derive(Debug)]
pub(super) enum Way {
    /// The times of a fixed grid.
    Grid(TimeGrid),
    /// From one time to another, with adaptive steps.
    Span((f64, f64), Control),
}

impl Way {
    /// The time at which the solve starts.
    pub(super) fn start(&self) -> f64 {
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
    pub(super) method: &'static str,
    pub(super) field: &'a SampledField<'f, B, D>,
    pub(super) x: Tensor<B, D>,
    pub(super) way: &'a Way,
    pub(super) settings: &'a Settings<'a>,
    pub(super) observe: &'a mut dyn FnMut(f64, &Tensor<B, D>),
}

impl<'f, B: Backend, const D: usize> Solve<'_, 'f, B, D> {
    /// Solves with any method on the fixed grid of the plan.
    ///
    /// # Errors
    /// [`SampleError::NotAdaptive`] if the plan asks for adaptive steps.
    pub fn fixed<M>(self, method: &M) -> Result<Solved<B, D>, SampleError>
    where
        M: Method<B, SampledField<'f, B, D>, D>,
    {
        let Way::Grid(grid) = self.way else {
            return Err(SampleError::not_adaptive(self.method));
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
    /// [`SampleError::Solve`] if the adaptive solve stops before the end.
    pub fn adaptive<M>(self, method: &M) -> Result<Solved<B, D>, SampleError>
    where
        M: Method<B, SampledField<'f, B, D>, D>
            + for<'c> EmbeddedMethod<B, Counted<'c, SampledField<'f, B, D>>, D>,
    {
        let Way::Span(span, control) = self.way else {
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

/// A method of your own, with a name for tables and error messages.
///
/// The closure that makes the method is called once per chunk of samples, with settings whose noise
/// is independent of that of other chunks, and once before for a trial on normal data.
///
/// ```
/// use burn::tensor::{Tensor, backend::Backend};
/// use pyroclast_core::field::VectorField;
/// use pyroclast_solvers::Method;
/// use pyroclast_train::draw::{OwnMethod, Plan};
///
/// /// The explicit midpoint method.
/// struct Mine;
///
/// impl<B: Backend, F: VectorField<B, D>, const D: usize> Method<B, F, D> for Mine {
///     type State = ();
///     fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) {}
///     fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, _: ()) -> (Tensor<B, D>, ()) {
///         let half = x.clone() + field.velocity(t, x.clone()) * (0.5 * (s - t));
///         (x + field.velocity(0.5 * (t + s), half) * (s - t), ())
///     }
/// }
///
/// let plan = Plan::new(OwnMethod::new("mine", |_| Mine).costs_per_step(2), 20, 0);
/// assert!(!plan.is_stochastic());
/// ```
#[derive(Clone)]
pub struct OwnMethod<F> {
    description: Description,
    schedule: Option<Requirement>,
    adds_noise: bool,
    make: F,
}

impl<F> OwnMethod<F> {
    /// A method that integrates the velocity, adds no noise, and needs one evaluation per step.
    pub fn new<M>(name: &'static str, make: F) -> Self
    where
        F: Fn(&Settings<'_>) -> M,
    {
        Self {
            description: Description { name, ..PLAIN },
            schedule: None,
            adds_noise: false,
            make,
        }
    }

    /// The same with another number of evaluations per step.
    pub fn costs_per_step(mut self, evaluations: usize) -> Self {
        self.description.cost = Cost::PerStep(evaluations);
        self
    }

    /// The same for a sampler that uses the denoiser and has this requirement on the schedule.
    pub fn on_the_denoiser(mut self, requirement: Requirement) -> Self {
        self.description.kind = Kind::Sampler;
        self.schedule = Some(requirement);
        self
    }

    /// The same for a method that adds noise, which it draws from [`Settings::increments`].
    pub fn with_noise(mut self) -> Self {
        self.adds_noise = true;
        self
    }
}

impl<F> fmt::Debug for OwnMethod<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnMethod")
            .field(&self.description.name)
            .finish()
    }
}

impl<F> Described for OwnMethod<F> {
    fn description(&self) -> &Description {
        &self.description
    }

    fn requirements(&self, _: &Settings<'_>) -> Requirements {
        Requirements {
            name: self.description.name,
            schedule: self.schedule,
            adds_noise: self.adds_noise,
        }
    }
}

impl<B, F, M, const D: usize> SamplingMethod<B, D> for OwnMethod<F>
where
    B: Backend,
    F: Fn(&Settings<'_>) -> M,
    M: for<'f> Method<B, SampledField<'f, B, D>, D>,
{
    fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, SampleError> {
        let method = (self.make)(solve.settings);
        solve.fixed(&method)
    }
}

impl SampleError {
    pub(super) fn not_adaptive(method: &'static str) -> Self {
        Self::NotAdaptive {
            method,
            adaptive: MethodName::adaptive(),
        }
    }
}
