//! Named lists of tensors in a safetensors file, under a header.
//!
//! `list.slot`, such as `model.layers.0.weight`

use super::{CheckpointError, write_atomically};
use crate::ema::{Average, Law};
use crate::parameters::Slot;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The version of the layout. Another one is refused, not guessed at.
const VERSION: u32 = 1;
/// The key of the header's metadata.
const KEY: &str = "pyroclast";

/// What the header says beside the tensors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u32,
    pub(crate) step: u64,
    pub(crate) seed: u64,
    pub(crate) config: String,
    /// The laws of further averages, by name. Files without any are those of before there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    averages: Vec<String>,
}

impl Header {
    pub(crate) fn new<B: Backend>(
        step: u64,
        seed: u64,
        config: &str,
        averages: &[Average<B>],
    ) -> Self {
        Self {
            version: VERSION,
            step,
            seed,
            config: config.to_owned(),
            averages: averages.iter().map(|a| a.law.to_string()).collect(),
        }
    }
}

/// Writes named lists, atomically. Waits for the device.
pub(crate) fn write<'a, B: Backend>(
    path: &Path,
    header: &Header,
    lists: impl Iterator<Item = (String, &'a Vec<Tensor<B, 1>>)>,
    slots: &[Slot],
) -> Result<(), CheckpointError> {
    let mut tensors: Vec<(String, &Slot, Vec<u8>)> = Vec::new();
    for (list, values) in lists {
        for (slot, value) in slots.iter().zip(values) {
            let data = value.to_data().convert::<f32>();
            let numbers = data.as_slice::<f32>().unwrap_or_default();
            if numbers.iter().any(|v| !v.is_finite()) {
                return Err(CheckpointError::NotFinite { step: header.step });
            }
            let bytes = data.bytes.to_vec();
            tensors.push((format!("{list}.{}", slot.name), slot, bytes));
        }
    }
    let views = tensors.iter().map(|(name, slot, bytes)| {
        let view = TensorView::new(Dtype::F32, slot.shape.clone(), bytes);
        (
            name,
            view.expect("a flattened parameter has the elements of its shape"),
        )
    });
    let header = serde_json::to_string(header).expect("the header holds plain values");
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .expect("the names are distinct and the shapes fit");
    write_atomically(path, &bytes).map_err(|source| CheckpointError::Write {
        path: path.display().to_string(),
        source,
    })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    std::fs::read(path).map_err(|source| CheckpointError::Read {
        path: path.display().to_string(),
        source,
    })
}

/// The values of a list as tensors on a device.
pub(crate) fn upload<B: Backend>(values: Vec<Vec<f32>>, device: &B::Device) -> Vec<Tensor<B, 1>> {
    let one = |values: Vec<f32>| {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), device)
    };
    values.into_iter().map(one).collect()
}

/// A file of lists that is whole, and ours.
pub(crate) struct Lists<'a> {
    path: &'a Path,
    pub(crate) header: Header,
    tensors: SafeTensors<'a>,
}

impl<'a> Lists<'a> {
    pub(crate) fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let name = || path.display().to_string();
        let damaged = |error: safetensors::SafeTensorError| CheckpointError::Damaged {
            path: name(),
            reason: error.to_string(),
        };
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let foreign = |reason: String| CheckpointError::Foreign {
            path: name(),
            reason,
        };
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(KEY))
            .ok_or_else(|| foreign(format!("its header has no `{KEY}`")))?;
        let header: Header =
            serde_json::from_str(text).map_err(|error| foreign(error.to_string()))?;
        if header.version != VERSION {
            return Err(foreign(format!(
                "version {}, and this reads {VERSION}",
                header.version
            )));
        }
        Ok(Self {
            path,
            header,
            tensors,
        })
    }

    /// The laws of the further averages.
    pub(crate) fn laws(&self) -> Result<Vec<Law>, CheckpointError> {
        let laws = self.header.averages.iter().map(|name| name.parse());
        laws.collect::<Result<_, String>>()
            .map_err(|reason| CheckpointError::Foreign {
                path: self.path.display().to_string(),
                reason,
            })
    }

    /// Refuses a file with more tensors than `plain` lists and the further averages have.
    pub(crate) fn check_count(&self, plain: usize, slots: &[Slot]) -> Result<(), CheckpointError> {
        let lists = plain + self.header.averages.len();
        let (found, expected) = (self.tensors.len(), lists * slots.len());
        if found > expected {
            return Err(self.mismatch(format!(
                "it holds {found} tensors, and the network has {expected}"
            )));
        }
        Ok(())
    }

    /// The values of a list, one vector a slot.
    pub(crate) fn list(
        &self,
        list: &str,
        slots: &[Slot],
    ) -> Result<Vec<Vec<f32>>, CheckpointError> {
        let values = slots.iter().map(|slot| self.tensor(list, slot));
        values
            .collect::<Result<_, String>>()
            .map_err(|reason| self.mismatch(reason))
    }

    pub(crate) fn mismatch(&self, reason: String) -> CheckpointError {
        CheckpointError::Mismatch {
            path: self.path.display().to_string(),
            reason,
        }
    }

    fn tensor(&self, list: &str, slot: &Slot) -> Result<Vec<f32>, String> {
        let name = format!("{list}.{}", slot.name);
        let view = (self.tensors.tensor(&name)).map_err(|_| format!("it has no {name}"))?;
        if view.shape() != slot.shape || view.dtype() != Dtype::F32 {
            return Err(format!(
                "{name} is {:?} {:?}, and the network has {:?} F32",
                view.shape(),
                view.dtype(),
                slot.shape
            ));
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        Ok(chunks
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect())
    }
}
