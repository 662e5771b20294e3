//! Named lists of tensors in one file.
//!
//! `list.slot`, such as `model.layers.0.weight`

use super::CheckpointError;
use crate::learn::average::{Average, Law};
use crate::model_file::ModelHeader;
use crate::model_file::tensor_file::{self, HostTensor, TensorFileError, of_slot};
use crate::parameters::Slot;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind of a checkpoint, in messages and in its header.
pub(in crate::learn) const CHECKPOINT: &str = "checkpoint";
/// The kind of a snapshot of averages.
pub(in crate::learn) const SNAPSHOT: &str = "snapshot";

/// The header of a checkpoint or of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::learn) struct Header {
    pub(in crate::learn) model: ModelHeader,
    #[serde(default)]
    pub(in crate::learn) config: Option<String>,
    /// The average that samples are drawn with, by name.
    ema: String,
    /// The further averages, by name.
    averages: Vec<String>,
}

impl Header {
    pub(in crate::learn) fn new<B: Backend>(
        model: ModelHeader,
        config: Option<String>,
        main: Law,
        averages: &[Average<B>],
    ) -> Self {
        Self {
            model,
            config,
            ema: main.to_string(),
            averages: averages.iter().map(|a| a.law.to_string()).collect(),
        }
    }
}

/// The step in the name of a file, `step-00000100.safetensors`.
pub(in crate::learn) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
    step.parse().ok()
}

/// Writes named lists, atomically. Waits for the device.
pub(in crate::learn) fn write<'a, B: Backend>(
    path: &Path,
    kind: &'static str,
    header: &Header,
    lists: impl Iterator<Item = (String, &'a Vec<Tensor<B, 1>>)>,
    slots: &[Slot],
) -> Result<(), CheckpointError> {
    let tensors: Vec<HostTensor> = lists
        .flat_map(|(list, values)| {
            slots.iter().zip(values).map(move |(slot, value)| {
                HostTensor::of(format!("{list}.{}", slot.name), slot.shape.clone(), value)
            })
        })
        .collect();
    tensor_file::write(path, kind, header, &tensors).map_err(|error| match error {
        TensorFileError::NotFinite { .. } => CheckpointError::NotFinite {
            step: header.model.about.step,
        },
        error => error.into(),
    })
}

/// The contents of a file of lists that has been checked.
#[derive(Debug)]
pub(in crate::learn) struct Lists {
    path: String,
    pub(in crate::learn) header: Header,
    tensors: Vec<HostTensor>,
}

impl Lists {
    pub(in crate::learn) fn read(path: &Path, kind: &'static str) -> Result<Self, CheckpointError> {
        let (header, tensors) = tensor_file::read::<Header>(path, kind)?;
        let named = path.file_name().and_then(|name| step_of(name.to_str()?));
        let (path, step) = (path.display().to_string(), header.model.about.step);
        if let Some(named) = named.filter(|&named| named != step) {
            let reason = format!("it was saved after step {step}, and its name says {named}");
            return Err(CheckpointError::Mismatch { path, reason });
        }
        match header.model.problem() {
            Some(reason) => Err(CheckpointError::Mismatch { path, reason }),
            None => Ok(Self {
                path,
                header,
                tensors,
            }),
        }
    }

    /// The average that samples are drawn with.
    pub(in crate::learn) fn law(&self) -> Result<Law, CheckpointError> {
        let law = self.header.ema.parse();
        law.map_err(|reason| self.mismatch(reason))
    }

    /// The further averages.
    pub(in crate::learn) fn laws(&self) -> Result<Vec<Law>, CheckpointError> {
        let laws = self.header.averages.iter().map(|name| name.parse());
        laws.collect::<Result<_, String>>()
            .map_err(|reason| self.mismatch(reason))
    }

    /// Refuses a file with more tensors than `plain` lists and the further averages have.
    pub(in crate::learn) fn check_count(
        &self,
        plain: usize,
        slots: &[Slot],
    ) -> Result<(), CheckpointError> {
        let lists = plain + self.header.averages.len();
        let (found, expected) = (self.tensors.len(), lists * slots.len());
        if found > expected {
            return Err(self.mismatch(format!(
                "it holds {found} tensors, and the network has {expected}"
            )));
        }
        Ok(())
    }

    /// The names and shapes of the tensors of a list, in the order of their names.
    pub(in crate::learn) fn slots(&self, list: &str) -> Vec<Slot> {
        let slot = |tensor: &HostTensor| {
            let name = tensor.name.strip_prefix(list)?.strip_prefix('.')?;
            Some(Slot {
                name: name.to_owned(),
                shape: tensor.shape.clone(),
            })
        };
        self.tensors.iter().filter_map(slot).collect()
    }

    /// The values of a list, one vector per slot.
    pub(in crate::learn) fn list(
        &self,
        list: &str,
        slots: &[Slot],
    ) -> Result<Vec<Vec<f32>>, CheckpointError> {
        let prefix = format!("{list}.");
        let values = slots
            .iter()
            .map(|slot| of_slot(&self.tensors, &prefix, slot));
        values
            .map(|values| values.map(<[f32]>::to_vec))
            .collect::<Result<_, String>>()
            .map_err(|reason| self.mismatch(reason))
    }

    /// The values of a list on a device.
    pub(in crate::learn) fn upload<B: Backend>(
        &self,
        list: &str,
        slots: &[Slot],
        device: &B::Device,
    ) -> Result<Vec<Tensor<B, 1>>, CheckpointError> {
        tensor_file::upload(&self.tensors, &format!("{list}."), slots, device)
            .map_err(|reason| self.mismatch(reason))
    }

    pub(in crate::learn) fn mismatch(&self, reason: String) -> CheckpointError {
        CheckpointError::Mismatch {
            path: self.path.clone(),
            reason,
        }
    }
}
