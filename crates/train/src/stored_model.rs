//! A trained model opened from disk: from the folder of a run, or from a model file.

use crate::config::{Config, ConfigError};
use crate::dataset::Loading;
use crate::latents::Latents;
use crate::learn::{Latest, Run, RunError, Weights, WeightsError};
use crate::model::Model;
use crate::model_file::{ModelError, ModelFile, ModelHeader};
use crate::network::{NetworkConfig, WithNetwork};
use crate::task::{Task, TaskError};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a stored model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredModelError {
    /// The folder does not hold a run that can be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run does not have these weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is not a model that can be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model file holds one kind of weights, and others were asked for.
    #[error(
        "{path} holds only the {found} weights, not {asked}; ask for those, or open the run that \
         it came from"
    )]
    OtherWeights {
        /// The model file.
        path: String,
        /// The weights that it holds.
        found: String,
        /// The weights that were asked for.
        asked: Weights,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The header describes a larger network than the parameters can fill.
    #[error(
        "{path} holds {found} parameters, and the network that its header describes has \
         {expected}; train it again"
    )]
    TooLarge {
        /// The run or file.
        path: String,
        /// The number of parameters that it holds.
        found: u64,
        /// The number of parameters of the network.
        expected: u64,
    },
    /// Only the program that trained the network can build it.
    #[error("{0} holds a network that only the program that trained it can build; load it there")]
    OwnNetwork(String),
    /// The data cannot be loaded.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The model was trained on data in the memory of a program.
    #[error("{0} does not record where its data is; evaluate it in the program that trained it")]
    NoData(String),
    /// The data now has samples of another shape than the model.
    #[error(
        "{data} now has samples of shape {found:?}, but the model was trained on {expected:?}; \
         restore the data, or train again"
    )]
    OtherShape {
        /// The name of the data.
        data: String,
        /// The shape of its samples.
        found: Vec<usize>,
        /// The shape of the model's samples.
        expected: Vec<usize>,
    },
    /// The conditions of the data are now of another kind or size than those of the model.
    #[error(
        "{data} now has conditions that are {found}, but the model was trained on {expected}; \
         restore the file of conditions, or train again"
    )]
    OtherCondition {
        /// The name of the data.
        data: String,
        /// The conditions that there are.
        found: String,
        /// The conditions of the model.
        expected: String,
    },
}

/// A trained model in the folder of a run, or in a file.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::noise::Noise;
/// use pyroclast_models::{Init, MlpConfig};
/// use pyroclast_train::config::Config;
/// use pyroclast_train::learn::{Run, Weights};
/// use pyroclast_train::stored_model::StoredModel;
/// use pyroclast_train::task::Task;
///
/// // Train for two steps.
/// let config = Config::load("moons", &["training.batch=8".into(), "data.size=50".into()])?;
/// let (device, noise) = (Default::default(), Noise::new(0));
/// let network = MlpConfig::new(2).init(&mut Init::<Autodiff<NdArray>>::new(noise, &device));
/// let mut trainer = config.trainer(network, Task::load(&config.data, noise)?, &device);
/// let folder = tempfile::tempdir()?;
/// let run = Run::create(&folder.path().join("moons"), Some(&config.to_toml()))?;
/// trainer.run(2, &mut config.recorder(&run, ()))?;
///
/// // Open the run, perhaps in another process, and export the model to one file.
/// let stored = StoredModel::open(run.folder(), Weights::Ema)?;
/// assert_eq!(stored.header().about.step, 2);
/// assert_eq!(stored.config().data, config.data);
/// let file = folder.path().join("moons.safetensors");
/// stored.file()?.save(&file)?;
///
/// // The file opens in the same way.
/// let stored = StoredModel::open(&file, Weights::Ema)?;
/// assert!(stored.is_trained_on(&stored.task()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// A computation on a model with a network of any type: a closure, if closures could be generic.
pub trait WithModel<B: AutodiffBackend> {
    /// The result of the computation.
    type Output;

    /// Runs the computation. The model is on the autodiff backend;
    /// [`Flow::valid`](pyroclast_core::flow::Flow::valid) moves it to the inner one.
    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>;
}

impl StoredModel {
    /// Opens a model file, or the newest checkpoint of the run in this folder, and checks it.
    ///
    /// # Errors
    /// [`StoredModelError`]: there is neither a run nor a model, it is damaged, or the file holds
    /// other weights.
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

    /// A model file that has not been saved; messages call it `path`.
    ///
    /// # Errors
    /// [`StoredModelError::Model`] if its header cannot be used.
    pub fn of_file(file: ModelFile, path: &Path) -> Result<Self, StoredModelError> {
        if let Some(reason) = file.header().problem() {
            let path = path.display().to_string();
            return Err(ModelError::Header { path, reason }.into());
        }
        Ok(Self {
            path: path.to_owned(),
            weights: Weights::default(),
            place: Place::File(file),
        })
    }

    /// The path, the objective, the data and the network of the model.
    pub fn header(&self) -> &ModelHeader {
        match &self.place {
            Place::Run(_, latest) => latest.header(),
            Place::File(file) => file.header(),
        }
    }

