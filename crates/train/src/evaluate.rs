//! How good a model is: its samples against fresh data, with what a perfect sampler would score beside.

use crate::classifier::Trained;
use crate::elbo::{Chain, Elbo, bound};
use crate::features::features;
use crate::likelihood::likelihood;
use crate::metrics::{
    NEIGHBOURS, PrecisionRecall, Spread, energy_distance, frechet_distance, kernel_distance,
    normalised_path_energy, precision_recall, sliced_wasserstein, wasserstein, wasserstein_squared,
};
use crate::sampler::{Plan, SampleError, sample};
use crate::task::Task;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::{Labels, Network};
use pyroclast_core::noise::Noise;
use pyroclast_solvers::Control;
use std::time::Instant;

/// Directions of the sliced distance.
const SLICES: usize = 500;

/// The metrics of one repetition. Distances are on the model's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// W2 of samples and data.
    pub w2: f64,
    /// W2 of data and other data: the perfect sampler's score at this n.
    pub w2_floor: f64,
    /// Sliced W2 of samples and data.
    pub sliced: f64,
    /// Sliced W2 of data and other data.
    pub sliced_floor: f64,
    /// Energy distance of samples and data.
    pub energy_distance: f64,
    /// Fréchet distance of samples and data, of their features, where there is a classifier.
    pub frechet: Option<f64>,
    /// Fréchet distance of data and other data.
    pub frechet_floor: Option<f64>,
    /// Kernel distance of samples and data, of their features.
    pub kid: Option<f64>,
    /// The part of the samples whose features lie among the data's; from four samples on.
    pub precision: Option<f64>,
    /// The part of the data whose features lie among the samples'; from four samples on.
    pub recall: Option<f64>,
    /// Normalised path energy, for fixed steps.
    pub npe: Option<f64>,
    /// Straightness of the paths, 0 for straight ones, for fixed steps.
    pub straightness: Option<f64>,
    /// Mean negative log-likelihood of held-out data in nats a sample, where the base law's density is known.
    pub nll: Option<f64>,
    /// Its standard error.
    pub nll_error: Option<f64>,
    /// The same in bits per dimension, for images of rounded pixels.
    pub bits_per_dimension: Option<f64>,
    /// The variational bound of held-out data, which the likelihood of the chain's own law cannot exceed.
    pub elbo: Option<Elbo>,
    /// Evaluations of the network a sample.
    pub evaluations: usize,
    /// Seconds of sampling.
    pub seconds: f64,
}

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// Samples drawn, and data points that they are held against.
    pub n: usize,
    /// How samples are drawn.
    pub plan: Plan,
    /// Held-out samples whose likelihood is found; 0 leaves it out.
    pub likelihoods: usize,
    /// Held-out samples whose variational bound is found; 0 leaves it out.
    pub bounds: usize,
    /// Steps of the bound of a continuous process.
    pub bound_steps: usize,
}

