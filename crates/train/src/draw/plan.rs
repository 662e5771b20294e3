//! The plan of a draw: method, steps, guidance and seed.

use super::{GridName, SampleError, Thresholding};
use pyroclast_core::ddpm::Variance;
use pyroclast_core::noise::Noise;
use pyroclast_core::objective::Objective;
use pyroclast_core::path::Path;
use pyroclast_core::schedule::AnySchedule;
use pyroclast_solvers::Control;
use pyroclast_solvers::entry::{Described, Kind, MethodError, Options, Requirements, Settings};
use pyroclast_solvers::table::MethodName;

/// The choice of steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Stepping {
    /// This many steps on a grid; the number is ignored for a grid of given times.
    Fixed(usize, GridName),
    /// Steps that an error estimate chooses, to stay within tolerances.
    Adaptive(Control),
}

/// The plan of a draw: a method, its steps, and the guidance, clipping and schedule around the
/// model.
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
    /// Options of the method that differ from its defaults.
    pub options: Options,
    /// The steps of the method.
    pub stepping: Stepping,
    /// The weight of classifier-free guidance, for samples with a condition; 1 is the conditional
    /// model.
    pub guidance: f64,
    /// The noise levels σ/α, low and high, between which guidance acts.
    pub guidance_interval: (f64, f64),
    /// φ of rescaled guidance, from 0 to 1.
    pub guidance_rescale: f64,
    /// Whether the denoised data x̂1 is kept in [−1, 1].
    pub clip: bool,
    /// Dynamic thresholding of the denoised data of images, in place of clipping; `None` for none.
    pub thresholding: Option<Thresholding>,
    /// A schedule to sample with in place of the one of the training.
    pub schedule: Option<AnySchedule>,
    /// The variance of a chain's reverse step; `None` if the network has learned it.
    pub variance: Option<Variance>,
    /// The seed of the noise.
    pub seed: u64,
    /// The number of samples that were drawn before these, for a draw in parts: each sample has
    /// noise of its own.
    pub first_row: usize,
}

impl<M> Plan<M> {
    /// A method with this many steps on the grid [`GridName::Auto`], without guidance or clipping.
    pub fn new(method: M, steps: usize, seed: u64) -> Self {
        Self {
            method,
            options: Options::default(),
            stepping: Stepping::Fixed(steps, GridName::Auto),
            guidance: 1.0,
            guidance_interval: (0.0, f64::INFINITY),
            guidance_rescale: 0.0,
            clip: false,
            thresholding: None,
            schedule: None,
            variance: Some(Variance::Large),
            seed,
            first_row: 0,
        }
    }

    /// The same plan with another method, at the default options of that method.
    pub fn with_method<O>(&self, method: O) -> Plan<O> {
        Plan {
            method,
            options: Options::default(),
            stepping: self.stepping.clone(),
            guidance: self.guidance,
            guidance_interval: self.guidance_interval,
            guidance_rescale: self.guidance_rescale,
            clip: self.clip,
            thresholding: self.thresholding,
            schedule: self.schedule.clone(),
            variance: self.variance,
            seed: self.seed,
            first_row: self.first_row,
        }
    }

    /// The number of steps of a fixed grid; `None` for adaptive steps.
    pub fn steps(&self) -> Option<usize> {
        match &self.stepping {
            Stepping::Fixed(_, GridName::Given(times)) => Some(times.len().saturating_sub(1)),
            Stepping::Fixed(steps, _) => Some(*steps),
            Stepping::Adaptive(_) => None,
        }
    }
}

impl<M: Described> Plan<M> {
    /// The settings of the method for the first rows and one step.
    pub(super) fn settings(&self) -> Settings<'_> {
        let description = self.method.description();
        let mut settings = description.settings(&self.options, Noise::new(self.seed));
        settings.variance = self.variance;
        settings
    }

    /// The requirements of the method on the model, with these options.
    pub fn requirements(&self) -> Requirements {
        self.method.requirements(&self.settings())
    }

    /// Whether the method adds noise, with these options.
    pub fn is_stochastic(&self) -> bool {
        self.requirements().adds_noise
    }

    /// Checks that the score is known, if the method adds noise: the path determines it, or the
    /// network has learned it and the method is one for SDEs, on the model as it is.
    ///
    /// # Errors
    /// [`SampleError::NeedsScore`] and [`SampleError::ChangedScore`].
    pub fn check_score(&self, path: &Path, objective: &Objective) -> Result<(), SampleError> {
        if !self.is_stochastic() || path.knows_score() {
            return Ok(());
        }
        let method = self.method.description();
        let solves = !matches!(method.kind, Kind::Sampler | Kind::FlowMap);
        if !(objective.prediction.learns_score() && solves) {
            return Err(SampleError::NeedsScore(method.name));
        }
        let changes = [
            self.clip,
            self.thresholding.is_some(),
            self.schedule.is_some(),
            self.guidance_rescale > 0.0,
        ];
        match changes.contains(&true) {
            true => Err(SampleError::ChangedScore(method.name)),
            false => Ok(()),
        }
    }

    /// Checks the parts of the plan that do not depend on the model.
    ///
    /// # Errors
    /// [`SampleError`]: an option that the method does not have, a number out of range, or adaptive
    /// steps for a method without an error estimate.
    pub fn check(&self) -> Result<(), SampleError> {
        let method = self.method.description();
        let adapts = matches!(self.stepping, Stepping::Adaptive(_));
        if adapts && method.kind != Kind::AdaptiveOde {
            return Err(MethodError::NotAdaptive {
                method: method.name,
            }
            .into());
        }
        method.check(&self.options)?;
        if !self.guidance.is_finite() {
            return Err(SampleError::Guidance(self.guidance));
        }
        if !(0.0..=1.0).contains(&self.guidance_rescale) {
            return Err(SampleError::GuidanceRescale(self.guidance_rescale));
        }
        if let Some(thresholding) = self.thresholding {
            thresholding.check()?;
            if self.clip {
                return Err(SampleError::ClippedTwice);
            }
        }
        Ok(())
    }
}
