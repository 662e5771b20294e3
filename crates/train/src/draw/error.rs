//! Errors of sampling.

use crate::host::DeviceError;
use pyroclast_solvers::SolveError;
use pyroclast_solvers::entry::MethodError;
use pyroclast_solvers::sampler::Unsupported;
use pyroclast_solvers::table::MethodName;

/// Why no samples were drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The adaptive solve stopped early.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The device stopped before the samples were read.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The autoencoder of a model of latents cannot decode them.
    #[error("{0}")]
    Latents(String),
    /// The method cannot choose its steps, or lacks an option or a value of one.
    #[error("{error}{}", remedy(error))]
    Method {
        /// What the method says.
        error: MethodError,
    },
    /// The sampler does not suit the schedule, the model or the grid.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The grid does not exist for this model and number of steps.
    #[error("{0}")]
    Grid(String),
    /// The method adds noise, but the score of the model is not known.
    #[error(
        "{0} adds noise, which needs the score, but a velocity gives the score only if noise and \
         data are paired independently; train with coupling = independent, gamma = none and \
         source = normal, or on a bridge with prediction = velocity-and-score for the methods of \
         SDEs, or sample with a method that adds no noise"
    )]
    NeedsScore(&'static str),
    /// The score that the network has learned is not that of the field which is sampled.
    #[error(
        "{0} adds noise by the score that the model has learned, which clipping, thresholding, \
         rescaled guidance and another schedule do not change with the velocity; leave them out, \
         or sample with a method that adds no noise"
    )]
    ChangedScore(&'static str),
    /// The method jumps along a learned flow map, and there is none to jump along.
    #[error(
        "{0} needs a model that has learned its flow map, sampled as it is: train one with \
         few-step.method, such as mean-flow or shortcut, and sample it without guidance, clipping, \
         thresholding or another schedule; or use an ODE method such as heun"
    )]
    NeedsFlowMap(&'static str),
    /// A model of shortcuts knows steps of dyadic sizes alone.
    #[error(
        "a model of shortcuts knows steps of 1, 1/2, 1/4 and so on down to 1/{steps}, each from a \
         multiple of its size, and not one from t = {from} to {to}; take 1, 2, 4, … steps of a \
         uniform grid"
    )]
    NotDyadic {
        /// The number of the smallest steps from noise to data.
        steps: usize,
        /// Where the step starts.
        from: f64,
        /// Where it ends.
        to: f64,
    },
    /// A consistency model is to step to another time than that of the data.
    #[error(
        "the model knows where the flow ends, and not where it is between: it has no step from t = \
         {from} to {to}; take 1 step, or a method that adds noise after each, such as renoise"
    )]
    OnlyToData {
        /// Where the step starts.
        from: f64,
        /// Where it ends.
        to: f64,
    },
    /// The guidance weight is infinite or undefined.
    #[error("guidance = {0} is not a finite number; give 1 for the conditional model")]
    Guidance(f64),
    /// The share of rescaled guidance is not between 0 and 1.
    #[error("guidance-rescale = {0} is out of range; give 0 to 1")]
    GuidanceRescale(f64),
    /// Rescaling compares the spread of a sample's values, which vectors do not have.
    #[error(
        "guidance-rescale = {0} compares the spreads of the pixels of an image, and a sample here \
         is a vector; leave it at 0"
    )]
    RescaledVectors(f64),
    /// The quantile of dynamic thresholding does not exist.
    #[error("dynamic-thresholding-ratio = {0} is out of range; give 0 to 1, such as 0.995")]
    ThresholdingRatio(f64),
    /// The bound of dynamic thresholding would shrink data in [−1, 1].
    #[error("sample-max-value = {0} is out of range; give 1 or more")]
    SampleMaxValue(f64),
    /// Two ways to keep the denoised data in [−1, 1].
    #[error("clip and thresholding both keep the denoised data in [-1, 1]; give one of them")]
    ClippedTwice,
    /// A quantile over the few numbers of a vector is no statistic.
    #[error(
        "thresholding takes a quantile over the pixels of an image, and a sample here is a vector; \
         leave it out, or give clip"
    )]
    ThresholdedVectors,
    /// The method would make samples of simple data much wider or narrower than these data are.
    #[error(
        "{method} is no use with {steps} steps from t = {start} to {end}: tried on data with a \
         known answer, it makes samples {factor:.2} times as wide as the data; take more steps, a \
         grid of more even noise levels (log-snr or karras), or a method that is safe with few, \
         such as ddim or dpmpp-2m"
    )]
    Spread {
        /// The name of the method.
        method: &'static str,
        /// The number of steps.
        steps: usize,
        /// The first time of the grid.
        start: f64,
        /// The last time of the grid.
        end: f64,
        /// How many times as wide as data of unit variance the samples are.
        factor: f64,
    },
    /// Some samples are infinite, undefined, or too large to be meaningful.
    #[error("{0} of the samples diverged; take more steps, guide less, or train longer")]
    NotFinite(usize),
}

impl From<MethodError> for SampleError {
    fn from(error: MethodError) -> Self {
        match error {
            MethodError::Solve(error) => Self::Solve(error),
            error => Self::Method { error },
        }
    }
}

/// What to do beside what the method itself says: which other methods could.
fn remedy(error: &MethodError) -> String {
    match error {
        MethodError::NotAdaptive { .. } => format!(", or use one of {}", MethodName::adaptive()),
        MethodError::NoOption { option, .. } => format!(", or use {}", MethodName::takers(option)),
        _ => String::new(),
    }
}
