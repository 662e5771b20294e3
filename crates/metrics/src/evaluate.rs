//! How good a model is: its samples against fresh data, beside the score of a perfect sampler.

mod scores;
mod shared;

pub use scores::{CoveredModes, FeatureScore, Named, Scores, differences, spreads};

use crate::drawn;
use crate::elbo::{Chain, bound};
use crate::feature_metric::FEATURE_METRICS;
use crate::features::FeatureNetwork;
use crate::likelihood::likelihood;
use crate::{
    Clouds, Estimate, Rows, energy_distance, median_distance, mmd_squared, mode_coverage,
    nearest_distances, normalised_path_energy, sliced_wasserstein, subset_interval, subset_scores,
    table_scores, two_sample, wasserstein, wasserstein_squared,
};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_kernels::Precision;
use pyroclast_solvers::Control;
use pyroclast_train::dataset::Overflow;
use pyroclast_train::draw::{MethodName, Plan, SampleError, SamplingMethod, sample};
use pyroclast_train::latents::Latents;
use pyroclast_train::learn::Group;
use pyroclast_train::task::Task;
use shared::{gathered, own_rows};
use std::sync::Arc;
use std::time::Instant;

/// The share of the work that drawing samples takes, for want of a better guess.
const SAMPLED: f64 = 0.4;
/// Directions of the sliced distance, and of those between subsets, which together take as long as
/// the whole.
const SLICES: [usize; 2] = [500, 100];
/// The most samples, and points of the data, of MMD.
const KERNELS: usize = 2000;

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct Protocol<M = MethodName> {
    /// The number of samples drawn, and of data points that they are compared with.
    pub n: usize,
    /// How samples are drawn.
    pub plan: Plan<M>,
    /// Held-out samples whose likelihood is computed; 0 for none.
    pub likelihoods: usize,
    /// Held-out samples whose variational bound is computed; 0 for none.
    pub bounds: usize,
    /// Steps of the bound of a continuous process.
    pub bound_steps: usize,
    /// The latents that the model draws, if it is one of latents: they are decoded before they are
    /// scored. There are no likelihoods then, which are of latents and not of pictures.
    pub latents: Option<Arc<Latents>>,
    /// The processes that draw the samples together; the first of them scores.
    pub group: Arc<dyn Group>,
    /// Whether a repetition gives the intervals that it can tell by itself, mostly from subsets of
    /// its samples. They cost a few percent of the scores, and are of no use beside the intervals
    /// over several repetitions.
    pub intervals: bool,
}

