//! `pyroclast evaluate` of an autoencoder: how well it gives held-out pictures back.

use super::data_of;
use crate::Usage;
use crate::args::{Evaluate, Features};
use crate::device::{self, Job};
use crate::features;
use crate::say::{fixed, say};
use anyhow::{Result, bail};
use burn::tensor::backend::Backend;
use pyroclast_kernels::Precision;
use pyroclast_metrics::frechet_distance;
use pyroclast_metrics::reconstruction::{Reconstructed, reconstructed};
use pyroclast_train::config::Config;
use pyroclast_train::dataset::Dataset;
use pyroclast_train::draw::MethodName;
use pyroclast_train::latents::{Codec, latent_shape};
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::stored_model::StoredModel;
use pyroclast_train::task::Task;
use serde_json::json;
use std::process::ExitCode;

/// The most pictures, unless -n says another number.
const N: usize = 2048;

/// Scores an autoencoder.
pub(super) fn reconstructions(arguments: &Evaluate, stored: StoredModel) -> Result<ExitCode> {
    check(arguments)?;
    let task = data_of(&stored, &arguments.model.run)?;
    let (config, weights) = (stored.config(), stored.weights());
    let file = stored.file()?;
    latent_shape(&file, &task.training.shape)?;
    let pictures = held_out(&task);
    let most = pictures.len();
    let n = match arguments.n {
        Some(n) if n as usize > most => bail!(Usage(format!(
            "-n {n} is more than the {most} pictures that there are; give -n {most} or less"
        ))),
        Some(n) => n as usize,
        None => N.min(most),
    };
    let device = device::of(&arguments.model)?;
    let job = Reconstructing {
        file: &file,
        config: &config,
        task: &task,
        rows: spread(n, most),
        features: &arguments.features,
    };
    let (found, distance) = device::run_in(arguments.model.precision, device, job)?;
    let bits = |rate: f64| rate / std::f64::consts::LN_2 / pictures.dim() as f64;
    let bits = found.rate.map(bits);
    if arguments.json {
        say!(
            "{}",
            json!({
                "n": n,
                "psnr": found.psnr,
                "absolute_error": found.error,
                "bits_per_dimension": bits,
                "frechet": distance.as_ref().map(|(distance, _)| distance),
                "features": distance.as_ref().map(|(_, about)| about),
                "weights": weights,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    let part = if task.validation.is_empty() {
        ""
    } else {
        "held-out "
    };
    say!(
        "{}: {n} {part}pictures, encoded and decoded, weights {}",
        task.training.name,
        weights
    );
    say!("{:<28} {:>10}", "PSNR (dB)", fixed(found.psnr, 2));
    say!("{:<28} {:>10}", "absolute error", fixed(found.error, 4));
    if let Some(bits) = bits {
        say!("{:<28} {:>10}", "rate, bits per dimension", fixed(bits, 3));
    }
    match distance {
        Some((distance, about)) => {
            say!("{:<28} {:>10}", "Fréchet distance", fixed(distance, 4));
            say!("features: {about}");
        }
        None => say!(
            "{:<28} not available without a classifier; see --features and --inception",
            "Fréchet distance"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses options of how samples are drawn and scored, which do nothing here.
fn check(arguments: &Evaluate) -> Result<()> {
    let solver = &arguments.solver;
    let flags = [
        ("method", solver.method.is_some()),
        ("steps", solver.steps.is_some()),
        ("rtol", solver.rtol.is_some()),
        ("atol", solver.atol.is_some()),
        ("grid", solver.grid.is_some()),
        ("guidance", solver.guidance.is_some()),
        ("guidance-interval", solver.guidance_interval.is_some()),
        ("guidance-rescale", solver.guidance_rescale.is_some()),
        ("clip", solver.clip),
        ("thresholding", solver.thresholding),
        ("schedule", solver.schedule.is_some()),
        ("likelihoods", arguments.likelihoods.is_some()),
        ("bounds", arguments.bounds.is_some()),
        ("bound-steps", arguments.bound_steps.is_some()),
        ("bound-terms", arguments.bound_terms.is_some()),
        ("against", arguments.against.is_some()),
        ("seeds", arguments.seeds.is_some()),
        ("seed", arguments.seed != 0),
    ];
    let options = MethodName::all_options().into_iter();
    let options = options.map(|option| (option.name, solver.options.0.get(option).is_some()));
    match flags
        .into_iter()
        .chain(options)
        .find(|(_, is_given)| *is_given)
    {
        Some((flag, _)) => bail!(Usage(format!(
            "{} is an autoencoder, which draws no samples; leave --{flag} out",
            arguments.model.run.display()
        ))),
        None => Ok(()),
    }
}

/// The held-out pictures, or those of the training if none are.
pub(super) fn held_out(task: &Task) -> &Dataset {
    match task.validation.is_empty() {
        true => &task.training,
        false => &task.validation,
    }
}

/// `n` of `all` rows, evenly spread.
pub(super) fn spread(n: usize, all: usize) -> Vec<usize> {
    (0..n).map(|i| i * all / n).collect()
}

struct Reconstructing<'a> {
    file: &'a ModelFile,
    config: &'a Config,
    task: &'a Task,
    rows: Vec<usize>,
    features: &'a Features,
}

/// The pictures as they come back, and the distance of their features from those of the originals,
/// with what the features are.
type Scored = (Reconstructed, Option<(f64, String)>);

impl Job for Reconstructing<'_> {
    type Output = Result<Scored>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let device = &device;
        let codec = Codec::<B>::load(self.file, device)?;
        let pictures = held_out(self.task);
        let found = reconstructed(|x| codec.reconstruct(x), pictures, &self.rows, device);
        let network = features::network::<B>(self.features, self.config, self.task, device)?;
        let distance = network.map(|network| {
            let of = |values: &[f32]| -> Result<Vec<f32>> {
                let values = pictures.in_units(values, &self.task.scaling);
                let values = values.map_err(|_| anyhow::anyhow!("pictures are not finite"))?;
                let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
                let of_features = || network.features(&values, device, &mut |_| {});
                Ok(Precision::of_scores().within(of_features))
            };
            let (real, back) = (of(&pictures.gather(&self.rows))?, of(&found.images)?);
            let width = real.len() / self.rows.len();
            let distance = frechet_distance(&real, &back, width);
            Ok::<_, anyhow::Error>((distance, network.about()))
        });
        Ok((found, distance.transpose()?))
    }
}
