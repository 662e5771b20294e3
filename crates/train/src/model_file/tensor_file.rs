//! Tensors in a safetensors file, with a header and a digest.
//!
//! The metadata of the file holds a JSON object: the version of the format, the version of the
//! package that wrote it, the kind of file, a digest, and the header. The digest is the SHA-256 of
//! that object, with an empty digest, and of the name, shape and bytes of every tensor. A file that
//! was cut off, edited or damaged is refused before anything is loaded. The same contents always
//! make the same file.

use crate::atomic_file::write_atomically;
use crate::digest::hex;
use crate::parameters::Slot;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// The version of the layout that this package writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// The only entry of the metadata, because several would be written in a random order.
const KEY: &str = "pyroclast";

/// Why a file of tensors cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// The file cannot be written.
    #[error("cannot save {path}")]
    Write {
        /// The file.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The header holds a value without a name to write, such as a schedule of your own.
    #[error("cannot save {path}: {reason}")]
    Unnamed {
        /// The file.
        path: String,
        /// The value that has no name.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file is cut off, or not a safetensors file.
    #[error("{path} is damaged or not a safetensors file ({reason})")]
    Damaged {
        /// The file.
        path: String,
        /// The message of the safetensors reader.
        reason: String,
    },
    /// The safetensors file is of another kind.
    #[error("{path} is not a {kind} of this library ({reason})")]
    Foreign {
        /// The file.
        path: String,
        /// The kind of file that was expected.
        kind: &'static str,
        /// The first difference.
        reason: String,
    },
    /// The file was written by a newer package, in a layout that this one does not know.
    #[error(
        "{path} has format {format}, written by pyroclast {package}; this version reads up to \
         format {FORMAT}: update pyroclast"
    )]
    Newer {
        /// The file.
        path: String,
        /// The version of its format.
        format: u32,
        /// The version of the package that wrote it.
        package: String,
    },
    /// The file was written by an earlier package, in a layout that is no longer read.
    #[error(
        "{path} was written by an earlier version, in a layout that this one does not read; use \
         that version, or train again"
    )]
    Older {
        /// The file.
        path: String,
    },
    /// The contents have changed since they were written.
    #[error("the contents of {path} do not match their digest: it was damaged or edited")]
    Digest {
        /// The file.
        path: String,
    },
    /// A value is infinite or undefined.
    #[error("{name} in {path} holds {value}; the file was saved from a model that diverged")]
    NotFinite {
        /// The file.
        path: String,
        /// The name of the tensor.
        name: String,
        /// The first value of it that is not finite.
        value: f32,
    },
}

/// A tensor on the host, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major: as many as the shape holds.
    pub values: Vec<f32>,
}

impl HostTensor {
    /// Copies a flat tensor from its device, and gives it this name and shape. Waits for the
    /// device.
    pub fn of<B: Backend>(name: String, shape: Vec<usize>, value: &Tensor<B, 1>) -> Self {
        let values = value.to_data().convert::<f32>().into_vec::<f32>();
        Self {
            name,
            shape,
            values: values.expect("converted to f32 just now"),
        }
    }

    /// Its values as bytes: in half precision if that is asked for and holds them all.
    fn bytes(&self, half: bool) -> (Dtype, Vec<u8>) {
        let values = self.values.iter();
        if half && values.clone().all(|v| f16::from_f32(*v).is_finite()) {
            let bytes = values.flat_map(|v| f16::from_f32(*v).to_le_bytes());
            return (Dtype::F16, bytes.collect());
        }
        (Dtype::F32, values.flat_map(|v| v.to_le_bytes()).collect())
    }
}

/// Uploads the tensors of these slots, flat, to a device. Their names in the file begin with
/// `prefix`; `tensors` are sorted by name, as [`read`] returns them.
///
/// # Errors
/// A message about the first slot that has no tensor of its name and shape.
pub fn upload<B: Backend>(
    tensors: &[HostTensor],
    prefix: &str,
    slots: &[Slot],
    device: &B::Device,
) -> Result<Vec<Tensor<B, 1>>, String> {
    let one = |slot: &Slot| {
        let values = of_slot(tensors, prefix, slot)?;
        let data = TensorData::new(values.to_vec(), [values.len()]);
        Ok(Tensor::from_data(data, device))
    };
    slots.iter().map(one).collect()
}

