//! A method of your own, beside those of the table.

use super::cost::Cost;
use super::description::{Description, Kind, PLAIN, Requirements};
use super::error::MethodError;
use super::sampled_field::SampledField;
use super::sampling_method::{Described, SamplingMethod, Solve, Solved};
use super::settings::Settings;
use crate::method::Method;
use crate::requirement::Requirement;
use burn::tensor::backend::Backend;
use std::fmt;

/// A method of your own, with a name for tables and error messages.
///
/// The closure that makes the method is called once per chunk of samples, with settings whose noise
/// is independent of that of other chunks, and once before for a trial on simple data.
///
/// ```
/// use burn::tensor::{Tensor, backend::Backend};
/// use pyroclast_core::field::VectorField;
/// use pyroclast_solvers::Method;
/// use pyroclast_solvers::entry::{Cost, Described, OwnMethod};
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
/// let mine = OwnMethod::new("mine", |_| Mine).costs_per_step(2);
/// assert_eq!(mine.description().cost, Cost::PerStep(2));
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
            flow_map: false,
        }
    }
}

impl<B, F, M, const D: usize> SamplingMethod<B, D> for OwnMethod<F>
where
    B: Backend,
    F: Fn(&Settings<'_>) -> M,
    M: for<'f> Method<B, SampledField<'f, B, D>, D>,
{
    fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, MethodError> {
        let method = (self.make)(solve.settings);
        solve.fixed(&method)
    }
}
