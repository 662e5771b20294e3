//! `pyroclast distance`: compares two files of samples.

use crate::Usage;
use crate::args::Distance;
use crate::device::{self, Job};
use crate::memory::{self, product};
use crate::progress::Bar;
use crate::say::{fixed, say};
use anyhow::{Result, bail};
use burn::tensor::backend::Backend;
use pyroclast_core::shown::shown;
use pyroclast_metrics::classifier::Trained;
use pyroclast_metrics::features::{digits, features};
use pyroclast_metrics::{FEATURE_METRICS, NEIGHBOURS};
use pyroclast_train::dataset::Dataset;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(arguments: Distance) -> Result<ExitCode> {
    let paths = [arguments.real.as_path(), &arguments.fake];
    let [real, fake] = [read(paths[0])?, read(paths[1])?];
    if real.dim() != fake.dim() {
        bail!(
            "{} has {} numbers per row, and {} has {}; give samples of the same shape",
            paths[0].display(),
            real.dim(),
            paths[1].display(),
            fake.dim()
        );
    }
    let uses_classifier = arguments.classifier.is_some() || arguments.features_of.is_some();
    if let (Some(name), false) = (&arguments.device.name, uses_classifier) {
        bail!(Usage(format!(
            "--device {} has no effect on rows that are compared as they are; leave it out, or give \
             --classifier",
            shown(name)
        )));
    }
    let (dim, [x, y]) = if uses_classifier {
        let device = device::choose(arguments.device.name.as_deref())?;
        let job = Features {
            classifier: arguments.classifier.as_deref(),
            paths,
            datasets: [&real, &fake],
        };
        device::run_on(device, job)?
    } else {
        (
            real.dim(),
            [real.values().into_owned(), fake.values().into_owned()],
        )
    };
    // Two covariances, a root, its eigenvectors and two products.
    let matrices = product([dim as u64, dim as u64, 8, 6]);
    let covariance = format!("the covariance of {dim} numbers per row");
    let remedy = "give features of fewer numbers, such as those of --classifier";
    if let Some(problem) = memory::problem(&covariance, matrices, remedy) {
        bail!(problem);
    }
    let (n, m) = (x.len() / dim, y.len() / dim);
    let bar = Bar::new("comparing");
    let mut done = 0;
    let scores = FEATURE_METRICS.map(|metric| {
        bar.doing(metric.name);
        bar.at(f64::from(done) / FEATURE_METRICS.len() as f64);
        done += 1;
        (metric, (metric.score)(&x, &y, dim))
    });
    drop(bar);
    if arguments.json {
        let mut report = json!({ "real": n, "fake": m, "features": dim });
        for (metric, score) in scores {
            report[metric.key] = json!(score);
        }
        say!("{report}");
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{}: {m} rows against {n} of {}, {dim} features",
        paths[1].display(),
        paths[0].display()
    );
    for (metric, score) in scores {
        say!("{:<28} {:>12}", metric.name, fixed(score, 6));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a file, and checks that it has enough rows.
fn read(path: &Path) -> Result<Dataset> {
    let dataset = Dataset::read(path)?;
    if dataset.len() <= NEIGHBOURS {
        bail!(
            "{} has {} rows, but precision and recall need the {NEIGHBOURS} nearest neighbours of \
             each row; give {} or more",
            path.display(),
            dataset.len(),
            NEIGHBOURS + 1
        );
    }
    Ok(dataset)
}

/// Computes the features of two datasets.
struct Features<'a> {
    /// The file of the classifier; `None` for the built-in one.
    classifier: Option<&'a Path>,
    paths: [&'a Path; 2],
    datasets: [&'a Dataset; 2],
}

impl Job for Features<'_> {
    type Output = Result<(usize, [Vec<f32>; 2])>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let classifier: Trained<B> = match self.classifier {
            Some(path) => Trained::load(path, &device)?,
            None => digits(&device),
        };
        let (about, dim) = (&classifier.about, self.datasets[0].dim());
        if classifier.dim() != dim {
            bail!(
                "{} has {dim} numbers per row, but the classifier of {} needs {}; give samples of \
                 shape {:?}",
                self.paths[0].display(),
                about.data,
                classifier.dim(),
                about.shape
            );
        }
        let of = |dataset: &Dataset| features(&classifier, &dataset.values(), &device);
        let found = self.datasets.map(of);
        for (path, values) in self.paths.iter().zip(&found) {
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let width = values.len() / self.datasets[0].len();
                bail!(
                    "row {} of {} has a feature of {}; give samples in the units of {}",
                    at / width + 1,
                    path.display(),
                    values[at],
                    about.data
                );
            }
        }
        let width = found[0].len() / self.datasets[0].len();
        Ok((width, found))
    }
}
