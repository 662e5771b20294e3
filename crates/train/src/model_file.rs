//! The file of a model: parameters by name, and a header that describes everything else.
//!
//! The `.safetensors` file holds the network's parameters. Its header holds the configuration of
//! the network, the path, the objective, the scaling, the shape of a sample, and the names of
//! classes and columns. Neither the data nor the run is needed to use it.

mod header;
pub mod tensor_file;

pub use header::{About, DataInfo, ModelHeader, Origin};

use crate::parameters::{Slot, device, slots, with_values};
use burn::module::Module;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use tensor_file::{HostTensor, TensorFileError};

/// Why a model cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read or written, or is not a model.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// The header holds values that are out of range, or contradict each other.
    #[error("the header of {path} cannot be used: {reason}")]
    Header {
        /// The file.
        path: String,
        /// The first thing that is wrong.
        reason: String,
    },
    /// The parameters are those of another network.
    #[error("{path} does not fit the network: {reason}")]
    Mismatch {
        /// The file.
        path: String,
        /// The first difference.
        reason: String,
    },
}

/// The kind of a model file, in messages and in its header.
const KIND: &str = "model";
/// What the names of an autoencoder's tensors begin with, in the file of a model of its latents.
const AUTOENCODER: &str = "autoencoder.";

/// The header of a model file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    model: ModelHeader,
    weights: String,
    /// The autoencoder of a model of latents, whose tensors are in the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    autoencoder: Option<Box<Header>>,
}

/// The contents of a model file, before they are loaded into a network.
#[derive(Debug, Clone)]
pub struct ModelFile {
    header: Header,
    /// The path of the file, for messages.
    path: String,
    tensors: Vec<HostTensor>,
    autoencoder: Option<Arc<ModelFile>>,
}

impl ModelFile {
    /// A file with these parameters and this header; `weights` names them, such as `ema`.
    pub fn new(header: ModelHeader, weights: String, mut tensors: Vec<HostTensor>) -> Self {
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            header: Header {
                model: header,
                weights,
                autoencoder: None,
            },
            path: "the model".to_owned(),
            tensors,
            autoencoder: None,
        }
    }

    /// The same, which holds the autoencoder of its latents too, so that it can be sampled
    /// anywhere.
    #[must_use]
    pub fn with_autoencoder(mut self, autoencoder: Arc<ModelFile>) -> Self {
        self.header.autoencoder = Some(Box::new(autoencoder.header.clone()));
        self.autoencoder = Some(autoencoder);
        self
    }

    /// The autoencoder of its latents, if it is a model of latents.
    pub fn autoencoder(&self) -> Option<&Arc<ModelFile>> {
        self.autoencoder.as_ref()
    }

    /// Where it was read from, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path, the objective, the data and the network of the model.
    pub fn header(&self) -> &ModelHeader {
        &self.header.model
    }

    /// The name of its weights among those of the run, such as `ema`.
    pub fn weights(&self) -> &str {
        &self.header.weights
    }

    /// Its parameters, sorted by name.
    pub fn tensors(&self) -> &[HostTensor] {
        &self.tensors
    }

    /// The number of parameters that it holds.
    pub fn parameters(&self) -> u64 {
        self.tensors
            .iter()
            .map(|tensor| tensor.values.len() as u64)
            .sum()
    }

    /// Writes the file, atomically.
    ///
    /// # Errors
    /// [`ModelError`]: parameters that are not finite, or a folder that cannot be written. The old
    /// file is untouched then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let tensors = self.with_those_of_the_autoencoder();
        Ok(tensor_file::write(
            path.as_ref(),
            KIND,
            &self.header,
            &tensors,
        )?)
    }

    /// The bytes of a file with the parameters in half precision: half as large, and not quite the
    /// same model. Tensors with values beyond the range of half precision stay as they are.
    ///
    /// # Errors
    /// [`ModelError`]: parameters that are not finite, or a schedule of your own.
    pub fn in_half_precision(&self) -> Result<Vec<u8>, ModelError> {
        let (header, tensors) = (&self.header, self.with_those_of_the_autoencoder());
        Ok(tensor_file::serialized(
            &self.path, KIND, header, &tensors, true,
        )?)
    }

    fn with_those_of_the_autoencoder(&self) -> Cow<'_, [HostTensor]> {
        let Some(autoencoder) = &self.autoencoder else {
            return Cow::Borrowed(&self.tensors);
        };
        let named = autoencoder.tensors.iter().map(|tensor| HostTensor {
            name: format!("{AUTOENCODER}{}", tensor.name),
            ..tensor.clone()
        });
        self.tensors.iter().cloned().chain(named).collect()
    }

    /// Reads and checks a model file.
    ///
    /// # Errors
    /// [`ModelError`]: the file is missing, damaged, edited, in a newer format, or not a model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let name = path.as_ref().display().to_string();
        Self::checked(name, tensor_file::read(path.as_ref(), KIND)?)
    }

    /// Reads and checks the bytes of a model file, which errors call `name`.
    ///
    /// # Errors
    /// As [`ModelFile::open`].
    pub fn of_bytes(name: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::checked(name.to_owned(), tensor_file::parse(name, bytes, KIND)?)
    }

    fn checked(
        path: String,
        (header, tensors): (Header, Vec<HostTensor>),
    ) -> Result<Self, ModelError> {
        let own = header.autoencoder.as_deref();
        let problem = (header.model.problem())
            .or_else(|| own.and_then(|own| own.model.problem()))
            .or_else(|| {
                let is_of_latents = header.model.about.latents.is_some();
                (is_of_latents != own.is_some()).then(|| {
                    "it is a model of latents without their autoencoder, or the reverse".to_owned()
                })
            });
        if let Some(reason) = problem {
            return Err(ModelError::Header { path, reason });
        }
        let (mut of_autoencoder, tensors): (Vec<_>, Vec<_>) = (tensors.into_iter())
            .partition(|tensor| own.is_some() && tensor.name.starts_with(AUTOENCODER));
        for tensor in &mut of_autoencoder {
            tensor.name.drain(..AUTOENCODER.len());
        }
        let autoencoder = own.map(|own| {
            Arc::new(Self {
                header: own.clone(),
                path: path.clone(),
                tensors: of_autoencoder,
                autoencoder: None,
            })
        });
        Ok(Self {
            header,
            path,
            tensors,
            autoencoder,
        })
    }

    /// This network with the parameters of the file.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] if they are those of another network.
    pub fn load_into<B: Backend, N: Module<B>>(&self, network: N) -> Result<N, ModelError> {
        let mismatch = |reason| ModelError::Mismatch {
            path: self.path.clone(),
            reason,
        };
        let slots: Vec<Slot> = slots::<B, N>(&network);
        if self.tensors.len() > slots.len() {
            return Err(mismatch(format!(
                "it holds {} tensors, and the network has {}",
                self.tensors.len(),
                slots.len()
            )));
        }
        let device = device::<B, N>(&network);
        let values = tensor_file::upload::<B>(&self.tensors, "", &slots, &device);
        Ok(with_values(network, values.map_err(mismatch)?))
    }
}
