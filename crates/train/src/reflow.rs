//! The pairs of a teacher, for rectified flows.
//!
//! `(x0, x1)` with `x1` the end of the teacher's ODE from `x0`
//!
//! Source: Liu, Gong & Liu 2023 (rectified flow), algorithm 1. Of k rounds, the teacher of each is
//! the model of the one before.

use crate::draw::{MethodName, Plan, SampleError, Stepping, sample};
use crate::learn::Pairs;
use crate::model::tensor_file::{self, HostTensor, TensorFileError};
use crate::model::{Model, ModelFile};
use crate::stored_model::{StoredModel, StoredModelError, WithModel};
use crate::task::Task;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_solvers::Control;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Pairs in a file: what an interruption may lose.
const ROWS: usize = 512;
/// The kind of the files.
const KIND: &str = "pairs";

/// Why there are no pairs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReflowError {
    /// The teacher cannot be loaded.
    #[error(transparent)]
    Stored(#[from] StoredModelError),
    /// The teacher's ODE cannot be solved.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A file of pairs cannot be read or written.
    #[error("{0}; without the file, its pairs are made again")]
    File(#[from] TensorFileError),
    /// A file of pairs is of another training.
    #[error("{0} has other pairs than this training asks for; remove it, and they are made again")]
    Other(String),
    /// The folder cannot be made.
    #[error("cannot make {path}: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What a file of pairs says of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    first: usize,
    rows: usize,
    seed: u64,
}

/// `n` pairs by an adaptive solve of the teacher's ODE, with relative and absolute tolerances of
/// 10⁻⁵, under conditions like those of the data.
///
/// They are kept in files of the folder, so that a second call reads them, and one after an
/// interruption goes on. `seen` is told how many there are.
///
/// # Errors
/// [`ReflowError`].
pub fn pairs<B: Backend>(
    teacher: &ModelFile,
    task: &Task,
    n: usize,
    seed: u64,
    folder: &Path,
    device: &B::Device,
    seen: &mut dyn FnMut(usize),
) -> Result<Pairs, ReflowError> {
    std::fs::create_dir_all(folder).map_err(|source| ReflowError::Folder {
        path: folder.display().to_string(),
        source,
    })?;
    let stored = StoredModel::of_file(teacher.clone(), Path::new(teacher.path()))?;
    let job = Job {
        task,
        n,
        seed,
        folder,
        device,
        seen,
    };
    stored.with_model::<Autodiff<B>, _>(device, job)?
}

struct Job<'a, B: Backend> {
    task: &'a Task,
    n: usize,
    seed: u64,
    folder: &'a Path,
    device: &'a B::Device,
    seen: &'a mut dyn FnMut(usize),
}

impl<B: Backend> WithModel<Autodiff<B>> for Job<'_, B> {
    type Output = Result<Pairs, ReflowError>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let flow = model.flow.valid::<Autodiff<B>>();
        let (shape, dim) = (model.about.state_shape(), model.about.state_dim());
        let noise = Noise::new(self.seed).fork("pairs");
        let given = self.task.training.spread(self.n);
        let mut pairs = Pairs {
            x0: Vec::with_capacity(self.n * dim),
            x1: Vec::with_capacity(self.n * dim),
            given,
            dim,
        };
        let source = &flow.path.source;
        let parts = source.for_sampling_in_parts(self.n, dim, noise, 0, ROWS);
        for (k, x0) in parts.enumerate() {
            let header = Header {
                first: k * ROWS,
                rows: x0.len() / dim,
                seed: self.seed,
            };
            let path = self.folder.join(format!("{k:05}.safetensors"));
            let x1 = match path.exists() {
                true => read(&path, &header, dim)?,
                false => {
                    let rows = header.first..header.first + header.rows;
                    let given = pairs.given.slice(rows);
                    let plan = Plan {
                        stepping: Stepping::Adaptive(Control {
                            atol: 1e-5,
                            ..Control::default()
                        }),
                        ..Plan::new(MethodName::DOPRI5, 1, self.seed)
                    };
                    let unseen = &mut |_, _, _: &_| {};
                    let x1 = sample(&flow, &x0, shape, &given, &plan, self.device, unseen)?.values;
                    let tensor = HostTensor {
                        name: "x1".to_owned(),
                        shape: vec![header.rows, dim],
                        values: x1.clone(),
                    };
                    tensor_file::write(&path, KIND, &header, &[tensor])?;
                    x1
                }
            };
            pairs.x0.extend(x0);
            pairs.x1.extend(x1);
            (self.seen)(pairs.len());
        }
        Ok(pairs)
    }
}

fn read(path: &Path, expected: &Header, dim: usize) -> Result<Vec<f32>, ReflowError> {
    let (header, mut tensors) = tensor_file::read::<Header>(path, KIND)?;
    match tensors.pop() {
        Some(x1) if header == *expected && x1.shape == [header.rows, dim] => Ok(x1.values),
        _ => Err(ReflowError::Other(path.display().to_string())),
    }
}