/// The values of the tensor of a slot; `tensors` are sorted by name.
///
/// # Errors
/// A message if there is no tensor of its name and shape.
pub(crate) fn of_slot<'a>(
    tensors: &'a [HostTensor],
    prefix: &str,
    slot: &Slot,
) -> Result<&'a [f32], String> {
    let name = format!("{prefix}{}", slot.name);
    let place = tensors.binary_search_by(|tensor| tensor.name.as_str().cmp(&name));
    let tensor = &tensors[place.map_err(|_| format!("it has no {name}"))?];
    if tensor.shape == slot.shape {
        Ok(&tensor.values)
    } else {
        Err(format!(
            "{name} is {:?}, and the network has {:?}",
            tensor.shape, slot.shape
        ))
    }
}

/// The metadata of the file, which contains the header.
#[derive(Serialize, Deserialize)]
struct Envelope<H> {
    format: u32,
    package: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    digest: String,
    header: H,
}

/// The metadata of files before there was an envelope.
#[derive(Deserialize)]
struct Early {
    #[serde(rename = "version")]
    _version: u32,
}

/// Writes tensors and a header to a file, atomically: the old file stays until the new one is
/// complete.
///
/// # Errors
/// [`TensorFileError::Write`], [`TensorFileError::NotFinite`] for a value that is infinite or
/// undefined, and [`TensorFileError::Unnamed`]. The old file is untouched then.
///
/// # Panics
/// If two tensors have the same name, or a tensor has more or fewer values than its shape holds.
pub fn write(
    path: &Path,
    kind: &'static str,
    header: &impl Serialize,
    tensors: &[HostTensor],
) -> Result<(), TensorFileError> {
    let path_name = path.display().to_string();
    let bytes = serialized(&path_name, kind, header, tensors, false)?;
    write_atomically(path, &bytes).map_err(|source| TensorFileError::Write {
        path: path_name,
        source,
    })
}

