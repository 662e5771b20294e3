//! A trained model, read from its run or from one file, and handed to whoever uses it.

use crate::Usage;
use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;
use pyroclast_train::about::ModelHeader;
use pyroclast_train::config::{Architecture, Config};
use pyroclast_train::dataset::Dataset;
use pyroclast_train::ema::{Averaged, AveragedError, Latest};
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::run::Run;
use pyroclast_train::task::Task;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a model is read from.
pub(crate) struct StoredModel {
    path: PathBuf,
    config: Config,
    weights: Averaged,
    place: Place,
}

enum Place {
    /// The folder of a run.
    Run(Run, Latest),
    /// A file that holds a model and nothing else.
    File(ModelFile),
}

impl StoredModel {
    /// Reads what is at this path: the folder of a run, or a file of a model.
    pub(crate) fn open(path: &Path, weights: Averaged) -> Result<Self> {
        let (config, place) = if path.is_file() {
            let file = ModelFile::open(path)?;
            if weights != Averaged::default() && weights.to_string() != file.weights() {
                bail!(Usage(format!(
                    "{} holds the {} weights alone; leave --weights out, or give the run",
                    path.display(),
                    file.weights()
                )));
            }
            (file.header().config(), Place::File(file))
        } else {
            let (run, config) = Run::open(path)?;
            let latest = Latest::read(run.clone())?;
            (config, Place::Run(run, latest))
        };
        Ok(Self {
            path: path.to_owned(),
            config,
            weights,
            place,
        })
    }

    /// The configuration of the run, or as much of it as the file says.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What is known about the model.
    pub(crate) fn header(&self) -> &ModelHeader {
        match &self.place {
            Place::Run(_, latest) => latest.header(),
            Place::File(file) => file.header(),
        }
    }

    /// Where a report goes unless another place is asked for: into the run, or into the current
    /// folder where there is none.
    pub(crate) fn folder(&self) -> PathBuf {
        match &self.place {
            Place::Run(run, _) => run.folder().to_owned(),
            Place::File(_) => PathBuf::new(),
        }
    }

    /// Where pictures of samples go unless another place is asked for.
    pub(crate) fn samples(&self) -> PathBuf {
        match &self.place {
            Place::Run(run, _) => run.samples(),
            Place::File(_) => PathBuf::new(),
        }
    }

    /// Which weights it gives, by name.
    pub(crate) fn weights(&self) -> String {
        match &self.place {
            Place::Run(..) => self.weights.to_string(),
            Place::File(file) => file.weights().to_owned(),
        }
    }

    /// The names, shape and scaling of the data, without the data: all that sampling takes.
    pub(crate) fn task_without_data(&self) -> Task {
        let data = &self.header().about.data;
        Task::new(
            data.without_samples(),
            data.without_samples(),
            data.scaling.clone(),
        )
    }

    /// The data to score the model against, on the model's scale. A word is said where it is not the
    /// data that the model was trained on.
    pub(crate) fn task(&self) -> Result<Task> {
        let ModelHeader { about, .. } = self.header();
        let Some(section) = &about.data.section else {
            bail!(
                "{} does not say where its data is: it was trained by a program of its own",
                self.path.display()
            );
        };
        let task = Task::load(section, Noise::new(about.seed))?;
        let (found, expected) = (&task.training.shape, &about.data.shape);
        if found != expected {
            bail!(
                "{} now has samples of shape {found:?}, and the model was trained on {expected:?}",
                section.name
            );
        }
        if about
            .data
            .digest
            .as_ref()
            .is_some_and(|digest| *digest != task.digest())
        {
            eprintln!(
                "note: {} is not the data that {} was trained on",
                section.name,
                self.path.display()
            );
        }
        Ok(task.rescaled(&about.data.scaling))
    }

    /// The data to draw behind samples: none of it where it cannot be had, or has changed.
    pub(crate) fn backdrop(&self) -> Arc<Dataset> {
        let about = &self.header().about;
        let data = &about.data;
        let load = |section| Task::load(section, Noise::new(about.seed)).ok();
        let task = data.section.as_ref().and_then(load);
        match task.filter(|task| Some(task.digest()) == data.digest) {
            Some(task) => task.training,
            None => Arc::new(data.without_samples()),
        }
    }

    /// The model as one file.
    pub(crate) fn file(self) -> Result<ModelFile> {
        match self.place {
            Place::Run(_, latest) => latest.file(&self.config, self.weights).map_err(unkept),
            Place::File(file) => Ok(file),
        }
    }

    /// Builds the network and hands the model on.
    pub(crate) fn with_flow<B: Backend, W: WithFlow>(
        &self,
        device: &B::Device,
        user: W,
    ) -> Result<W::Output> {
        let about = &self.header().about;
        if about.network.is_none() {
            bail!(
                "{} holds a network of a program's own; load it in that program",
                self.path.display()
            );
        }
        let mut init = Init::<Autodiff<B>>::new(Noise::new(0), device);
        let (shape, classes) = (&about.data.shape, about.data.classes.len());
        match self.config.architecture(shape, classes)? {
            Architecture::Mlp(mlp) => {
                let flow = self.flow::<Autodiff<B>, _>(mlp.init(&mut init))?;
                user.with::<B, _, 2>(&flow, device)
            }
            Architecture::UNet(unet) => {
                let flow = self.flow::<Autodiff<B>, _>(unet.init(&mut init))?;
                user.with::<B, _, 4>(&flow, device)
            }
        }
    }

    fn flow<B: Backend, N: Module<B>>(&self, network: N) -> Result<Flow<N>> {
        let model = match &self.place {
            Place::Run(_, latest) => {
                let model = latest.model::<B, N>(&self.config, self.weights, network);
                model.map_err(unkept)?
            }
            Place::File(file) => file.model::<B, N>(network)?,
        };
        Ok(model.flow)
    }
}

/// What a run does not keep is mended by asking for what it does.
fn unkept(error: AveragedError) -> anyhow::Error {
    match error {
        AveragedError::NoRate { .. }
        | AveragedError::NoPower { .. }
        | AveragedError::FarPower { .. } => Usage(error.to_string()).into(),
        error => error.into(),
    }
}

/// What is done with a model, whatever its network is.
pub(crate) trait WithFlow {
    /// What comes of it.
    type Output;

    /// Uses the model, which is on the autodiff backend; [`Flow::valid`] takes it off.
    fn with<B, N, const D: usize>(self, flow: &Flow<N>, device: &B::Device) -> Result<Self::Output>
    where
        B: Backend,
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>;
}