/// Draws `n` samples and scores them. `k` numbers the repetition: its source points and its data are its own.
///
/// A conditional model is drawn from with the labels of as many training samples. The classifier, where there is one, takes
/// samples in the units of the data.
///
/// # Errors
/// [`SampleError`].
///
/// # Panics
/// If the classifier takes samples of another size.
pub fn evaluate<B, N, const D: usize>(
    flow: &Flow<N>,
    task: &Task,
    protocol: &Protocol,
    classifier: Option<&Trained<B>>,
    k: u64,
    device: &B::Device,
) -> Result<Scores, SampleError>
where
    B: Backend,
    N: Network<Autodiff<B>, D, Condition = Labels<Autodiff<B>>> + AutodiffModule<Autodiff<B>>,
    N::InnerModule: Network<B, D, Condition = Labels<B>>,
{
    let Protocol {
        n,
        plan,
        likelihoods,
        bounds,
        bound_steps,
    } = protocol.clone();
    let dataset = &task.training;
    let dim = dataset.dim();
    let noise = Noise::new(plan.seed);
    let x0 = task.source_points(n, noise, k + 1);
    let labels: Option<Vec<i64>> = dataset.labels.as_ref().map(|labels| {
        // Spread over the rows, which may be sorted by class.
        let of = |i: usize| i64::from(labels[i * labels.len() / n % labels.len()]);
        (0..n).map(of).collect()
    });
    let clock = Instant::now();
    let plan = Plan {
        seed: plan.seed.wrapping_add(k),
        ..plan
    };
    let samples = sample(
        &flow.valid(),
        &x0,
        &dataset.shape,
        labels.as_deref(),
        &plan,
        device,
        &mut |_, _, _| {},
    )?;
    let seconds = clock.elapsed().as_secs_f64();
    let [test, other] = task.test_points(n, noise, k);
    let npe = samples.path_energy.map(|energy| {
        let scale = samples.source_scale as f32;
        let mut source = task.source_points(n, noise, (1 << 15) + k);
        source.iter_mut().for_each(|v| *v *= scale);
        normalised_path_energy(energy, wasserstein_squared(&source, &test, dim))
    });
    let seed = Noise::new(plan.seed);
    let likelihood =
        likelihood::<B, _, D>(flow, task, likelihoods, seed, Control::default(), device)?;
    let chain = Chain {
        table: plan.table.as_deref(),
        steps: bound_steps,
        variance: plan.variance,
    };
    let elbo = bound::<B, _, D>(&flow.valid(), task, bounds, &chain, seed, device);
    let compared = classifier
        .map(|classifier| compare(classifier, task, [&samples.values, &test, &other], device))
        .transpose()?;
    Ok(Scores {
        frechet: compared.map(|compared| compared.frechet),
        frechet_floor: compared.map(|compared| compared.frechet_floor),
        kid: compared.map(|compared| compared.kid),
        precision: compared.and_then(|compared| Some(compared.neighbours?.precision)),
        recall: compared.and_then(|compared| Some(compared.neighbours?.recall)),
        elbo,
        nll: likelihood.map(|likelihood| likelihood.nats),
        nll_error: likelihood.map(|likelihood| likelihood.standard_error),
        bits_per_dimension: likelihood.and_then(|likelihood| likelihood.bits_per_dimension),
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

/// What features tell of samples.
#[derive(Clone, Copy)]
struct Compared {
    frechet: f64,
    frechet_floor: f64,
    kid: f64,
    neighbours: Option<PrecisionRecall>,
}

/// Compares samples, data and other data, as many of each and on the model's scale, by their features.
fn compare<B: Backend>(
    classifier: &Trained<B>,
    task: &Task,
    clouds: [&[f32]; 3],
    device: &B::Device,
) -> Result<Compared, SampleError> {
    let n = clouds[0].len() / task.training.dim();
    let [drawn, real, other] = clouds.map(|values| {
        let mut values = values.to_vec();
        task.scaling.invert(&mut values);
        features(classifier, &values, device)
    });
    let width = drawn.len() / n;
    let has_run_away = |row: &&[f32]| row.iter().any(|value| !value.is_finite());
    match drawn.chunks_exact(width).filter(has_run_away).count() {
        0 => {}
        // Samples are finite, but too large for the classifier's squares.
        rows => return Err(SampleError::NotFinite(rows)),
    }
    Ok(Compared {
        frechet: frechet_distance(&real, &drawn, width),
        frechet_floor: frechet_distance(&real, &other, width),
        kid: kernel_distance(&real, &drawn, width),
        neighbours: (n > NEIGHBOURS).then(|| precision_recall(&real, &drawn, width, NEIGHBOURS)),
    })
}

/// A metric over repetitions.
///
/// `None` where a repetition does not have it.
pub fn spread(scores: &[Scores], metric: impl Fn(&Scores) -> Option<f64>) -> Option<Spread> {
    let values: Option<Vec<f64>> = scores.iter().map(metric).collect();
    values
        .filter(|values| !values.is_empty())
        .map(|values| Spread::of(&values))
}
