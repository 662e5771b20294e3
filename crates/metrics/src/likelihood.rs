//! The likelihood of held-out data.
//!
//! `−E ln p_1(x)` over samples that were not trained on; for images of rounded pixels also in bits
//! per dimension

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Condition;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::path::Source;
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::likelihood::{
    bits_per_dimension, dequantise, log_density, normal_log_density,
};
use pyroclast_solvers::{Control, DOPRI5, SolveError, Trace};
use pyroclast_train::dataset::Dataset;
use pyroclast_train::rows::chunks;
use pyroclast_train::task::Task;

/// Up to this many dimensions the trace is exact; beyond, it is Hutchinson's estimate.
const MOST_EXACT: usize = 8;
/// Rows that the network evaluates at once.
const CHUNK: usize = 1024;

/// How likely a model finds data that it was not trained on, as a mean over samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood {
    /// The mean of `−ln p` in nats per sample, for a density in the units of the data.
    pub nats: f64,
    /// The same in bits per dimension, where values are rounded to bins.
    pub bits_per_dimension: Option<f64>,
    /// The standard error of `nats`, from the choice of samples and from the estimate.
    pub standard_error: f64,
    /// The number of samples.
    pub samples: usize,
}

/// The likelihood of the first `n` held-out samples under the distribution that the model's
/// ODE makes of N(0, σ(0)²I).
///
/// The trace is exact for up to eight dimensions, and otherwise Hutchinson's with one Rademacher
/// probe per sample. Images of rounded pixels are dequantised with uniform noise. A conditional
/// model is given each sample's own condition. If the model stops before t = 1 ([`Flow::span`]), it
/// is the density at that time.
///
/// `None` if paths start from a distribution other than the normal one, if no data is held out, or
/// if a column of a table has no density ([`Table::without_density`]).
///
/// [`Table::without_density`]: pyroclast_train::dataset::Table::without_density
///
/// # Errors
/// [`SolveError`].
pub fn likelihood<B, N, const D: usize>(
    flow: &Flow<N>,
    task: &Task,
    n: usize,
    noise: Noise,
    control: Control,
    device: &B::Device,
) -> Result<Option<Likelihood>, SolveError>
where
    B: Backend,
    N: Network<Autodiff<B>, D>,
{
    let held_out = &task.validation;
    let n = n.min(held_out.len());
    if flow.path.source != Source::Normal || n == 0 || !has_density(held_out) {
        return Ok(None);
    }
    let dim = held_out.dim();
    let bin = task.training.bin();
    let mut values = held_out.first(n).into_owned();
    if let Some(bin) = bin {
        let mut draws = noise.fork("dequantise").draws(Stream::Likelihood, 0);
        dequantise(&mut values, bin, &mut draws);
    }
    // Only gradients by the state are needed.
    let flow = &flow.with_network(flow.network.clone().no_grad());
    let base_std = flow.path.schedule.at(flow.span().0).sigma;
    let mut log_densities: Vec<f64> = Vec::with_capacity(n);
    let given = held_out.given.slice(0..n);
    let shape = &held_out.shape;
    for chunk in chunks::<B, D>(&values, shape, &given, CHUNK, device) {
        let condition = N::Condition::upload(&chunk.given, device);
        let trace = if dim <= MOST_EXACT {
            Trace::Exact
        } else {
            Trace::hutchinson(noise, (chunk.first / CHUNK) as u64)
        };
        let found = log_density(
            &flow.given::<Autodiff<B>, D>(&condition),
            &DOPRI5,
            chunk.x,
            flow.span(),
            |x| normal_log_density(x, base_std),
            trace,
            control,
        )
        .map_err(|stopped| stopped.reason)?;
        let found = found.log_density.into_data().convert::<f64>();
        log_densities.extend(found.into_vec::<f64>().expect("converted just now"));
    }
    let mean = log_densities.iter().sum::<f64>() / n as f64;
    // In the units of the data, which stretch some samples more than others.
    let volumes = task.scaling.log_volume(&values, dim);
    let nats = volumes.iter().zip(&log_densities).map(|(v, ln_p)| v - ln_p);
    let nats: Vec<f64> = nats.collect();
    let mean_nats = nats.iter().sum::<f64>() / n as f64;
    let spread: f64 = nats.iter().map(|v| (v - mean_nats).powi(2)).sum();
    Ok(Some(Likelihood {
        nats: mean_nats,
        bits_per_dimension: bin.map(|bin| bits_per_dimension(mean, dim, bin)),
        standard_error: (spread / (n.max(2) - 1) as f64 / n as f64).sqrt(),
        samples: n,
    }))
}

/// Whether a density of these samples has a meaning: that of words and whole numbers has none.
pub(crate) fn has_density(dataset: &Dataset) -> bool {
    let table = dataset.table.as_ref();
    table.is_none_or(|table| table.without_density().is_none())
}
