//! How good a model is: its samples against fresh data, beside the score of a perfect sampler.

use crate::drawn;
use crate::elbo::{Chain, Elbo, bound};
use crate::feature_metric::FEATURE_METRICS;
use crate::features::FeatureNetwork;
use crate::likelihood::{Likelihood, likelihood};
use crate::{
    Rows, Spread, TableScores, energy_distance, nearest_distances, normalised_path_energy,
    sliced_wasserstein, table_scores, wasserstein, wasserstein_squared,
};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_solvers::Control;
use pyroclast_train::dataset::Overflow;
use pyroclast_train::draw::{MethodName, Plan, SampleError, SamplingMethod, sample};
use pyroclast_train::latents::Latents;
use pyroclast_train::task::Task;
use std::sync::Arc;
use std::time::Instant;

/// The share of the work that drawing samples takes, for want of a better guess.
const SAMPLED: f64 = 0.4;
/// Directions of the sliced distance.
const SLICES: usize = 500;

/// The scores of one repetition. Distances are on the model's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// W2 between samples and data.
    pub w2: f64,
    /// W2 between data and other data: what a perfect sampler scores at this n.
    pub w2_floor: f64,
    /// Sliced W2 between samples and data.
    pub sliced: f64,
    /// Sliced W2 between data and other data.
    pub sliced_floor: f64,
    /// Energy distance between samples and data.
    pub energy_distance: f64,
    /// One entry per metric in [`FEATURE_METRICS`]; without values if there is no classifier.
    pub features: [FeatureScore; FEATURE_METRICS.len()],
    /// Normalised path energy; only for fixed steps.
    pub npe: Option<f64>,
    /// Straightness of the paths, 0 for straight ones; only for fixed steps.
    pub straightness: Option<f64>,
    /// The likelihood of held-out data, if the density of the source is known.
    pub likelihood: Option<Likelihood>,
    /// The variational bound of held-out data: an upper bound on their negative log-likelihood
    /// under the chain's own distribution.
    pub elbo: Option<Elbo>,
    /// The columns of a table, and what they are together; `None` for other data, and for a single
    /// sample.
    pub table: Option<TableScores>,
    /// The median distance to the nearest sample of the training data, of samples and of held-out
    /// data: [`nearest_distances`]. `None` for points that are drawn anew for every batch.
    pub nearest: [Option<f64>; 2],
    /// Evaluations of the network per sample.
    pub evaluations: usize,
    /// Seconds of sampling.
    pub seconds: f64,
}

/// One metric of features.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeatureScore {
    /// The samples against data; `None` if there are too few of them.
    pub score: Option<f64>,
    /// Other data against data, if the metric reports it.
    pub floor: Option<f64>,
}

/// A score by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T> {
    /// Its key in JSON.
    pub key: &'static str,
    /// Its label in a table, indented if it belongs to the score before it.
    pub name: String,
    /// The score.
    pub value: Option<T>,
}

impl Scores {
    /// Every score by name, in the order of a report.
    pub fn named(&self) -> Vec<Named<f64>> {
        let named = |key, name: &str, value| Named {
            key,
            name: name.to_owned(),
            value,
        };
        const FLOOR: &str = "  of a perfect sampler";
        let mut all = vec![
            named("w2", "W2", Some(self.w2)),
            named("w2_floor", FLOOR, Some(self.w2_floor)),
            named("sliced_w2", "sliced W2", Some(self.sliced)),
            named("sliced_w2_floor", FLOOR, Some(self.sliced_floor)),
            named(
                "energy_distance",
                "energy distance",
                Some(self.energy_distance),
            ),
        ];
        for (metric, found) in FEATURE_METRICS.iter().zip(&self.features) {
            let name = format!("{} of features", metric.name);
            all.push(named(metric.key, &name, found.score));
            if let Some(key) = metric.floor_key {
                all.push(named(key, FLOOR, found.floor));
            }
        }
        if let Some(table) = &self.table {
            all.extend([
                named(
                    "correlation_difference",
                    "correlation difference",
                    Some(table.correlations[0]),
                ),
                named(
                    "correlation_difference_floor",
                    FLOOR,
                    Some(table.correlations[1]),
                ),
                named(
                    "c2st",
                    "two-sample accuracy (C2ST)",
                    Some(table.two_sample[0]),
                ),
                named("c2st_floor", FLOOR, Some(table.two_sample[1])),
            ]);
        }
        let [drawn, held_out] = self.nearest;
        all.extend([
            named("nearest", "distance to training data", drawn),
            named("nearest_held_out", "  of held-out data", held_out),
        ]);
        let likelihood = self.likelihood.as_ref();
        let bound = self.elbo.as_ref().map(|elbo| &elbo.total);
        let nats = |found: Option<&Likelihood>| found.map(|found| found.nats);
        let error = |found: Option<&Likelihood>| found.map(|found| found.standard_error);
        let bits = |found: Option<&Likelihood>| found.and_then(|found| found.bits_per_dimension);
        all.extend([
            named("npe", "normalised path energy", self.npe),
            named(
                "straightness",
                "straightness (0: straight)",
                self.straightness,
            ),
            named("nll", "NLL of held-out data (nats)", nats(likelihood)),
            named("nll_error", "  its standard error", error(likelihood)),
            named(
                "bits_per_dimension",
                "  bits per dimension",
                bits(likelihood),
            ),
            named("elbo", "variational bound (nats)", nats(bound)),
            named("elbo_error", "  its standard error", error(bound)),
            named(
                "elbo_bits_per_dimension",
                "  bits per dimension",
                bits(bound),
            ),
            named(
                "evaluations",
                "evaluations per sample",
                Some(self.evaluations as f64),
            ),
            named("seconds", "seconds of sampling", Some(self.seconds)),
        ]);
        all
    }
}

