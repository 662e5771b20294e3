//! A trained model where it is stored, whatever that is: the folder of a run, or a model's file.

use crate::config::{Config, ConfigError};
use crate::learn::{Latest, Run, RunError, Weights, WeightsError};
use crate::model::{Model, ModelError, ModelFile, ModelHeader};
use crate::network::WithNetwork;
use crate::task::{Task, TaskError};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;
use std::path::{Path, PathBuf};

/// Why a stored model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredModelError {
    /// The folder is not that of a run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run does not have these weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is not that of a model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file of a model holds one kind of weights.
    #[error("{path} holds the {found} weights alone, not {asked}; ask for those, or read the run")]
    OtherWeights {
        /// The file.
        path: String,
        /// What it holds.
        found: String,
        /// What was asked for.
        asked: Weights,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Only the program that trained the network can build it.
    #[error("{0} holds a network of a program's own; load it in that program")]
    OwnNetwork(String),
    /// The data cannot be loaded.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The data was made by a program.
    #[error("{0} does not say where its data is: it was trained by a program of its own")]
    NoData(String),
    /// The data has changed so much that the model cannot be scored on it.
    #[error("{data} now has samples of shape {found:?}, and the model was trained on {expected:?}")]
    OtherShape {
        /// The data.
        data: String,
        /// Its shape.
        found: Vec<usize>,
        /// That of the model.
        expected: Vec<usize>,
    },
}

/// A trained model in the folder of a run or in a file of its own.
#[derive(Debug)]
pub struct StoredModel {
    path: PathBuf,
    weights: Weights,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Run(Run, Latest),
    File(ModelFile),
}

/// Something to do with a model, whatever its network is.
pub trait WithModel<B: AutodiffBackend> {
    /// What comes of it.
    type Output;

    /// Does it. The model is on the autodiff backend; [`Flow::valid`](pyroclast_core::flow::Flow::valid)
    /// takes it off.
    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>;
}

impl StoredModel {
    /// Reads and checks what is at this path.
    ///
    /// # Errors
    /// [`StoredModelError`]: there is neither a run nor a model, or not these weights.
    pub fn open(path: &Path, weights: Weights) -> Result<Self, StoredModelError> {
        let place = if path.is_file() {
            let file = ModelFile::open(path)?;
            if weights != Weights::default() && weights.to_string() != file.weights() {
                return Err(StoredModelError::OtherWeights {
                    path: path.display().to_string(),
                    found: file.weights().to_owned(),
                    asked: weights,
                });
            }
            Place::File(file)
        } else {
            let run = Run::open(path)?;
            Place::Run(run.clone(), Latest::read(run)?)
        };
        Ok(Self {
            path: path.to_owned(),
            weights,
            place,
        })
    }

    /// What is known about the model.
    pub fn header(&self) -> &ModelHeader {
        match &self.place {
            Place::Run(_, latest) => latest.header(),
            Place::File(file) => file.header(),
        }
    }

    /// As much of a configuration as the model says.
    pub fn config(&self) -> Config {
        Config::of_model(self.header())
    }

    /// The run, where it is in one.
    pub fn run(&self) -> Option<&Run> {
        match &self.place {
            Place::Run(run, _) => Some(run),
            Place::File(_) => None,
        }
    }

    /// Which weights it gives, by name.
    pub fn weights(&self) -> String {
        match &self.place {
            Place::Run(..) => self.weights.to_string(),
            Place::File(file) => file.weights().to_owned(),
        }
    }

    /// The model as one file.
    ///
    /// # Errors
    /// If the run does not have these weights.
    pub fn file(self) -> Result<ModelFile, StoredModelError> {
        match self.place {
            Place::Run(_, latest) => Ok(latest.file(self.weights)?),
            Place::File(file) => Ok(file),
        }
    }

    /// The names, shape and scaling of the data, without the data: all that sampling takes.
    pub fn task_without_data(&self) -> Task {
        let data = &self.header().about.data;
        Task::new(
            data.without_samples(),
            data.without_samples(),
            data.scaling.clone(),
        )
    }

    /// The data to score the model against, on the model's scale. [`StoredModel::is_trained_on`] says
    /// whether it is the data that the model was trained on.
    ///
    /// # Errors
    /// If the model does not say where its data is, it cannot be loaded, or its samples have another
    /// shape.
    pub fn task(&self) -> Result<Task, StoredModelError> {
        let about = &self.header().about;
        let Some(section) = &about.data.section else {
            let path = self.path.display().to_string();
            return Err(StoredModelError::NoData(path));
        };
        let task = Task::load(section, Noise::new(about.seed))?;
        let (found, expected) = (&task.training.shape, &about.data.shape);
        if found != expected {
            return Err(StoredModelError::OtherShape {
                data: section.name.clone(),
                found: found.clone(),
                expected: expected.clone(),
            });
        }
        Ok(task.rescaled(&about.data.scaling))
    }

    /// Whether this is the data that the model was trained on, by its digest; true where the model
    /// does not say.
    pub fn is_trained_on(&self, task: &Task) -> bool {
        let digest = self.header().about.data.digest.as_ref();
        digest.is_none_or(|digest| *digest == task.digest())
    }

    /// Builds the network, loads the weights into it, and hands the model on.
    ///
    /// # Errors
    /// If the network is one of a program's own, cannot be built, or the run does not have these
    /// weights.
    pub fn with_model<B, W>(
        &self,
        device: &B::Device,
        user: W,
    ) -> Result<W::Output, StoredModelError>
    where
        B: AutodiffBackend,
        W: WithModel<B>,
    {
        let about = &self.header().about;
        if about.network.is_none() {
            let path = self.path.display().to_string();
            return Err(StoredModelError::OwnNetwork(path));
        }
        let (shape, classes) = (&about.data.shape, about.data.classes.len());
        let architecture = self.config().architecture(shape, classes)?;
        let mut init = Init::new(Noise::new(0), device);
        architecture.build(&mut init, Loader { stored: self, user })
    }
}

/// Fills a network with the stored weights on its way to the user.
struct Loader<'a, W> {
    stored: &'a StoredModel,
    user: W,
}

impl<B: AutodiffBackend, W: WithModel<B>> WithNetwork<B> for Loader<'_, W> {
    type Output = Result<W::Output, StoredModelError>;

    fn with<N, const D: usize>(self, network: N) -> Self::Output
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let model = match &self.stored.place {
            Place::Run(_, latest) => latest.model::<B, N>(self.stored.weights, network)?,
            Place::File(file) => file.model::<B, N>(network)?,
        };
        Ok(self.user.with::<N, D>(model))
    }
}
