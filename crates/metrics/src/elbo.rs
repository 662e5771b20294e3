//! The variational bound of held-out data, term by term.
//!
//! `−ln p(x1) ≤ L_T + Σ_k L_{k} + L_0`, where p is a density or, for images of rounded pixels, the
//! probability of the pixels themselves, also in bits per dimension
//!
//! Source: Ho et al. 2020, eq. 5 and 13; Kingma et al. 2021 for any schedule.

use crate::likelihood::{Likelihood, has_density};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Condition;
use pyroclast_core::ddpm::{
    BetaTable, Bound, Decoder, End, Spacing, Variance, elbo, prior_kl, variational_term,
};
use pyroclast_core::field::{Denoiser, LearnedVariance};
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::{Draws, Noise, Stream};
use pyroclast_core::path::Source;
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::{TimeGrid, noise_levels};
use pyroclast_train::rows::chunks;
use pyroclast_train::task::Task;
use std::f64::consts::LN_2;

/// Rows that the network evaluates at once.
const CHUNK: usize = 256;
/// For pixels the last noise level is this share of a bin. Half a bin is then four standard
/// deviations, and the decoder rounds correctly.
const OF_BIN: f64 = 0.125;

/// The chain whose bound is computed.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    /// The model's own chain, with all its indices; `None` for a continuous process.
    pub table: Option<&'a BetaTable>,
    /// Steps of a continuous process, evenly spaced in the log-SNR. More make the bound tighter.
    pub steps: usize,
    /// The variance of a step of the model's own chain; none where the network has learned it.
    /// Steps of a continuous process use the posterior's.
    pub variance: Option<Variance>,
}

/// A bound, as a mean over samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Elbo {
    /// The bound: `nats` are in the units of the data, bits per dimension are those of the pixels.
    pub total: Likelihood,
    /// L_T, the terms from the noisiest on, and L_0 at the end, in nats per sample; `total.nats` is
    /// their sum.
    pub terms: Vec<f64>,
}

/// The bound of the first `n` held-out samples: one draw of noise, and one evaluation, per term and
/// sample.
///
/// A conditional model is given each sample's own condition.
///
/// `None` if paths start from a distribution other than the normal one, if no data is held out, or
/// if a column of a table has no density.
pub fn bound<B, N, const D: usize>(
    flow: &Flow<N>,
    task: &Task,
    n: usize,
    chain: &Chain<'_>,
    noise: Noise,
    device: &B::Device,
) -> Option<Elbo>
where
    B: Backend,
    N: Network<B, D>,
{
    let noise = noise.fork("noising");
    let held_out = &task.validation;
    let n = n.min(held_out.len());
    if flow.path.source != Source::Normal || n == 0 || !has_density(held_out) {
        return None;
    }
    let (dim, decoder) = (held_out.dim(), task.training.decoder());
    let mut totals: Vec<f64> = Vec::with_capacity(n);
    let mut terms: Vec<f64> = Vec::new();
    let given = held_out.given.slice(0..n);
    let (values, shape) = (&held_out.first(n), &held_out.shape);
    for chunk in chunks::<B, D>(values, shape, &given, CHUNK, device) {
        let (first, x1) = (chunk.first, chunk.x);
        let field = flow.given::<B, D>(&N::Condition::upload(&chunk.given, device));
        let mut draws = noise.draws(Stream::Likelihood, first as u64);
        let bound = match (chain.variance, chain.table) {
            (None, Some(table)) => learned(&field, table, x1, decoder, &mut draws),
            (variance, table) => {
                let times = times(&field, table, chain.steps, decoder);
                let variance = variance
                    .filter(|_| table.is_some())
                    .unwrap_or(Variance::Small);
                elbo(&field, &times, x1, variance, decoder, &mut draws)
            }
        };
        let host = |x: Tensor<B, 1>| x.into_data().convert::<f64>().into_vec::<f64>();
        totals.extend(host(bound.total()).expect("converted just now"));
        let parts = std::iter::once(bound.prior)
            .chain(bound.terms)
            .chain([bound.reconstruction]);
        let sums = host(Tensor::cat(parts.map(Tensor::sum).collect(), 0));
        let sums = sums.expect("converted just now");
        terms.resize(sums.len(), 0.0);
        let share = |(term, sum): (&mut f64, f64)| *term += sum / n as f64;
        terms.iter_mut().zip(sums).for_each(share);
    }
    let mean = totals.iter().sum::<f64>() / n as f64;
    let of_pixels = matches!(decoder, Decoder::Discretised(_));
    // A density is in the units of the data, which enter through the last step alone.
    let log_volumes = if of_pixels {
        vec![0.0; n]
    } else {
        task.scaling.log_volume(values, dim)
    };
    let log_volume = log_volumes.iter().sum::<f64>() / n as f64;
    let spread: f64 = (totals.iter().zip(&log_volumes))
        .map(|(total, volume)| (total - mean + (volume - log_volume)).powi(2))
        .sum();
    if let Some(reconstruction) = terms.last_mut() {
        *reconstruction += log_volume;
    }
    Some(Elbo {
        total: Likelihood {
            nats: mean + log_volume,
            bits_per_dimension: of_pixels.then(|| mean / (dim as f64 * LN_2)),
            standard_error: (spread / (n.max(2) - 1) as f64 / n as f64).sqrt(),
            samples: n,
        },
        terms,
    })
}

