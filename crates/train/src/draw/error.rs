//! Why nothing was drawn.

use pyroclast_solvers::SolveError;
use pyroclast_solvers::sampler::Unsupported;

/// Why nothing was drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The adaptive solve stopped.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The method has no error estimate.
    #[error(
        "{method} does not estimate its error, so it cannot choose its steps; give their number, or \
         take one of {adaptive}"
    )]
    NotAdaptive {
        /// The method.
        method: &'static str,
        /// Those that can.
        adaptive: String,
    },
    /// The sampler, the schedule, the model and the grid do not go together.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// There is no such grid.
    #[error("{0}")]
    Grid(String),
    /// The method does not take an option.
    #[error("{method} has no option {option}; leave it out, or take {takers}")]
    NoOption {
        /// The method.
        method: &'static str,
        /// The option.
        option: &'static str,
        /// The methods that take it.
        takers: String,
    },
    /// The method takes other values of an option.
    #[error("{option} = {value} is out of range for {method}; give {range}")]
    OutOfRange {
        /// The method.
        method: &'static str,
        /// The option.
        option: &'static str,
        /// What was asked for.
        value: String,
        /// What there is.
        range: String,
    },
    /// The method adds noise, and the model does not know its score.
    #[error(
        "{0} adds noise, which needs the score, and a velocity tells the score only where noise and \
         data are paired independently; train with coupling = independent, gamma = none and source = \
         normal, or sample by a method without noise"
    )]
    NeedsScore(&'static str),
    /// Guidance by an infinite or undefined weight.
    #[error("guidance = {0} is not a finite number; give 1 for the conditional model")]
    Guidance(f64),
    /// Rescaling by more than all, or less than nothing.
    #[error("guidance-rescale = {0} is out of range; give 0 to 1")]
    GuidanceRescale(f64),
    /// Rescaling compares the spread of a sample's values, which vectors do not have.
    #[error(
        "guidance-rescale = {0} compares the spreads of the pixels of an image, and a sample here is \
         a vector; leave it at 0"
    )]
    RescaledVectors(f64),
    /// A sample came out infinite or undefined.
    #[error(
        "{0} of the samples ran away to infinity; take more steps, guide less, or train longer"
    )]
    NotFinite(usize),
}