/// The bytes of such a file, which is called `path` in errors. With `half`, tensors are rounded to
/// half precision; those with values beyond its range stay in single precision.
///
/// # Errors
/// [`TensorFileError::NotFinite`] for a value that is infinite or undefined, and
/// [`TensorFileError::Unnamed`].
///
/// # Panics
/// As [`write()`].
pub fn serialized(
    path: &str,
    kind: &'static str,
    header: &impl Serialize,
    tensors: &[HostTensor],
    half: bool,
) -> Result<Vec<u8>, TensorFileError> {
    check_finite(path, tensors)?;
    let envelope = Envelope {
        format: FORMAT,
        package: env!("CARGO_PKG_VERSION").to_owned(),
        kind: kind.to_owned(),
        digest: String::new(),
        header,
    };
    let envelope = serde_json::to_string(&envelope).map_err(|error| TensorFileError::Unnamed {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let bytes: Vec<_> = tensors.iter().map(|tensor| tensor.bytes(half)).collect();
    let views: Vec<(&str, TensorView<'_>)> = (tensors.iter().zip(&bytes))
        .map(|(tensor, (dtype, bytes))| {
            let view = TensorView::new(*dtype, tensor.shape.clone(), bytes);
            (
                &*tensor.name,
                view.expect("as many values as the shape holds"),
            )
        })
        .collect();
    let sealed = with_digest(&envelope, "", &digest(&envelope, &views));
    let metadata = HashMap::from([(KEY.to_owned(), sealed)]);
    Ok(safetensors::serialize(views, Some(metadata)).expect("names differ"))
}

/// Reads a file of this kind: its header, and its tensors sorted by name.
///
/// # Errors
/// [`TensorFileError`]: the file cannot be read, is damaged, edited, of another kind, in a newer or
/// an older format, or holds values that are not finite.
pub fn read<H: DeserializeOwned>(
    path: &Path,
    kind: &'static str,
) -> Result<(H, Vec<HostTensor>), TensorFileError> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => parse(&name, &bytes, kind),
        Err(source) => Err(TensorFileError::Read { path: name, source }),
    }
}

/// The header and the tensors in the bytes of a file of this kind, as [`read`] gives them. Errors
/// call the file `path`.
///
/// # Errors
/// As [`read`].
pub fn parse<H: DeserializeOwned>(
    path: &str,
    bytes: &[u8],
    kind: &'static str,
) -> Result<(H, Vec<HostTensor>), TensorFileError> {
    let name = || path.to_owned();
    let damaged = |error: safetensors::SafeTensorError| TensorFileError::Damaged {
        path: name(),
        reason: error.to_string(),
    };
    let foreign = |reason: String| TensorFileError::Foreign {
        path: name(),
        kind,
        reason,
    };
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let sealed = (metadata.metadata().as_ref())
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| foreign(format!("its header has no `{KEY}`")))?;
    let parse = |error: serde_json::Error| {
        foreign(format!(
            "its header does not have the layout of this version: {error}"
        ))
    };
    // The format is checked first: this version may not understand the header of a newer one.
    if serde_json::from_str::<Early>(sealed).is_ok() {
        return Err(TensorFileError::Older { path: name() });
    }
    let outer: Envelope<serde::de::IgnoredAny> = serde_json::from_str(sealed).map_err(parse)?;
    if outer.format > FORMAT {
        return Err(TensorFileError::Newer {
            path: name(),
            format: outer.format,
            package: outer.package,
        });
    }
    if outer.kind != kind {
        return Err(foreign(format!("it is a {}", outer.kind)));
    }
    let mut views: Vec<(&str, TensorView<'_>)> = file.iter().collect();
    views.sort_by_key(|(name, _)| *name);
    let envelope = with_digest(sealed, &outer.digest, "");
    if outer.digest != digest(&envelope, &views) {
        return Err(TensorFileError::Digest { path: name() });
    }
    let outer: Envelope<H> = serde_json::from_str(sealed).map_err(parse)?;
    let tensors: Result<Vec<HostTensor>, TensorFileError> = (views.iter())
        .map(|(name, view)| {
            let values = match view.dtype() {
                Dtype::F32 => each(view.data(), f32::from_le_bytes),
                Dtype::F16 => each(view.data(), |b| f16::from_le_bytes(b).to_f32()),
                dtype => return Err(foreign(format!("{name} is {dtype:?}, not F32 or F16"))),
            };
            Ok(HostTensor {
                name: (*name).to_owned(),
                shape: view.shape().to_vec(),
                values,
            })
        })
        .collect();
    let tensors = tensors?;
    check_finite(path, &tensors)?;
    Ok((outer.header, tensors))
}

fn check_finite(path: &str, tensors: &[HostTensor]) -> Result<(), TensorFileError> {
    for tensor in tensors {
        if let Some(&value) = tensor.values.iter().find(|value| !value.is_finite()) {
            return Err(TensorFileError::NotFinite {
                path: path.to_owned(),
                name: tensor.name.clone(),
                value,
            });
        }
    }
    Ok(())
}

/// The envelope with the digest `from` replaced by `to`.
fn with_digest(envelope: &str, from: &str, to: &str) -> String {
    let entry = |digest: &str| format!("\"digest\":\"{digest}\"");
    envelope.replacen(&entry(from), &entry(to), 1)
}

/// The SHA-256 of the envelope and of the name, shape and bytes of every tensor, sorted by name.
fn digest(envelope: &str, views: &[(&str, TensorView<'_>)]) -> String {
    let mut views: Vec<&(&str, TensorView<'_>)> = views.iter().collect();
    views.sort_by_key(|(name, _)| *name);
    let mut sha = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // The length of each part is included, so that bytes cannot move from one part to the next.
        sha.update((bytes.len() as u64).to_le_bytes());
        sha.update(bytes);
    };
    part(envelope.as_bytes());
    for (name, view) in views {
        part(name.as_bytes());
        part(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        part(view.data());
    }
    hex(&sha.finalize())
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| value(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn tensors() -> Vec<HostTensor> {
        let tensor = |name: &str, shape: &[usize]| HostTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            values: (0..shape.iter().product())
                .map(|i: usize| i as f32 - 0.5)
                .collect(),
        };
        vec![tensor("a.weight", &[2, 3]), tensor("b", &[4])]
    }

    /// A folder with a file of the two tensors under the header `[1.5, 0.1]`.
    fn written() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("t.safetensors");
        write(&path, "model", &[1.5, 0.1], &tensors()).expect("a writable folder");
        (folder, path)
    }

    fn refused(path: &Path) -> String {
        let error = read::<Vec<f64>>(path, "model").expect_err("a broken file");
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    /// The bytes with one part of the header replaced by another of the same length.
    fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut places = bytes.windows(from.len());
        let at = places.position(|part| part == from.as_bytes());
        let at = at.expect("part of the header");
        let mut bytes = bytes.to_vec();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let (_folder, path) = written();
        let (header, read) = read::<Vec<f64>>(&path, "model").expect("just written");
        assert_eq!((header, read), (vec![1.5, 0.1], tensors()));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (_folder, path) = written();
        let bytes = std::fs::read(&path).expect("just written");
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).expect("a writable folder");
            if let Ok((header, tensors)) = read::<Vec<f64>>(&path, "model") {
                // The flip may only be unnoticed where it has no meaning: in padding, or in the
                // case of a letter of a key that is not read.
                assert_eq!(
                    (header, tensors),
                    (vec![1.5, 0.1], self::tensors()),
                    "bit {bit}"
                );
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_damaged() {
        let (_folder, path) = written();
        let bytes = std::fs::read(&path).expect("just written");
        for n in [0, 7, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..n]).expect("a writable folder");
            let message = refused(&path);
            assert!(
                message.contains("is damaged or not a safetensors file"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_file_of_another_kind_or_another_program_is_foreign() {
        let (_folder, path) = written();
        let error = read::<Vec<f64>>(&path, "checkpoint").expect_err("a model");
        let message = error.to_string();
        assert!(
            message.contains("is not a checkpoint of this library (it is a model)"),
            "{message}"
        );
        let none = Vec::<(String, TensorView<'_>)>::new();
        let bytes = safetensors::serialize(none, None).expect("no tensors");
        std::fs::write(&path, bytes).expect("a writable folder");
        let message = refused(&path);
        assert!(message.contains("is not a model of this library (its header has no `pyroclast`)"));
    }

    #[test]
    fn a_newer_format_is_named_with_the_version_that_wrote_it() {
        let (_folder, path) = written();
        let bytes = std::fs::read(&path).expect("just written");
        let newer = edited(&bytes, "\\\"format\\\":1", "\\\"format\\\":2");
        std::fs::write(&path, newer).expect("a writable folder");
        let message = refused(&path);
        let package = env!("CARGO_PKG_VERSION");
        let expected = format!("has format 2, written by pyroclast {package}; this version reads");
        assert!(message.contains(&expected), "{message}");
    }

    #[test]
    fn half_precision_holds_what_it_can() {
        let mut tensors = tensors();
        tensors[0].values = vec![0.1, -1.5, 2.0, 65504.0, 1e-7, 0.0];
        tensors[1].values[0] = 65520.0;
        let bytes = serialized("m", "model", &[0.5], &tensors, true).expect("finite");
        let (header, read) = parse::<Vec<f64>>("m", &bytes, "model").expect("a model");
        assert_eq!(header, [0.5]);
        // Beyond the range of half precision: untouched.
        assert_eq!(read[1], tensors[1]);
        let rounded = |v: f32| f16::from_f32(v).to_f32();
        let expected: Vec<f32> = tensors[0].values.iter().map(|v| rounded(*v)).collect();
        assert_eq!(read[0].values, expected);
        assert!((read[0].values[0] - 0.1).abs() <= 0.1 * 2f32.powi(-11));
    }

    #[test]
    fn an_edited_header_fails_the_digest() {
        let (_folder, path) = written();
        let bytes = std::fs::read(&path).expect("just written");
        std::fs::write(&path, edited(&bytes, "[1.5,0.1]", "[1.5,0.2]")).expect("a writable folder");
        let message = refused(&path);
        assert!(message.contains("do not match their digest"), "{message}");
    }

    #[test]
    fn values_that_are_not_finite_are_neither_written_nor_read() {
        let (_folder, path) = written();
        let mut tensors = tensors();
        tensors[1].values[2] = f32::NAN;
        let error = write(&path, "model", &[0.0], &tensors).expect_err("a NaN");
        assert!(error.to_string().contains("b in "), "{error}");
        read::<Vec<f64>>(&path, "model").expect("the file from before");

        let bytes: Vec<u8> = [1.0, f32::INFINITY]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let view = TensorView::new(Dtype::F32, vec![2], &bytes).expect("two values");
        let views = vec![("w", view)];
        let envelope = r#"{"format":1,"package":"0","kind":"model","digest":"","header":[]}"#;
        let sealed = with_digest(envelope, "", &digest(envelope, &views));
        let metadata = HashMap::from([(KEY.to_owned(), sealed)]);
        let bytes = safetensors::serialize(views, Some(metadata)).expect("one tensor");
        std::fs::write(&path, bytes).expect("a writable folder");
        let message = refused(&path);
        assert!(
            message.contains("w in ") && message.contains("holds inf"),
            "{message}"
        );
    }
}
