//! How samples are drawn.

use super::option::Options;
use super::sampling_method::Described;
use super::{GridName, Kind, MethodName, Requirements, SampleError, Settings};
use pyroclast_core::ddpm::Variance;
use pyroclast_core::noise::Noise;
use pyroclast_core::schedule::AnySchedule;
use pyroclast_solvers::Control;

/// Where the steps are.
#[derive(Debug, Clone, PartialEq)]
pub enum Stepping {
    /// This many steps of a grid; a grid of given times has its own number.
    Fixed(usize, GridName),
    /// As many as the tolerance takes.
    Adaptive(Control),
}

/// How samples are drawn: the method, its steps, and what is wrapped around the model.
///
/// ```
/// use pyroclast_train::draw::{MethodName, Plan};
///
/// let plan = Plan { guidance: 3.0, clip: true, ..Plan::new(MethodName::DPMPP_2M, 20, 0) };
/// assert_eq!(plan.steps(), Some(20));
/// ```
#[derive(Debug, Clone)]
pub struct Plan<M = MethodName> {
    /// The method.
    pub method: M,
    /// The options of the method that are not at their defaults.
    pub options: Options,
    /// Its steps.
    pub stepping: Stepping,
    /// Weight of classifier-free guidance, for samples under a condition; 1 is
    /// the conditional model.
    pub guidance: f64,
    /// The noise levels σ/α, low and high, between which guidance acts.
    pub guidance_interval: (f64, f64),
    /// φ of rescaled guidance, from 0 to 1.
    pub guidance_rescale: f64,
    /// Keep x̂1 in [−1, 1].
    pub clip: bool,
    /// Sample under this schedule in place of the one that the model was trained under.
    pub schedule: Option<AnySchedule>,
    /// The variance that the chain was trained with; none where the network has learned it.
    pub variance: Option<Variance>,
    /// The seed of noise.
    pub seed: u64,
}

impl<M> Plan<M> {
    /// A method on this many steps of the grid that fits it, with nothing else asked for.
    pub fn new(method: M, steps: usize, seed: u64) -> Self {
        Self {
            method,
            options: Options::default(),
            stepping: Stepping::Fixed(steps, GridName::Auto),
            guidance: 1.0,
            guidance_interval: (0.0, f64::INFINITY),
            guidance_rescale: 0.0,
            clip: false,
            schedule: None,
            variance: Some(Variance::Large),
            seed,
        }
    }

    /// The same plan with another method, at its default options.
    pub fn with_method<O>(&self, method: O) -> Plan<O> {
        Plan {
            method,
            options: Options::default(),
            stepping: self.stepping.clone(),
            guidance: self.guidance,
            guidance_interval: self.guidance_interval,
            guidance_rescale: self.guidance_rescale,
            clip: self.clip,
            schedule: self.schedule.clone(),
            variance: self.variance,
            seed: self.seed,
        }
    }

    /// The steps of a fixed grid.
    pub fn steps(&self) -> Option<usize> {
        match &self.stepping {
            Stepping::Fixed(_, GridName::Given(times)) => Some(times.len().saturating_sub(1)),
            Stepping::Fixed(steps, _) => Some(*steps),
            Stepping::Adaptive(_) => None,
        }
    }
}

impl<M: Described> Plan<M> {
    /// What the method is made of, for the first rows and one step.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings {
            variance: self.variance,
            ..(self.method.description()).settings(&self.options, Noise::new(self.seed))
        }
    }

    /// What the method asks of the model with these options.
    pub fn requirements(&self) -> Requirements {
        self.method.requirements(&self.settings())
    }

    /// Whether noise is added on the way.
    pub fn is_stochastic(&self) -> bool {
        self.requirements().adds_noise
    }

    /// Whether the plan agrees with itself, whatever the model.
    ///
    /// # Errors
    /// [`SampleError`], for an option that the method does not take or a number that is out of range.
    pub fn check(&self) -> Result<(), SampleError> {
        let method = self.method.description();
        let adapts = matches!(self.stepping, Stepping::Adaptive(_));
        if adapts && method.kind != Kind::AdaptiveOde {
            return Err(SampleError::not_adaptive(method.name));
        }
        self.options.check(method.name, method.options)?;
        if !self.guidance.is_finite() {
            return Err(SampleError::Guidance(self.guidance));
        }
        if !(0.0..=1.0).contains(&self.guidance_rescale) {
            return Err(SampleError::GuidanceRescale(self.guidance_rescale));
        }
        Ok(())
    }
}
