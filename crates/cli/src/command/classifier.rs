//! `pyroclast classifier`: trains a classifier and writes it to a file.

use crate::Usage;
use crate::args::Classifier;
use crate::device::{self, Job};
use crate::export::check_file;
use crate::loading::with_progress;
use crate::progress::{Progress, minutes};
use crate::say::{note, say};
use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use pyroclast_core::noise::Noise;
use pyroclast_metrics::classifier::{About, Settings, train};
use pyroclast_train::dataset::{DataSource, Dataset};
use pyroclast_train::learn::Record;
use pyroclast_train::task::Task;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

pub(crate) fn run(arguments: Classifier) -> Result<ExitCode> {
    let out = arguments.out.as_path();
    if out.extension().is_none_or(|end| end != "safetensors") {
        bail!(Usage(format!(
            "--out {} does not end in .safetensors, the format of a classifier",
            out.display()
        )));
    }
    check_file(out)?;
    let dataset = data(&arguments)?;
    let device = device::choose(arguments.device.name.as_deref())?;
    let settings = Settings {
        steps: arguments.steps,
        seed: arguments.seed,
        ..Settings::default()
    };
    note!(
        "training a classifier of {} ({} samples of shape {:?}, {} classes) on {device}",
        dataset.name,
        dataset.len(),
        dataset.shape,
        dataset.classes()
    );
    let start = Instant::now();
    let job = Training {
        dataset: &dataset,
        settings,
        out,
    };
    let about = device::run_on(device, job)?;
    let seconds = start.elapsed().as_secs_f64();
    if arguments.json {
        say!(
            "{}",
            json!({
                "data": about.data,
                "steps": about.steps,
                "seconds": seconds,
                "accuracy": about.accuracy,
                "held_out": about.held_out,
                "file": out,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!("trained in {}", minutes(seconds));
    say!(
        "accuracy   {:.2} % of {} held-out samples",
        100.0 * about.accuracy,
        about.held_out
    );
    say!("classifier {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// The data to learn, with the shape given by --shape.
fn data(arguments: &Classifier) -> Result<Dataset> {
    let name = arguments.data.as_str();
    let is_table = |end: &str| ["csv", "gz"].contains(&end) && name.contains(".csv");
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    let mut dataset = if name == "digits" {
        Dataset::digits()
    } else if end.is_some_and(is_table) || !arguments.shape.is_empty() {
        Dataset::read(name)?
    } else if end.is_some() || name == "emoji" || Path::new(name).exists() {
        pictures(arguments)?
    } else {
        bail!(Usage(format!(
            "no labelled data is called `{name}`; give digits, emoji, pictures in classes, or a \
             .csv file"
        )));
    };
    let shape = &arguments.shape;
    if shape.is_empty() {
        return Ok(dataset);
    }
    let size = shape
        .iter()
        .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
    if shape.len() != 3 || size != Some(dataset.dim()) {
        let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
        bail!(Usage(format!(
            "--shape {} is not the shape of an image of {} values; give channels, height and width \
             whose product is that number",
            axes.join(","),
            dataset.dim()
        )));
    }
    dataset.shape = arguments.shape.clone();
    Ok(dataset)
}

/// Pictures, as a training reads them. Those that are held out there are left out here too.
fn pictures(arguments: &Classifier) -> Result<Dataset> {
    let source = DataSource {
        name: arguments.data.clone(),
        resolution: arguments.size.unwrap_or_default() as usize,
        ..DataSource::default()
    };
    let noise = Noise::new(arguments.seed);
    let task = with_progress(|loading| Ok(Task::load_by(&source, noise, loading)?))?;
    Ok(Arc::unwrap_or_clone(
        task.in_the_units_of_the_data().training,
    ))
}

struct Training<'a> {
    dataset: &'a Dataset,
    settings: Settings,
    out: &'a Path,
}

impl Job for Training<'_> {
    type Output = Result<About>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let mut progress = Progress::new(0, self.settings.steps);
        let start = Instant::now();
        let mut watcher = |step, loss: Option<f64>| {
            progress.step(step);
            if loss.is_some() {
                progress.record(&Record {
                    step,
                    loss,
                    seconds: start.elapsed().as_secs_f64(),
                    ..Record::default()
                });
            }
        };
        let trained = train::<Autodiff<B>>(self.dataset, self.settings, &device, &mut watcher);
        progress.finish();
        let trained = trained?;
        trained.save(self.out)?;
        Ok(trained.about)
    }
}
