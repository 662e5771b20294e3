//! How an autoencoder is trained: on the data itself, by its own loss.
//!
//! At t = 1 a path holds the data, `x_1 = x1`, and a prediction of the data is a reconstruction.

use super::{Config, OutOfRange};
use crate::network::AutoencoderSize;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::loss::SampleLoss;
use pyroclast_core::objective::Objective;
use pyroclast_core::path::Path;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::shown::shown;
use pyroclast_core::time_sampler::TimeDistribution;

fn path() -> Path {
    Path::linear().at_times(TimeDistribution::Data)
}

fn objective() -> Objective {
    Objective {
        prediction: Prediction::Data,
        ..Objective::default()
    }
}

/// The flow of an autoencoder: at the data, to the data.
pub(super) fn flow<N>(network: N) -> Flow<N> {
    Flow::new(network, path(), objective())
}

/// Its loss, for images of rank D, which is 4.
pub(super) fn loss<B: Backend, const D: usize>(
    size: &AutoencoderSize,
) -> impl SampleLoss<B, D> + Send + use<B, D> {
    fn images<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 4> {
        let dims: [usize; 4] = x.dims()[..].try_into().expect("images");
        x.reshape(dims)
    }
    let loss = size.loss();
    move |output: Tensor<B, D>, target: Tensor<B, D>| {
        loss.per_sample(images(output), images(target))
    }
}

impl Config {
    /// Refuses what is set for an autoencoder and would do nothing, and what is an autoencoder's
    /// alone for another network.
    pub(super) fn check_autoencoder(&self) -> Result<(), OutOfRange> {
        let refuse = |key: &str, value: String, remedy: &str| {
            Err(OutOfRange {
                key: key.to_owned(),
                value,
                remedy: remedy.to_owned(),
            })
        };
        if !self.network.is_autoencoder() {
            return match self.path.times.distribution {
                TimeDistribution::Data => refuse(
                    "path.times.distribution",
                    "data".to_owned(),
                    "only an autoencoder is trained on the data alone; leave it out",
                ),
                _ => Ok(()),
            };
        }
        let usual = Self::default();
        let kind = self.network.name();
        if self.path != usual.path && self.path != path() {
            return refuse(
                "path",
                format!("{:?}", self.path.schedule),
                "an autoencoder has no path; leave out [path]",
            );
        }
        if self.objective != usual.objective && self.objective != objective() {
            return refuse(
                "objective",
                format!("{}", self.objective.prediction),
                "an autoencoder has a loss of its own, in [network]; leave out [objective]",
            );
        }
        if self.sampling != usual.sampling {
            return refuse(
                "sampling",
                kind.to_owned(),
                "an autoencoder draws no samples; leave out [sampling]",
            );
        }
        if !self.data.latents.is_empty() {
            return refuse(
                "data.latents",
                shown(&self.data.latents),
                "an autoencoder is trained on pictures; leave it out",
            );
        }
        Ok(())
    }
}
