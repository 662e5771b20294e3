//! Encoding a task once: the moments of all pictures in a file, read by position.
//!
//! `x ↦ (μ(x), s(x))` of each picture, and of its mirror image where pictures are mirrored
//!
//! The file is named by a digest of the data, of the autoencoder, and of what is encoded, so a
//! change of either makes another one.

use super::{Codec, LatentError, LatentInfo, Latents, latent_shape};
use crate::atomic_file;
use crate::dataset::{Dataset, Loading, Moments, Posterior, Scaling};
use crate::digest::hex;
use crate::model_file::ModelFile;
use crate::rows::chunks;
use crate::task::Task;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_data::Pixels;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pictures that are encoded at a time.
const ROWS: usize = 64;
/// Grows with every change of what a file holds.
const VERSION: u32 = 1;

/// The task of learning the latents of a task's pictures, with `mirrors` those of the mirror images
/// too.
///
/// The pictures are encoded once, into files in the folder of decoded pictures; later calls only
/// open them. The shift and the scale are those of latents as they are trained on: the mean of μ,
/// and the root of `Var(μ) + E[s²]` over the training part, or of `Var(μ)` where modes are.
///
/// # Errors
/// [`LatentError`]: the model is no autoencoder, the pictures do not suit it, or a file cannot be
/// written.
pub fn encode<B: Backend>(
    task: &Task,
    autoencoder: Arc<ModelFile>,
    (mirrors, posterior): (bool, Posterior),
    loading: &Loading<'_>,
    device: &B::Device,
) -> Result<Task, LatentError> {
    let shape = latent_shape(&autoencoder, &task.training.shape)?;
    let codec = Codec::<B>::load(&autoencoder, device)?;
    let key = key(task, &autoencoder, mirrors);
    let total = task.training.len() + task.validation.len();
    let mut files = Vec::new();
    let mut done = 0;
    for (part, dataset) in [("training", &task.training), ("held-out", &task.validation)] {
        let path = loading.cache.join(format!("{key}-{part}.latents"));
        let pixels = match open(&path, dataset.len(), shape, mirrors) {
            Some(pixels) => pixels,
            None => {
                let seen = &mut |n| (loading.progress)(done + n, Some(total));
                write(&path, &codec, dataset, mirrors, seen, device)?;
                open(&path, dataset.len(), shape, mirrors).ok_or_else(|| LatentError::Io {
                    path: path.display().to_string(),
                    source: io::Error::other("it changed while it was written"),
                })?
            }
        };
        done += dataset.len();
        files.push(pixels);
    }
    let [held_out, training] = [files.pop(), files.pop()].map(|file| file.expect("two parts"));
    let dim = shape.iter().product();
    let scale = measured(&training, dim, posterior)?;
    let latents = |dataset: &Dataset, pixels: Pixels, part: &str| {
        let moments = Moments::new(pixels, dim, scale, posterior, &format!("{key}-{part}"));
        dataset.as_latents(moments, shape.to_vec())
    };
    let (training, held_out) = (
        latents(&task.training, training, "training"),
        latents(&task.validation, held_out, "held-out"),
    );
    let [shift, scale] = scale;
    let scaling = Scaling::affine_of(vec![shift], vec![scale]);
    let latents = Latents {
        info: LatentInfo {
            shape,
            shift,
            scale,
        },
        autoencoder,
        pixels: task.info(),
    };
    let condition = task.condition.clone();
    let mut task = Task::new(training, held_out, scaling);
    task.latents = Some(Arc::new(latents));
    task.condition = condition;
    Ok(task)
}

fn key(task: &Task, autoencoder: &ModelFile, mirrors: bool) -> String {
    let mut sha = Sha256::new();
    let network = &autoencoder.header().about.network;
    sha.update(format!(
        "{VERSION} {mirrors} {network:?} {}\n",
        task.digest()
    ));
    for tensor in autoencoder.tensors() {
        sha.update(format!("{} {:?}\n", tensor.name, tensor.shape));
        for value in &tensor.values {
            sha.update(value.to_le_bytes());
        }
    }
    hex(&sha.finalize()[..16])
}

/// Bytes of a row.
fn width(shape: [usize; 3], mirrors: bool) -> usize {
    let views = if mirrors { 2 } else { 1 };
    views * 2 * size_of::<f32>() * shape.iter().product::<usize>()
}

fn open(path: &PathBuf, rows: usize, shape: [usize; 3], mirrors: bool) -> Option<Pixels> {
    let width = width(shape, mirrors);
    match rows {
        0 => Some(Pixels::in_memory(Vec::new(), width)),
        rows => Pixels::open(path, width, rows),
    }
}

fn write<B: Backend>(
    path: &Path,
    codec: &Codec<B>,
    dataset: &Dataset,
    mirrors: bool,
    seen: &mut dyn FnMut(usize),
    device: &B::Device,
) -> Result<(), LatentError> {
    let io = |source| LatentError::Io {
        path: path.display().to_string(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let mut infinite = 0;
    let written = atomic_file::replace(path, |file| {
        for first in (0..dataset.len()).step_by(ROWS) {
            let rows: Vec<usize> = (first..dataset.len().min(first + ROWS)).collect();
            let values = dataset.gather(&rows);
            let nothing = Given::nothing();
            let chunk = chunks::<B, 4>(&values, &dataset.shape, &nothing, ROWS, device).next();
            let x = chunk.expect("at least one row").x;
            let mut views = codec.encode(x.clone()).to_vec();
            if mirrors {
                views.extend(codec.encode(x.flip([3])));
            }
            let moments = Tensor::cat(views, 1).into_data().convert::<f32>();
            let moments = moments.into_vec::<f32>().expect("converted just now");
            infinite += moments.iter().filter(|value| !value.is_finite()).count();
            for value in moments {
                file.write_all(&value.to_le_bytes())?;
            }
            seen(first + rows.len());
        }
        match infinite {
            0 => Ok(()),
            _ => Err(io::Error::other("a latent is not finite")),
        }
    });
    match infinite {
        0 => written.map_err(io),
        n => Err(LatentError::NotFinite(n)),
    }
}

/// The mean and the standard deviation of all numbers of latents as they are trained on, of the
/// pictures as they are.
fn measured(pixels: &Pixels, dim: usize, posterior: Posterior) -> Result<[f64; 2], LatentError> {
    let mut bytes = vec![0; pixels.width()];
    let (mut sum, mut squares) = (0.0, 0.0);
    for row in 0..pixels.len() {
        (pixels.read(row, &mut bytes)).map_err(|source| LatentError::Io {
            path: "the latents".to_owned(),
            source,
        })?;
        let number = |i: usize| {
            f64::from(f32::from_le_bytes(std::array::from_fn(|k| {
                bytes[4 * i + k]
            })))
        };
        for i in 0..dim {
            let (mean, deviation) = (number(i), posterior.spread(number(dim + i)));
            sum += mean;
            squares += mean * mean + deviation * deviation;
        }
    }
    let n = (pixels.len() * dim) as f64;
    let mean = sum / n;
    let deviation = (squares / n - mean * mean).max(0.0).sqrt();
    match mean.is_finite() && deviation > 0.0 && deviation.is_finite() {
        true => Ok([mean, deviation]),
        false => Err(LatentError::NotFinite(pixels.len())),
    }
}
