//! What can go wrong with a classifier.

/// Why there is no classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// The samples have no labels.
    #[error(
        "`{name}` has no labels to learn from; \
         give digits, or a .csv file with a column named label"
    )]
    NoLabels {
        /// The name of the data.
        name: String,
    },
    /// All samples are of one class.
    #[error("`{name}` has a single class; a classifier needs two or more")]
    OneClass {
        /// The name of the data.
        name: String,
    },
    /// The loss diverged.
    #[error("the classifier's loss is {loss} at step {step}; look for outliers in the data")]
    Diverged {
        /// The loss.
        loss: f64,
        /// The step at which it was read.
        step: u64,
    },
    /// The parameters diverged after the last loss was read.
    #[error(
        "the classifier's parameters are not finite, and are not saved; \
         look for outliers in the data"
    )]
    NotFinite,
    /// The file cannot be written.
    #[error("cannot save {path}")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is cut off, or not a classifier.
    #[error("{path} is not a classifier ({reason}); train one on labelled data and save it")]
    Foreign {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
