//! The network whose features are compared: a classifier, or Inception with weights of the user.

use crate::Usage;
use crate::args::Features;
use anyhow::{Result, bail};
use burn::tensor::backend::Backend;
use pyroclast_metrics::classifier::Trained;
use pyroclast_metrics::features::{FeatureNetwork, digits};
use pyroclast_metrics::{InceptionFeatures, Resizing};
use pyroclast_train::config::Config;
use pyroclast_train::task::Task;

/// The network that is asked for, or the built-in one if the data is digits.
pub(crate) fn network<B: Backend>(
    asked: &Features,
    config: &Config,
    task: &Task,
    device: &B::Device,
) -> Result<Option<Box<dyn FeatureNetwork<B>>>> {
    let dataset = &task.training;
    if let Some(path) = &asked.inception.inception {
        let shape = match dataset.shape[..] {
            [channels @ (1 | 3), height, width] if dataset.eight_bit => [channels, height, width],
            _ => bail!(Usage(format!(
                "--inception compares 8-bit pictures of 1 or 3 channels, and samples of {} have \
                 shape {:?}; leave it out, or give --features",
                dataset.name, dataset.shape
            ))),
        };
        let network = pyroclast_weights::inception(path, device)?;
        let resizing = asked.inception.resize.unwrap_or(Resizing::PytorchFid);
        return Ok(Some(Box::new(InceptionFeatures::new(
            network, shape, resizing,
        ))));
    }
    let Some(path) = &asked.features else {
        let ships = config.data.name == "digits";
        return Ok(ships.then(|| Box::new(digits(device)) as Box<dyn FeatureNetwork<B>>));
    };
    let classifier = Trained::load(path, device)?;
    if classifier.dim() != dataset.dim() {
        bail!(Usage(format!(
            "{} is a classifier of samples of shape {:?}, but {} has {:?}; make one from the data \
             of the run with `pyroclast classifier`",
            path.display(),
            classifier.about.shape,
            dataset.name,
            dataset.shape
        )));
    }
    Ok(Some(Box::new(classifier)))
}
