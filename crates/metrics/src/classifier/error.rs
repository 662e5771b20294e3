//! What can go wrong with a classifier.

/// Why there is no classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// The samples have no classes.
    #[error(
        "`{name}` has no labels to learn from; give digits, or a .csv file with a column named label"
    )]
    NoLabels {
        /// The data.
        name: String,
    },
    /// All samples are of one class.
    #[error("`{name}` has a single class; a classifier needs two or more")]
    OneClass {
        /// The data.
        name: String,
    },
    /// The loss diverged.
    #[error("the classifier's loss is {loss} at step {step}; look for outliers in the data")]
    Diverged {
        /// The loss.
        loss: f64,
        /// Where it was seen.
        step: u64,
    },
    /// The parameters diverged after the last loss was read.
    #[error(
        "the classifier's parameters are not finite, and are not saved; look for outliers in the data"
    )]
    NotFinite,
    /// The file system refuses.
    #[error("cannot save {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is cut off, or of another kind.
    #[error("{path} is not a classifier ({reason}); train one on labelled data and save it")]
    Foreign {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