/// Draws `n` samples and scores them. `k` numbers the repetition, which has its own source
/// points and its own data.
///
/// A conditional model is given the conditions of `n` training samples. The classifier, if
/// there is one, expects samples in the units of the data. `seen` is told what is computed next,
/// and which share of the whole is done, roughly.
///
/// On process 0 of the group the scores, on the others `None`. All processes have to call it with the
/// same arguments; where one of them fails, the others wait until they are ended.
///
/// # Errors
/// [`SampleError`].
///
/// # Panics
/// If the network of features expects samples of another size.
pub fn evaluate<B, N, M, const D: usize>(
    flow: &Flow<N>,
    task: &Task,
    protocol: &Protocol<M>,
    network: Option<&dyn FeatureNetwork<B>>,
    k: u64,
    device: &B::Device,
    seen: &mut dyn FnMut(&'static str, f64),
) -> Result<Option<Scores>, SampleError>
where
    B: Backend,
    N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
    N::InnerModule: Network<B, D>,
    M: SamplingMethod<B, D> + Clone,
{
    let Protocol {
        n,
        plan,
        likelihoods,
        bounds,
        bound_steps,
        latents,
        group,
        intervals,
    } = protocol.clone();
    let dataset = &task.training;
    let dim = dataset.dim();
    let shape = (latents.as_ref()).map_or(&dataset.shape[..], |latents| &latents.info.shape);
    let noise = Noise::new(plan.seed);
    let state_dim = shape.iter().product();
    let x0 = flow.path.source.for_sampling(n, state_dim, noise, k + 1);
    let clock = Instant::now();
    let plan = Plan {
        seed: plan.seed.wrapping_add(k),
        ..plan
    };
    let rows = own_rows(&*group, n, &plan);
    let own = (!rows.is_empty()).then(|| {
        let plan = Plan {
            first_row: rows.start,
            ..plan.clone()
        };
        let mut samples = sample(
            &flow.valid(),
            &x0[rows.start * state_dim..rows.end * state_dim],
            shape,
            &dataset.spread(n).slice(rows.clone()),
            &plan,
            device,
            &mut |first, _, _| {
                let share = first as f64 / rows.len() as f64;
                seen("drawing samples", SAMPLED * share);
            },
        )?;
        if let Some(latents) = &latents {
            samples.values = latents.decode::<B>(&samples.values, 0, device)?;
        }
        Ok::<_, SampleError>(samples)
    });
    let Some(samples) = gathered(&*group, own.transpose()?, n, dim) else {
        return Ok(None);
    };
    let seconds = clock.elapsed().as_secs_f64();
    seen("distances between paths", SAMPLED);
    let [test, other] = task.test_points(n, noise, k);
    // The path of a latent has no distance in the data to compare with.
    let energy = samples.path_energy.filter(|_| latents.is_none());
    let npe = energy.map(|energy| {
        let scale = samples.source_scale as f32;
        let mut source = flow.path.source.for_sampling(n, dim, noise, (1 << 15) + k);
        source.iter_mut().for_each(|v| *v *= scale);
        normalised_path_energy(energy, wasserstein_squared(&source, &test, dim))
    });
    let seed = Noise::new(plan.seed);
    seen("likelihoods", 0.5);
    let (likelihoods, bounds) = match latents {
        Some(_) => (0, 0),
        None => (likelihoods, bounds),
    };
    // Solved to a tolerance that bf16 would not let it reach.
    let likelihood = Precision::of_scores().within(|| {
        likelihood::<B, _, D>(flow, task, likelihoods, seed, Control::default(), device)
    })?;
    let chain = Chain {
        table: flow.path.schedule.table(),
        steps: bound_steps,
        variance: plan.variance,
    };
    seen("variational bounds", 0.7);
    let elbo = Precision::of_scores()
        .within(|| bound::<B, _, D>(&flow.valid(), task, bounds, &chain, seed, device));
    seen("features", 0.8);
    let of_features = match network {
        Some(network) => {
            let clouds = [&samples.values[..], &test, &other];
            let seen = &mut |share| seen("features", 0.8 + 0.05 * share);
            Some(features(network, task, clouds, device, seen)?)
        }
        None => None,
    };
    let features = (of_features.as_ref()).map_or_else(Default::default, |[drawn, real, other]| {
        score_features([drawn, real, other], drawn.len() / n, intervals)
    });
    seen("distances between samples and data", 0.85);
    let seen_as_data = (dataset.in_units(&samples.values, &task.scaling))
        .map(|values| task.scaling.to_model(&values))
        .map_err(|Overflow(rows)| SampleError::NotFinite(rows))?;
    let table = (dataset.table.as_deref()).filter(|_| n > 1).map(|table| {
        let rows = Rows {
            samples: &seen_as_data,
            data: &test,
            other: &other,
        };
        table_scores(table, rows)
    });
    seen("distances to the training data", 0.9);
    let held_out = task.validation.first(task.validation.len().min(n));
    let nearest = match task.is_endless() {
        true => [None; 2],
        false => nearest_distances([&seen_as_data, &held_out], dataset),
    };
    // Pixels of pictures tell nothing about whether they can be told apart; their features do.
    let told_apart = match &of_features {
        _ if n < 2 => None,
        Some([drawn, real, other]) if dataset.is_image() => {
            Some([&drawn[..], other].map(|of| two_sample(real, of, real.len() / n)))
        }
        _ if dataset.is_image() => None,
        _ => Some([&seen_as_data, &other].map(|of| two_sample(&test, of, dim))),
    };
    let modes = task.modes().map(|modes| CoveredModes {
        n,
        by_samples: mode_coverage(&samples.values, &modes),
        by_data: mode_coverage(&other, &modes),
        modes,
    });
    // Of samples against data.
    let estimate = |n: usize, score: &dyn Fn(&[f32], &[f32]) -> f64| -> Estimate {
        let [x, y] = [&samples.values[..n * dim], &test[..n * dim]];
        let value = score(x, y);
        let scores = match intervals {
            true => subset_scores(x, y, dim, |x, y| Some(score(x, y))),
            false => None,
        };
        Estimate {
            value,
            interval: scores.and_then(|scores| subset_interval(value, &scores)),
        }
    };
    let sliced = |x: &[f32], y: &[f32]| {
        let slices = SLICES[usize::from(x.len() < n * dim)];
        sliced_wasserstein(x, y, dim, slices, k)
    };
    let length = median_distance(&test, dim).filter(|_| n > 1);
    let mmd = length.map(|length| estimate(n.min(KERNELS), &|x, y| mmd_squared(x, y, dim, length)));
    Ok(Some(Scores {
        table,
        nearest,
        features,
        elbo,
        likelihood,
        w2: estimate(n, &|x, y| wasserstein(x, y, dim)),
        w2_floor: wasserstein(&other, &test, dim),
        sliced: estimate(n, &sliced),
        sliced_floor: sliced(&other, &test),
        energy_distance: estimate(n, &|x, y| energy_distance(x, y, dim)),
        mmd,
        two_sample: told_apart,
        modes,
        npe,
        straightness: samples.straightness,
        evaluations: samples.statistics.evaluations,
        seconds,
    }))
}

/// The features of samples, data and other data, `n` of each and on the model's scale.
fn features<B: Backend>(
    network: &dyn FeatureNetwork<B>,
    task: &Task,
    clouds: [&[f32]; 3],
    device: &B::Device,
    seen: &mut dyn FnMut(f64),
) -> Result<[Vec<f32>; 3], SampleError> {
    let mut done = 0.0;
    let [drawn, real, other] = clouds.map(|values| {
        let each = &mut |share: f64| seen((done + share) / clouds.len() as f64);
        let features = drawn::features_of(network, task, values, device, each);
        done += 1.0;
        features
    });
    Ok([drawn?, real?, other?])
}

/// Scores features of samples, data and other data.
fn score_features(
    [drawn, real, other]: [&[f32]; 3],
    dim: usize,
    intervals: bool,
) -> [FeatureScore; FEATURE_METRICS.len()] {
    let samples = Clouds::new(real, drawn, dim);
    let data = Clouds::new(real, other, dim);
    FEATURE_METRICS.map(|metric| FeatureScore {
        score: match intervals {
            true => metric.estimate(&samples),
            false => (metric.score)(&samples).map(Estimate::from),
        },
        floor: metric.floor_key.and_then(|_| (metric.score)(&data)),
    })
}
