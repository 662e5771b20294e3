//! The pairs of a teacher, for rectified flows and for Markovian fitting.
//!
//! `(x0, x1)` with `x1` the end of the teacher's ODE from `x0`; for Markovian fitting the end of its
//! SDE from `x0`, or `x0` that of the SDE backward from the data `x1`
//!
//! Source: Liu, Gong & Liu 2023 (rectified flow), algorithm 1; Shi et al. 2023 (diffusion Schrödinger
//! bridge matching), algorithm 1. Of k rounds, the teacher of each is the model of the one before.

use crate::draw::{MethodName, Plan, SampleError, Stepping, sample};
use crate::learn::Pairs;
use crate::model::Model;
use crate::model_file::ModelFile;
use crate::model_file::tensor_file::{self, HostTensor, TensorFileError};
use crate::stored_model::{StoredModel, StoredModelError, WithModel};
use crate::task::Task;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::few_step::{FewStep, PairStart};
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_core::path::Path as RandomPath;
use pyroclast_core::reverse_sde::{BackwardSde, NoiseLevel};
use pyroclast_core::shown::shown;
use pyroclast_solvers::{Control, EulerMaruyama, Increments, TimeGrid, integrate};
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
    /// The teacher has no SDE on the bridges of this training.
    #[error(
        "few-step.method = {method} simulates the SDE of its teacher, and {name} has not learned the \
         score of bridges of this scale; train it with objective.prediction=velocity-and-score and \
         the same path.gamma"
    )]
    OtherBridge {
        /// The training.
        method: FewStep,
        /// The teacher.
        name: String,
    },
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

/// Checks that a teacher, which messages call `name`, can make the pairs of a training on this path.
///
/// # Errors
/// [`ReflowError::OtherBridge`] if the training simulates an SDE that the teacher does not have.
pub fn check(
    teacher: &ModelFile,
    name: &str,
    method: FewStep,
    path: &RandomPath,
) -> Result<(), ReflowError> {
    let header = teacher.header();
    let knows = header.objective.prediction.learns_score() && header.path.gamma == path.gamma;
    if knows || !matches!(method, FewStep::MarkovianFitting { .. }) {
        return Ok(());
    }
    Err(ReflowError::OtherBridge {
        method,
        name: shown(name),
    })
}

/// The pairs of a training: by an adaptive solve of the teacher's ODE, with relative and absolute
/// tolerances of 10⁻⁵, or by as many steps of its SDE as Markovian fitting says; under conditions
/// like those of the data.
///
/// They are kept in files of the folder, so that a second call reads them, and one after an
/// interruption goes on. `seen` is told how many there are.
///
/// # Errors
/// [`ReflowError`].
///
/// # Panics
/// If the training takes no pairs.
pub fn pairs<B: Backend>(
    teacher: &ModelFile,
    task: &Task,
    method: FewStep,
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
        method,
        n: method.pairs().expect("a training on pairs"),
        seed,
        folder,
        device,
        seen,
    };
    stored.with_model::<Autodiff<B>, _>(device, job)?
}

struct Job<'a, B: Backend> {
    task: &'a Task,
    method: FewStep,
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
        let data = &self.task.training;
        let mut pairs = Pairs {
            x0: Vec::with_capacity(self.n * dim),
            x1: Vec::with_capacity(self.n * dim),
            given: data.spread(self.n),
            dim,
        };
        let backward = match self.method {
            FewStep::MarkovianFitting {
                start: PairStart::Data,
                steps,
                ..
            } => Some(steps),
            _ => None,
        };
        let all_rows = backward.map(|_| data.spread_rows(self.n));
        let source = &flow.path.source;
        let mut parts = source.for_sampling_in_parts(self.n, dim, noise, 0, ROWS);
        for (k, first) in (0..self.n).step_by(ROWS).enumerate() {
            let header = Header {
                first,
                rows: ROWS.min(self.n - first),
                seed: self.seed,
            };
            let rows = first..first + header.rows;
            let start = match &all_rows {
                None => parts.next().expect("points for every row"),
                Some(all) => data.drawn(&all[rows.clone()], 0..rows.len(), false, noise, k as u64),
            };
            let path = self.folder.join(format!("{k:05}.safetensors"));
            let given = pairs.given.slice(rows);
            let end = match (path.exists(), backward) {
                (true, _) => read(&path, &header, dim)?,
                (false, None) => {
                    let plan = self.plan(first);
                    let unseen = &mut |_, _, _: &_| {};
                    sample(&flow, &start, shape, &given, &plan, self.device, unseen)?.values
                }
                (false, Some(steps)) => {
                    let brownian = Increments {
                        noise,
                        first: 1 + ((first as u64) << 32),
                    };
                    back::<B, _, D>(&flow, &start, shape, &given, steps, brownian, self.device)?
                }
            };
            if !path.exists() {
                let tensor = HostTensor {
                    name: "end".to_owned(),
                    shape: vec![header.rows, dim],
                    values: end.clone(),
                };
                tensor_file::write(&path, KIND, &header, &[tensor])?;
            }
            let [x0, x1] = match backward {
                None => [start, end],
                Some(_) => [end, start],
            };
            pairs.x0.extend(x0);
            pairs.x1.extend(x1);
            (self.seen)(pairs.len());
        }
        Ok(pairs)
    }
}

impl<B: Backend> Job<'_, B> {
    /// How source points are carried to data, for pairs from this one on.
    fn plan(&self, first: usize) -> Plan {
        match self.method {
            FewStep::MarkovianFitting { steps, .. } => Plan {
                first_row: first,
                ..Plan::new(MethodName::EULER_MARUYAMA, steps, self.seed)
            },
            _ => Plan {
                stepping: Stepping::Adaptive(Control {
                    atol: 1e-5,
                    ..Control::default()
                }),
                ..Plan::new(MethodName::DOPRI5, 1, self.seed)
            },
        }
    }
}

/// Data carried back to noise, by steps of the SDE of the model's own bridges.
fn back<B, N, const D: usize>(
    flow: &Flow<N>,
    x1: &[f32],
    shape: &[usize],
    given: &Given,
    steps: usize,
    brownian: Increments,
    device: &B::Device,
) -> Result<Vec<f32>, ReflowError>
where
    B: Backend,
    N: Network<B, D>,
{
    let condition = N::Condition::upload(given, device);
    let sde = BackwardSde {
        field: flow.given(&condition),
        noise_level: NoiseLevel::Constant(flow.path.gamma.scale()),
    };
    let mut dims = [x1.len() / shape.iter().product::<usize>(); D];
    dims[1..].copy_from_slice(shape);
    let x1 = Tensor::from_data(TensorData::new(x1.to_vec(), dims), device);
    let grid = TimeGrid::uniform(0.0, 1.0, steps);
    let x0 = integrate(&sde, &EulerMaruyama { brownian }, x1, &grid);
    let x0 = x0.into_data().convert::<f32>().into_vec::<f32>();
    let x0 = x0.expect("converted to f32 just now");
    match x0.iter().filter(|x| !x.is_finite()).count() {
        0 => Ok(x0),
        lost => Err(SampleError::NotFinite(lost).into()),
    }
}

fn read(path: &Path, expected: &Header, dim: usize) -> Result<Vec<f32>, ReflowError> {
    let (header, mut tensors) = tensor_file::read::<Header>(path, KIND)?;
    match tensors.pop() {
        Some(end) if header == *expected && end.shape == [header.rows, dim] => Ok(end.values),
        _ => Err(ReflowError::Other(path.display().to_string())),
    }
}
