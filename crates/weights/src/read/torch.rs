//! PyTorch's files: a zip archive since 1.6, a row of pickles and numbers before.
//!
//! new: `NAME/data.pkl`, and the numbers of each storage in `NAME/data/KEY`, never compressed.
//! old: pickles of a magic number, a version, the system, the object and the keys of the storages;
//! then for each key the number of numbers, in 64 bits, and the numbers.

use crate::array::{Array, Precision};
use crate::config::Config;
use crate::error::WeightsError;
use crate::read::Checkpoint;
use crate::read::number::{Kind, widen};
use crate::read::part::{Part, choose};
use crate::read::pickle::{Fault, Id, LONGEST, Node, Storage, Strided, Values, values};
use pyroclast_core::shown::shown;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// How an old file begins: protocol 2, and PyTorch's magic number.
pub(super) const OLD: [u8; 15] = [
    0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
];
/// How deep dictionaries are searched for tensors.
const DEPTH: usize = 4;
/// The most entries of dictionaries that are looked at.
const ENTRIES: usize = 1 << 16;
/// The longest key.
const KEY: usize = 512;

/// A file that is read.
struct Open<'p> {
    path: &'p Path,
    bytes: u64,
}

impl Open<'_> {
    fn damaged(&self, reason: impl Into<String>) -> WeightsError {
        WeightsError::Damaged {
            path: self.path.display().to_string(),
            reason: shown(&reason.into()),
        }
    }

    fn failed(&self, source: std::io::Error) -> WeightsError {
        WeightsError::Read {
            path: self.path.display().to_string(),
            source,
        }
    }

    fn fault(&self, fault: Fault) -> WeightsError {
        match fault {
            Fault::Damaged(reason) => self.damaged(reason),
            Fault::Code(call) => WeightsError::Code {
                path: self.path.display().to_string(),
                call: shown(&call),
            },
        }
    }
}

fn open(path: &Path) -> Result<(Open<'_>, File), WeightsError> {
    let failed = |source| WeightsError::Read {
        path: path.display().to_string(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok((Open { path, bytes }, file))
}

/// A zip archive.
pub(super) fn new(path: &Path, part: Option<&str>) -> Result<Checkpoint, WeightsError> {
    let (open, file) = open(path)?;
    let damaged = |reason: String| open.damaged(reason);
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(error.to_string()))?;
    let pickle = { archive.file_names() }.find(|name| name.ends_with("/data.pkl"));
    let Some(pickle) = pickle.map(str::to_owned) else {
        return Err(WeightsError::Unknown {
            path: path.display().to_string(),
            reason: "it is an archive without data.pkl".to_owned(),
        });
    };
    let root = pickle.trim_end_matches("data.pkl").to_owned();
    let mut entry = |name: &str, most: u64| -> Result<Vec<u8>, WeightsError> {
        let entry = archive.by_name(name);
        let mut entry = entry.map_err(|error| damaged(format!("{name}: {error}")))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(damaged(format!(
                "{name} is compressed, as PyTorch never does"
            )));
        }
        if entry.size() > most.min(open.bytes) {
            return Err(damaged(format!("{name} has {} bytes", entry.size())));
        }
        let mut bytes = Vec::with_capacity(entry.size() as usize);
        let read = entry.by_ref().take(most).read_to_end(&mut bytes);
        read.map_err(|error| damaged(format!("{name}: {error}")))?;
        Ok(bytes)
    };
    let order = format!("{root}byteorder");
    if entry(&order, 16).is_ok_and(|order| order == b"big") {
        return Err(damaged("its numbers are big-endian".into()));
    }
    let bytes = entry(&pickle, LONGEST)?;
    let (values, _) = values(&bytes).map_err(|fault| open.fault(fault))?;
    checkpoint(&open, &values, part, |storage| {
        entry(&format!("{root}data/{}", storage.key), u64::MAX)
    })
}

