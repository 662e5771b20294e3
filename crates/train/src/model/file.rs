//! A model's file, before there is a network for it.

use super::tensor_file::{self, HostTensor};
use super::{Model, ModelError, ModelHeader};
use crate::parameters::{Slot, device, slots, with_values};
use burn::module::Module;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a file of a model is called in messages and in its header.
const KIND: &str = "model";

/// The header of a file of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    model: ModelHeader,
    weights: String,
}

/// The contents of a file of a model, before there is a network for them.
#[derive(Debug, Clone)]
pub struct ModelFile {
    header: Header,
    /// The file, where it was read from one.
    path: String,
    tensors: Vec<HostTensor>,
}

impl ModelFile {
    /// Parameters by their names, under a header; `weights` says which of a run's they are.
    pub fn new(header: ModelHeader, weights: String, tensors: Vec<HostTensor>) -> Self {
        Self {
            header: Header {
                model: header,
                weights,
            },
            path: "the model".to_owned(),
            tensors,
        }
    }

    /// What it says about the model.
    pub fn header(&self) -> &ModelHeader {
        &self.header.model
    }

    /// Which of a run's weights it holds, such as `ema`.
    pub fn weights(&self) -> &str {
        &self.header.weights
    }

    /// Writes the file, atomically.
    ///
    /// # Errors
    /// [`ModelError`]; what stood at `path` before is untouched then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let (header, tensors) = (&self.header, &self.tensors);
        Ok(tensor_file::write(path.as_ref(), KIND, header, tensors)?)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ModelError`].
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

    /// The model with this network, whose own parameters are replaced.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`].
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
