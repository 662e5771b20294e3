//! A trained model, read from its run and handed to whoever uses it.

use crate::Usage;
use anyhow::Result;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::Init;
use pyroclast_train::config::{Architecture, Config};
use pyroclast_train::dataset::Dataset;
use pyroclast_train::ema::{self, Averaged, AveragedError};
use pyroclast_train::parameters::{slots, with_values};
use pyroclast_train::run::Run;
use pyroclast_train::task::Task;

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

/// Reads the parameters after the newest checkpoint's step and hands the model on.
pub(crate) fn with_flow<B: Backend, W: WithFlow>(
    run: &Run,
    config: &Config,
    task: &Task,
    weights: Averaged,
    device: &B::Device,
    user: W,
) -> Result<W::Output> {
    let dataset = &task.training;
    let mut init = Init::<Autodiff<B>>::new(Noise::new(0), device);
    match config.architecture(&dataset.shape, dataset.classes())? {
        Architecture::Mlp(mlp) => {
            let flow = load::<Autodiff<B>, _, 2>(
                run,
                config,
                dataset,
                weights,
                mlp.init(&mut init),
                device,
            )?;
            user.with::<B, _, 2>(&flow, device)
        }
        Architecture::UNet(unet) => {
            let flow = load::<Autodiff<B>, _, 4>(
                run,
                config,
                dataset,
                weights,
                unet.init(&mut init),
                device,
            )?;
            user.with::<B, _, 4>(&flow, device)
        }
    }
}

fn load<B: Backend, N: Network<B, D>, const D: usize>(
    run: &Run,
    config: &Config,
    dataset: &Dataset,
    weights: Averaged,
    network: N,
    device: &B::Device,
) -> Result<Flow<N>> {
    let slots = slots::<B, N>(&network);
    let values =
        ema::load::<B>(run, config, weights, &slots, device).map_err(|error| match error {
            // What the run does not keep is mended by asking for what it does.
            AveragedError::NoRate { .. }
            | AveragedError::NoPower { .. }
            | AveragedError::FarPower { .. } => Usage(error.to_string()).into(),
            error => anyhow::Error::from(error),
        })?;
    Ok(config.flow(with_values(network, values), dataset))
}
