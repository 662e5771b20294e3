//! Errors of a method that is chosen at run time.

use super::option::MethodOption;
use crate::error::SolveError;

/// Why a method cannot do what it is asked to.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// The adaptive solve stopped early.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The method has no error estimate, so it cannot choose its steps.
    #[error(
        "{method} does not estimate its error, so it cannot choose its steps; give the number of \
         steps"
    )]
    NotAdaptive {
        /// The name of the method.
        method: &'static str,
    },
    /// The method does not have this option.
    #[error("{method} has no option {}; leave it out", option.name)]
    NoOption {
        /// The name of the method.
        method: &'static str,
        /// The option.
        option: &'static MethodOption,
    },
    /// The value of an option is out of range for the method.
    #[error("{option} = {value} is out of range for {method}; give {range}")]
    OutOfRange {
        /// The name of the method.
        method: &'static str,
        /// The name of the option.
        option: &'static str,
        /// The value that was given.
        value: String,
        /// The values that the method accepts.
        range: String,
    },
}
