//! What can go wrong with weights.

use crate::table::Misfit;
use pyroclast_core::named::UnknownName;

/// Why weights cannot be read, fitted to a network, or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file system's error.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file system's error.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// A folder without the files of a model.
    #[error(
        "{path} is a folder without {expected}; give the file of weights, or a folder that has both"
    )]
    Folder {
        /// The folder.
        path: String,
        /// The file that it should have.
        expected: &'static str,
    },
    /// Neither safetensors nor PyTorch.
    #[error("{path} is neither a safetensors file nor one of PyTorch ({reason})")]
    Unknown {
        /// The file.
        path: String,
        /// What its beginning shows.
        reason: String,
    },
    /// The file is cut off or contradicts itself.
    #[error("{path} is damaged ({reason})")]
    Damaged {
        /// The file.
        path: String,
        /// The first thing that is wrong.
        reason: String,
    },
    /// The pickle builds objects by calling Python.
    #[error(
        "{path} holds Python code (it calls {call}), which is not run; load it in Python and save \
         its state_dict() alone"
    )]
    Code {
        /// The file.
        path: String,
        /// The function or class.
        call: String,
    },
    /// There are no weights, or none under the given name.
    #[error("{path} holds no weights{under}; it has {found}")]
    NoWeights {
        /// The file.
        path: String,
        /// ` under NAME`, or nothing.
        under: String,
        /// What it has.
        found: String,
    },
    /// A file of outputs without one of them.
    #[error(
        "{path} has no {key}; give a file with golden.x, golden.output and, if there is a time, \
         golden.t"
    )]
    NoGolden {
        /// The file.
        path: String,
        /// What it lacks.
        key: String,
    },
    /// No layout has this name.
    #[error(transparent)]
    NoLayout(#[from] UnknownName),
    /// A network that cannot be written in a layout.
    #[error("this network cannot be written in the layout {layout}: {reason}")]
    NotWritable {
        /// The layout.
        layout: &'static str,
        /// In what the network differs.
        reason: String,
    },
    /// The keys are those of no layout.
    #[error("the keys are those of no layout known here ({keys}); known are {known}")]
    Unrecognised {
        /// The first few keys.
        keys: String,
        /// The names of all layouts.
        known: String,
    },
    /// The keys are not those of one layout.
    #[error("{reason}; name one of {known}")]
    Layout {
        /// How many fit.
        reason: String,
        /// The names to choose from.
        known: String,
    },
    /// Shapes do not determine a value, and the configuration does not give it.
    #[error("the weights do not determine {what}; give `{key}` in the configuration")]
    Undetermined {
        /// What is missing.
        what: &'static str,
        /// The key to give.
        key: &'static str,
    },
    /// A value of the configuration that no network here can have.
    #[error("{key} = {value} in the configuration: {remedy}")]
    Setting {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What is possible.
        remedy: String,
    },
    /// Tensors and configuration together are those of no network here.
    #[error("no network has these weights: {reason}")]
    Impossible {
        /// What cannot be, and what to do.
        reason: String,
    },
    /// The configuration is no JSON object.
    #[error("the configuration is not a JSON object ({reason})")]
    Config {
        /// The message of the parser.
        reason: String,
    },
    /// The tensors are not those of a network in this layout.
    #[error(transparent)]
    Misfit(#[from] Box<Misfit>),
}

impl From<Misfit> for WeightsError {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(Box::new(misfit))
    }
}