/// The spread of every score over repetitions; none for a score that some repetition lacks.
///
/// # Panics
/// If there is no repetition.
pub fn spreads(repetitions: &[Scores]) -> Vec<Named<Spread>> {
    let named: Vec<Vec<Named<f64>>> = repetitions.iter().map(Scores::named).collect();
    let of = |i: usize| -> Option<Spread> {
        let values: Option<Vec<f64>> = named.iter().map(|scores| scores[i].value).collect();
        values.map(|values| Spread::of(&values))
    };
    (named[0].iter().enumerate())
        .map(|(i, first)| Named {
            key: first.key,
            name: first.name.clone(),
            value: of(i),
        })
        .collect()
}

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
}

/// Draws `n` samples and scores them. `k` numbers the repetition, which has its own source
/// points and its own data.
///
/// A conditional model is given the conditions of `n` training samples. The classifier, if
/// there is one, expects samples in the units of the data. `seen` is told what is computed next,
/// and which share of the whole is done, roughly.
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
) -> Result<Scores, SampleError>
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
    let mut samples = sample(
        &flow.valid(),
        &x0,
        shape,
        &dataset.spread(n),
        &plan,
        device,
        &mut |first, _, _| seen("drawing samples", SAMPLED * first as f64 / n as f64),
    )?;
    if let Some(latents) = &latents {
        samples.values = latents.decode::<B>(&samples.values, 0, device)?;
    }
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
    let likelihood =
        likelihood::<B, _, D>(flow, task, likelihoods, seed, Control::default(), device)?;
    let chain = Chain {
        table: flow.path.schedule.table(),
        steps: bound_steps,
        variance: plan.variance,
    };
    seen("variational bounds", 0.7);
    let elbo = bound::<B, _, D>(&flow.valid(), task, bounds, &chain, seed, device);
    seen("features", 0.8);
    let features = match network {
        Some(network) => {
            let clouds = [&samples.values[..], &test, &other];
            let seen = &mut |share| seen("features", 0.8 + 0.05 * share);
            score_features(network, task, clouds, device, seen)?
        }
        None => Default::default(),
    };
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
    Ok(Scores {
        table,
        nearest,
        features,
        elbo,
        likelihood,
        w2: wasserstein(&samples.values, &test, dim),
        w2_floor: wasserstein(&other, &test, dim),
        sliced: sliced_wasserstein(&samples.values, &test, dim, SLICES, k),
        sliced_floor: sliced_wasserstein(&other, &test, dim, SLICES, k),
        energy_distance: energy_distance(&samples.values, &test, dim),
        npe,
        straightness: samples.straightness,
        evaluations: samples.statistics.evaluations,
        seconds,
    })
}

/// Scores samples, data and other data, `n` of each and on the model's scale, by their features.
fn score_features<B: Backend>(
    network: &dyn FeatureNetwork<B>,
    task: &Task,
    clouds: [&[f32]; 3],
    device: &B::Device,
    seen: &mut dyn FnMut(f64),
) -> Result<[FeatureScore; FEATURE_METRICS.len()], SampleError> {
    let n = clouds[0].len() / task.training.dim();
    let mut done = 0.0;
    let [drawn, real, other] = clouds.map(|values| {
        let each = &mut |share: f64| seen((done + share) / clouds.len() as f64);
        let features = drawn::features_of(network, task, values, device, each);
        done += 1.0;
        features
    });
    let (drawn, real, other) = (drawn?, real?, other?);
    let width = drawn.len() / n;
    Ok(FEATURE_METRICS.map(|metric| {
        let score = |of: &[f32]| (n >= metric.min_points).then(|| (metric.score)(&real, of, width));
        FeatureScore {
            score: score(&drawn),
            floor: metric.floor_key.and_then(|_| score(&other)),
        }
    }))
}