/// All indices of a chain, or steps evenly spaced in the log-SNR.
fn times<B: Backend, const D: usize>(
    field: &impl Denoiser<B, D>,
    table: Option<&BetaTable>,
    steps: usize,
    decoder: Decoder,
) -> Vec<f64> {
    if let Some(table) = table {
        let indices = Spacing::Trailing.indices(table.steps(), table.steps());
        return table.times(&indices, End::Data);
    }
    let schedule = field.schedule();
    let low = match decoder {
        Decoder::Discretised(lattice) => OF_BIN * lattice.bin,
        _ => noise_levels::EDM.1,
    };
    let levels = noise_levels::reached(schedule, (0.0, 1.0), (noise_levels::EDM.0, low));
    let grid = TimeGrid::log_snr(schedule, levels, steps.saturating_sub(1).max(1));
    let mut times = grid.times().to_vec();
    // The bound starts where the base distribution is the schedule's own, however far that is from
    // the first level.
    if times[0] > 1e-9 && field.is_defined(0.0) {
        times.insert(0, 0.0);
    }
    times
}

/// The bound of a chain whose variance is learned.
fn learned<B: Backend, F: LearnedVariance<B, D>, const D: usize>(
    field: &F,
    table: &BetaTable,
    x1: Tensor<B, D>,
    decoder: Decoder,
    draws: &mut Draws,
) -> Bound<B> {
    let batch = x1.dims()[0];
    let dim = (x1.shape().num_elements() / batch.max(1)) as f64;
    let mut term = |k: usize| {
        let t = table.time(k);
        let c = table.at(t);
        let z: Tensor<B, D> = draws.normal_tensor(x1.dims(), &x1.device(), x1.dtype());
        let x_t = x1.clone() * c.alpha + z * c.sigma;
        let (ends, v) = field.endpoints_and_variance(t, x_t.clone());
        let steps = vec![table.reverse_step(k); batch];
        let floor = table.floor();
        variational_term(&steps, floor, decoder, x1.clone(), x_t, ends.x1, v) * dim
    };
    let terms = (1..table.steps()).rev().map(&mut term).collect();
    let reconstruction = term(0);
    let square = x1.square().reshape([batch as i32, -1]).sum_dim(1);
    let square: Tensor<B, 1> = square.squeeze_dim(1);
    // The prior's KL divergence is linear in the mean square of the data.
    let c = table.at(0.0);
    let (at_zero, at_one) = (prior_kl(c, 0.0, 1.0), prior_kl(c, 1.0, 1.0));
    Bound {
        prior: square * (at_one - at_zero) + dim * at_zero,
        terms,
        reconstruction,
    }
}