/// A row of pickles.
pub(super) fn old(path: &Path, part: Option<&str>) -> Result<Checkpoint, WeightsError> {
    let (open, mut file) = open(path)?;
    let mut bytes = Vec::new();
    let start = file.by_ref().take(LONGEST).read_to_end(&mut bytes);
    start.map_err(|error| open.failed(error))?;
    let mut at = 0;
    let mut pickle = || {
        let (values, length) = values(&bytes[at..]).map_err(|fault| open.fault(fault))?;
        at += length;
        Ok::<_, WeightsError>(values)
    };
    let (_magic, version, system) = (pickle()?, pickle()?, pickle()?);
    let (object, list) = (pickle()?, pickle()?);
    if !matches!(version.node(version.root), Node::Int(1001)) {
        return Err(open.damaged("its version is not 1001"));
    }
    if matches!(item(&system, "little_endian"), Some(Node::Bool(false))) {
        return Err(open.damaged("its numbers are big-endian"));
    }
    let Node::List(keys) = list.node(list.root) else {
        return Err(open.damaged("it has no list of storages"));
    };
    let storages = object.storages();
    let mut places = BTreeMap::new();
    let mut at = at as u64;
    for &key in keys {
        let storage = match list.node(key) {
            Node::Text(key) => storages.get(key),
            _ => None,
        };
        let Some(storage) = storage else {
            return Err(open.damaged("a storage has no description"));
        };
        let length = (storage.length as u64).checked_mul(storage.bytes as u64);
        let end = length.and_then(|length| (at + 8).checked_add(length));
        match end.filter(|&end| end <= open.bytes) {
            Some(end) => {
                places.insert(storage.key, at + 8);
                at = end;
            }
            None => return Err(open.damaged(format!("storage {} is cut off", storage.key))),
        }
    }
    checkpoint(&open, &object, part, |storage| {
        let Some(&at) = places.get(storage.key) else {
            return Err(open.damaged(format!("storage {} is missing", storage.key)));
        };
        let mut read = |at, length: usize| {
            let mut bytes = vec![0; length];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let length = read(at - 8, 8).map_err(|error| open.failed(error))?;
        if length != (storage.length as u64).to_le_bytes() {
            return Err(open.damaged(format!("storage {} has another length", storage.key)));
        }
        read(at, storage.length * storage.bytes).map_err(|error| open.failed(error))
    })
}

/// A pickle without numbers behind it: what it calls is the better message.
pub(super) fn pickle(path: &Path) -> Result<Checkpoint, WeightsError> {
    let (open, file) = open(path)?;
    let mut bytes = Vec::new();
    let read = file.take(LONGEST).read_to_end(&mut bytes);
    read.map_err(|error| open.failed(error))?;
    values(&bytes).map_err(|fault| open.fault(fault))?;
    Err(WeightsError::Unknown {
        path: path.display().to_string(),
        reason: "it is a pickle that PyTorch did not write".to_owned(),
    })
}

/// The value of a text in the dictionary that a pickle is.
fn item<'v, 'a>(values: &'v Values<'a>, key: &str) -> Option<&'v Node<'a>> {
    let Node::Dict(pairs) = values.node(values.root) else {
        return None;
    };
    let is = |&&(id, _): &&(Id, Id)| matches!(values.node(id), &Node::Text(text) if text == key);
    pairs.iter().find(is).map(|&(_, value)| values.node(value))
}

/// The tensors of a part of the object that a pickle describes; `numbers` reads a storage.
fn checkpoint(
    open: &Open<'_>,
    values: &Values<'_>,
    part: Option<&str>,
    mut numbers: impl FnMut(&Storage<'_>) -> Result<Vec<u8>, WeightsError>,
) -> Result<Checkpoint, WeightsError> {
    let parts = parts(values).map_err(|fault| open.fault(fault))?;
    let chosen = choose(open.path, parts, part)?;
    // Tensors may share numbers, as tied weights do, but not without bound.
    let total = { chosen.entries.iter() }.map(|(_, tensor)| tensor.len() as u64);
    let total = { total }.fold(0, u64::saturating_add);
    if total > open.bytes {
        return Err(open.damaged(format!(
            "its tensors have {total} numbers, more than its bytes"
        )));
    }
    let mut by_storage: BTreeMap<&str, Vec<(&str, &Strided<'_>)>> = BTreeMap::new();
    for (key, tensor) in &chosen.entries {
        let tensors = by_storage.entry(tensor.storage.key).or_default();
        tensors.push((key, tensor));
    }
    let mut precision = None;
    let mut tensors = BTreeMap::new();
    for views in by_storage.into_values() {
        let storage = views[0].1.storage;
        let bytes = numbers(&storage)?;
        for (key, tensor) in views {
            let kind = tensor.storage.kind.expect("only real numbers were taken");
            if !fits_bytes(tensor, kind, bytes.len()) {
                return Err(open.damaged(format!("{key} exceeds its storage {}", storage.key)));
            }
            kind.widen_precision(&mut precision);
            tensors.insert(key.to_owned(), gather(tensor, kind, &bytes));
        }
    }
    Ok(Checkpoint {
        tensors,
        precision: precision.unwrap_or(Precision::F32),
        config: Config::default(),
        part: chosen.part,
        others: chosen.others,
    })
}

/// Whether the bytes that were read hold all numbers that a storage should have.
fn fits_bytes(tensor: &Strided<'_>, kind: Kind, bytes: usize) -> bool {
    let needed = tensor.storage.length.checked_mul(kind.bytes());
    needed.is_some_and(|needed| needed <= bytes)
}

/// The values of a view, row-major.
fn gather(tensor: &Strided<'_>, kind: Kind, bytes: &[u8]) -> Array {
    let (n, size) = (tensor.len(), kind.bytes());
    let mut dense = 1;
    let axes = { tensor.shape.iter() }.zip(&tensor.strides).rev();
    let in_order = { axes }.all(|(&side, &stride)| {
        let fits = side == 1 || stride == dense;
        dense *= side;
        fits
    });
    if n == 0 {
        return Array::new(tensor.shape.clone(), Vec::new());
    }
    if in_order {
        let bytes = &bytes[tensor.offset * size..(tensor.offset + n) * size];
        return Array::new(tensor.shape.clone(), widen(kind, bytes));
    }
    let mut values = Vec::with_capacity(n);
    let mut index = vec![0; tensor.shape.len()];
    for _ in 0..n {
        let steps = index
            .iter()
            .zip(&tensor.strides)
            .map(|(i, stride)| i * stride);
        let at = (tensor.offset + steps.sum::<usize>()) * size;
        values.extend(widen(kind, &bytes[at..at + size]));
        for (i, &side) in index.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < side {
                break;
            }
            *i = 0;
        }
    }
    Array::new(tensor.shape.clone(), values)
}

/// The dictionaries of tensors in the object that a pickle is: itself, or its entries.
fn parts<'a>(values: &Values<'a>) -> Result<Vec<Part<Strided<'a>>>, Fault> {
    let Node::Dict(pairs) = values.node(values.root) else {
        return Ok(Vec::new());
    };
    let mut budget = ENTRIES;
    let mut own = Vec::new();
    let mut parts = Vec::new();
    for &(key, value) in pairs {
        budget = spend(budget)?;
        let name = match *values.node(key) {
            Node::Text(name) if name.len() <= KEY => name,
            _ => continue,
        };
        match values.node(value) {
            Node::Tensor(tensor) if tensor.storage.kind.is_some() => {
                own.push((name.to_owned(), tensor.clone()));
            }
            Node::Dict(_) => {
                let mut entries = Vec::new();
                flatten(values, value, "", DEPTH, &mut budget, &mut entries)?;
                parts.push(Part {
                    name: name.to_owned(),
                    entries,
                });
            }
            _ => {}
        }
    }
    if !own.is_empty() {
        parts.push(Part {
            name: String::new(),
            entries: own,
        });
    }
    Ok(parts)
}

fn spend(budget: usize) -> Result<usize, Fault> {
    budget
        .checked_sub(1)
        .ok_or_else(|| Fault::Damaged(format!("its dictionaries have more than {ENTRIES} entries")))
}

/// Adds the tensors of a dictionary, and of those in it, under their keys joined by dots.
fn flatten<'a>(
    values: &Values<'a>,
    dict: Id,
    prefix: &str,
    depth: usize,
    budget: &mut usize,
    entries: &mut Vec<(String, Strided<'a>)>,
) -> Result<(), Fault> {
    let Node::Dict(pairs) = values.node(dict) else {
        return Ok(());
    };
    for &(key, value) in pairs {
        *budget = spend(*budget)?;
        let key = match *values.node(key) {
            Node::Text(key) if key.len() <= KEY => key,
            _ => continue,
        };
        match values.node(value) {
            Node::Tensor(tensor) if tensor.storage.kind.is_some() => {
                entries.push((format!("{prefix}{key}"), tensor.clone()));
            }
            Node::Dict(_) if depth > 0 => {
                let prefix = format!("{prefix}{key}.");
                flatten(values, value, &prefix, depth - 1, budget, entries)?;
            }
            _ => {}
        }
    }
    Ok(())
}
