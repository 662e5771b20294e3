//! Errors of a session.

use pyroclast_core::named::UnknownName;
use pyroclast_solvers::SolveError;
use pyroclast_train::dataset::Overflow;
use pyroclast_train::draw::SampleError;
use pyroclast_train::stored_model::StoredModelError;

/// Why a session cannot be opened, or what it was asked for cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The bytes are no model that can be used.
    #[error(transparent)]
    Model(#[from] StoredModelError),
    /// An autoencoder makes pictures of latents, and there are no latents to make them of.
    #[error("{0} is an autoencoder, which draws no samples; open a model of its latents")]
    Autoencoder(String),
    /// The model has a condition beside its classes.
    #[error(
        "{name} is conditioned on {condition}, which a page cannot ask for; sample it by `pyroclast \
         sample --condition`"
    )]
    Condition {
        /// The name of the file or run.
        name: String,
        /// What its samples are conditioned on.
        condition: String,
    },
    /// There is no such method.
    #[error(transparent)]
    Method(#[from] UnknownName),
    /// The class does not exist.
    #[error("there is no class {class}; the model has {classes}")]
    Class {
        /// The class that was asked for.
        class: u32,
        /// The number of classes.
        classes: usize,
    },
    /// The network knows no sample without a class, which guidance needs.
    #[error(
        "guidance = {0} compares samples of a class with those of none, and this network was made \
         for known classes only; give 1"
    )]
    Unguided(f64),
    /// No steps, or more than a page should wait for.
    #[error("{0} steps are out of range; take 1 to {most}", most = crate::Request::MOST_STEPS)]
    Steps(usize),
    /// No samples, or more than a page should hold.
    #[error("{0} samples are out of range; draw 1 to {most}", most = crate::Request::MOST_SAMPLES)]
    Samples(usize),
    /// More states than a device should hold.
    #[error(
        "{samples} samples in {steps} steps are more states than a GPU should hold; draw fewer \
         samples, or take fewer steps"
    )]
    States {
        /// The number of samples.
        samples: usize,
        /// The number of steps.
        steps: usize,
    },
    /// A list of points that is not a whole number of samples.
    #[error("{values} numbers are not a whole number of samples of {dim}")]
    Points {
        /// The numbers that were given.
        values: usize,
        /// The numbers of one sample.
        dim: usize,
    },
    /// The model has no density that can be drawn.
    #[error("only a model of points of the plane, with normal noise, has a density to draw")]
    NoDensity,
    /// No samples were drawn.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The solve for the density stopped early.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The samples have no number in the units of the data.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}
