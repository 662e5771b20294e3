//! safetensors, alone or in parts that an index lists.

use crate::array::{Array, Precision, Tensors};
use crate::config::Config;
use crate::error::WeightsError;
use crate::read::Checkpoint;
use crate::read::number::{Kind, widen};
use crate::read::part::{Part, choose};
use ::safetensors::tensor::{Dtype, SafeTensors};
use pyroclast_core::shown::shown;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// One file.
pub(super) fn single(path: &Path, part: Option<&str>) -> Result<Checkpoint, WeightsError> {
    let mut tensors = Tensors::new();
    let mut precision = None;
    let config = add(path, &mut tensors, &mut precision)?;
    checkpoint(path, tensors, precision, config, part)
}

fn checkpoint(
    path: &Path,
    tensors: Tensors,
    precision: Option<Precision>,
    config: Config,
    part: Option<&str>,
) -> Result<Checkpoint, WeightsError> {
    let whole = Part {
        name: String::new(),
        entries: tensors.into_iter().collect(),
    };
    let chosen = choose(path, vec![whole], part)?;
    Ok(Checkpoint {
        tensors: chosen.entries.into_iter().collect(),
        precision: precision.unwrap_or(Precision::F32),
        config,
        part: chosen.part,
        others: chosen.others,
    })
}

/// The files that an index lists.
pub(super) fn sharded(path: &Path, part: Option<&str>) -> Result<Checkpoint, WeightsError> {
    let index = Config::open(path)?;
    let damaged = |reason: String| WeightsError::Damaged {
        path: path.display().to_string(),
        reason: shown(&reason),
    };
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| damaged("the index has no `weight_map`".into()))?;
    let mut files = BTreeSet::new();
    for (key, file) in map {
        let file = file.as_str().unwrap_or_default();
        let mut parts = Path::new(file).components();
        let plain = matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        );
        if !plain {
            return Err(damaged(format!(
                "the index has {key} in {file:?}, which is not a file beside it"
            )));
        }
        files.insert(file);
    }
    let mut tensors = Tensors::new();
    let mut precision = None;
    for file in files {
        add(&path.with_file_name(file), &mut tensors, &mut precision)?;
    }
    checkpoint(path, tensors, precision, Config::default(), part)
}

/// Adds the tensors of a file, and returns the configuration in its metadata.
fn add(
    path: &Path,
    tensors: &mut Tensors,
    precision: &mut Option<Precision>,
) -> Result<Config, WeightsError> {
    let name = || path.display().to_string();
    let damaged = |reason: String| WeightsError::Damaged {
        path: name(),
        reason: shown(&reason),
    };
    let bytes = std::fs::read(path).map_err(|source| WeightsError::Read {
        path: name(),
        source,
    })?;
    let of_reader = |error: ::safetensors::SafeTensorError| damaged(error.to_string());
    let file = SafeTensors::deserialize(&bytes).map_err(of_reader)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(of_reader)?;
    for (key, view) in file.iter() {
        let kind = match view.dtype() {
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::I16
            | Dtype::U16
            | Dtype::I32
            | Dtype::U32
            | Dtype::I64
            | Dtype::U64 => continue,
            other => return Err(damaged(format!("{key} has the unknown type {other:?}"))),
        };
        kind.widen_precision(precision);
        let values = widen(kind, view.data());
        tensors.insert(key.to_owned(), Array::new(view.shape().to_vec(), values));
    }
    let config = metadata
        .metadata()
        .as_ref()
        .and_then(|map| map.get("config"));
    Ok(config
        .and_then(|text| Config::parse(text).ok())
        .unwrap_or_default())
}