    /// The number of parameters that the model has at least; a checkpoint also holds averages.
    pub fn parameters(&self) -> u64 {
        match &self.place {
            Place::Run(_, latest) => latest.parameters(),
            Place::File(file) => file.parameters(),
        }
    }

    /// The configuration that the model's header records ([`Config::of_model`]).
    pub fn config(&self) -> Config {
        Config::of_model(self.header())
    }

    /// The run, if the model is in one.
    pub fn run(&self) -> Option<&Run> {
        match &self.place {
            Place::Run(run, _) => Some(run),
            Place::File(_) => None,
        }
    }

    /// The name of the weights that it loads, such as `ema` or `power:0.1`.
    pub fn weights(&self) -> String {
        match &self.place {
            Place::Run(..) => self.weights.to_string(),
            Place::File(file) => file.weights().to_owned(),
        }
    }

    /// The latents that it is a model of, if it is one of latents.
    ///
    /// # Errors
    /// [`StoredModelError::Weights`] if the run lacks the autoencoder, or it is damaged.
    pub fn latents(&self) -> Result<Option<Arc<Latents>>, StoredModelError> {
        match &self.place {
            Place::Run(_, latest) => Ok(latest.latents()?),
            Place::File(file) => Ok(Latents::of_file(file)),
        }
    }

    /// The model as a file, ready to be saved.
    ///
    /// # Errors
    /// [`StoredModelError::Weights`] if the run does not have these weights.
    pub fn file(self) -> Result<ModelFile, StoredModelError> {
        match self.place {
            Place::Run(_, latest) => Ok(latest.file(self.weights)?),
            Place::File(file) => Ok(file),
        }
    }

    /// A task with the names, shape and scaling of the data but no samples: all that sampling
    /// needs.
    pub fn task_without_data(&self) -> Task {
        let data = &self.header().about.data;
        Task::new(
            data.without_samples(),
            data.without_samples(),
            data.scaling.clone(),
        )
    }

    /// Loads the data to evaluate the model on, on the model's scale.
    ///
    /// A file may have changed since: [`StoredModel::is_trained_on`] compares it with the data of
    /// the training.
    ///
    /// # Errors
    /// [`StoredModelError`]: the model does not record where its data is, the data cannot be
    /// loaded, or its samples have another shape.
    pub fn task(&self) -> Result<Task, StoredModelError> {
        self.task_by(&Loading::default())
    }

    /// As [`StoredModel::task`], with a folder for decoded pictures and a report of the progress.
    ///
    /// # Errors
    /// As [`StoredModel::task`].
    pub fn task_by(&self, loading: &Loading<'_>) -> Result<Task, StoredModelError> {
        let about = &self.header().about;
        let Some(section) = &about.data.section else {
            let path = self.path.display().to_string();
            return Err(StoredModelError::NoData(path));
        };
        let task = Task::load_by(section, Noise::new(about.seed), loading)?;
        let (found, expected) = (&task.training.shape, &about.data.shape);
        // An imported autoencoder has no size of its own.
        let is_autoencoder = about
            .network
            .as_ref()
            .is_some_and(NetworkConfig::is_autoencoder);
        let has_any_size = is_autoencoder && about.origin.is_some();
        if found != expected && !has_any_size {
            return Err(StoredModelError::OtherShape {
                data: section.name.clone(),
                found: found.clone(),
                expected: expected.clone(),
            });
        }
        let (found, expected) = (task.training.conditions(), about.data.conditions());
        if let Some(expected) = expected.beside.filter(|_| found.beside != expected.beside) {
            return Err(StoredModelError::OtherCondition {
                data: section.name.clone(),
                found: found.beside.map_or("none".into(), |kind| kind.to_string()),
                expected: expected.to_string(),
            });
        }
        let task = task.conditioned_as(about.data.condition.as_ref());
        Ok(task.rescaled(&about.data.scaling))
    }

    /// Whether this is the data that the model was trained on, judged by its digest; true if the
    /// model has no record of that.
    pub fn is_trained_on(&self, task: &Task) -> bool {
        let digest = self.header().about.data.digest.as_ref();
        digest.is_none_or(|digest| *digest == task.digest())
    }

    /// Builds the network, loads the weights into it, and passes the model to `user`.
    ///
    /// # Errors
    /// [`StoredModelError`]: only the program that trained the network can build it, the
    /// configuration does not fit the data, or the run does not have these weights.
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
        let (shape, conditions) = (about.state_shape(), about.data.conditions());
        let architecture = self.config().architecture(shape, conditions)?;
        // Before the network is allocated: the header of a stranger's file may ask for any size.
        let found = self.parameters();
        let expected = architecture.size().parameters;
        if expected > found {
            let path = self.path.display().to_string();
            return Err(StoredModelError::TooLarge {
                path,
                found,
                expected,
            });
        }
        let mut init = Init::new(Noise::new(0), device);
        architecture.build(&mut init, Loader { stored: self, user })
    }
}

/// Loads the stored weights into a new network and passes the model on.
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
            Place::File(file) => Model::of_file::<B>(file, network)?,
        };
        Ok(self.user.with::<N, D>(model))
    }
}
