//! The contents of a model file, before they are loaded into a network.

use super::tensor_file::{self, HostTensor};
use super::{Model, ModelError, ModelHeader};
use crate::parameters::{Slot, device, slots, with_values};
use burn::module::Module;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind of a model file, in messages and in its header.
const KIND: &str = "model";

/// The header of a model file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    model: ModelHeader,
    weights: String,
}

/// The contents of a model file, before they are loaded into a network.
#[derive(Debug, Clone)]
pub struct ModelFile {
    header: Header,
    /// The path of the file, for messages.
    path: String,
    tensors: Vec<HostTensor>,
}

impl ModelFile {
    /// A file with these parameters and this header; `weights` names them, such as `ema`.
    pub fn new(header: ModelHeader, weights: String, mut tensors: Vec<HostTensor>) -> Self {
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            header: Header {
                model: header,
                weights,
            },
            path: "the model".to_owned(),
            tensors,
        }
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
        let (header, tensors) = (&self.header, &self.tensors);
        Ok(tensor_file::write(path.as_ref(), KIND, header, tensors)?)
    }

    /// Reads and checks a model file.
    ///
    /// # Errors
    /// [`ModelError`]: the file is missing, damaged, edited, in a newer format, or not a model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let (header, tensors) = tensor_file::read::<Header>(path.as_ref(), KIND)?;
        let path = path.as_ref().display().to_string();
        match header.model.problem() {
            Some(reason) => Err(ModelError::Header { path, reason }),
            None => Ok(Self {
                header,
                path,
                tensors,
            }),
        }
    }

    /// The model with this network, whose parameters are replaced by those of the file.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] if the parameters are those of another network.
    pub fn model<B: Backend, N: Module<B>>(&self, network: N) -> Result<Model<N>, ModelError> {
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
        let network = with_values(network, values.map_err(mismatch)?);
        let ModelHeader {
            path,
            objective,
            about,
        } = self.header.model.clone();
        Ok(Model {
            flow: Flow::new(network, path, objective),
            about,
            weights: self.header.weights.clone(),
        })
    }
}
