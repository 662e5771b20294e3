//! `pyroclast distance`: compares two files of samples, or two sets of pictures.

use crate::Usage;
use crate::args::Distance;
use crate::device::{self, Job};
use crate::export::check_file;
use crate::loading::with_progress;
use crate::memory::{self, product};
use crate::progress::Bar;
use crate::say::{around, fixed, say};
use anyhow::{Context, Result, bail};
use burn::tensor::backend::Backend;
use pyroclast_core::shown::shown;
use pyroclast_data::PictureSet;
use pyroclast_metrics::classifier::Trained;
use pyroclast_metrics::features::{FeatureNetwork, digits};
use pyroclast_metrics::{
    Clouds, Estimate, FEATURE_METRICS, FeatureMetric, InceptionFeatures, Moments, NEIGHBOURS,
    Resizing,
};
use pyroclast_train::atomic_file;
use pyroclast_train::dataset::{DataSource, Dataset};
use serde_json::json;
use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;

/// The number of metrics.
const METRICS: usize = FEATURE_METRICS.len();
/// Pictures that are read at once.
const READ: usize = 1024;

pub(crate) fn run(arguments: Distance) -> Result<ExitCode> {
    let paths = [arguments.real.as_path(), &arguments.fake];
    if let Some(out) = &arguments.statistics {
        check_file(out)?;
    }
    let known = [statistics(paths[0])?, statistics(paths[1])?];
    if let (Some(_), Some(out)) = (&known[0], &arguments.statistics) {
        bail!(Usage(format!(
            "{} has statistics already, so there are none to write to {}; leave --statistics out",
            paths[0].display(),
            out.display()
        )));
    }
    let (about, clouds) = match &arguments.inception.inception {
        Some(weights) => of_pictures(&arguments, paths, known, weights)?,
        None => of_rows(&arguments, paths, known)?,
    };
    let dim = clouds[0].dim();
    if dim != clouds[1].dim() {
        bail!(
            "{} has {dim} features, and {} has {}; give features of the same network",
            paths[0].display(),
            paths[1].display(),
            clouds[1].dim()
        );
    }
    // Two covariances, a root, its eigenvectors and two products.
    let matrices = product([dim as u64, dim as u64, 8, 6]);
    let covariance = format!("the covariance of {dim} numbers per row");
    let remedy = "give features of fewer numbers, such as those of --classifier";
    if let Some(problem) = memory::problem(&covariance, matrices, remedy) {
        bail!(problem);
    }
    let bar = Bar::new("comparing");
    let moments = clouds.each_ref().map(Cloud::moments);
    let scores = scores(&clouds, &moments, &bar);
    if let Some(out) = &arguments.statistics {
        atomic_file::replace(out, |file| moments[0].write(file))
            .with_context(|| format!("cannot write {}", out.display()))?;
    }
    drop(bar);
    let [n, m] = clouds.each_ref().map(Cloud::points);
    let sizes = n.zip(m).filter(|(n, m)| *n.min(m) > dim);
    let floor = sizes.map(|(n, m)| moments[0].expected_distance(n, m));
    if arguments.json {
        let mut report = json!({ "real": n, "fake": m, "features": dim, "intervals": {} });
        if let Some(about) = about {
            report["network"] = json!(about);
        }
        report["frechet_floor"] = json!(floor);
        for (metric, score) in scores {
            report[metric.key] = json!(score.map(|score| score.value));
            if let Some(interval) = score.and_then(|score| score.interval) {
                report["intervals"][metric.key] = json!([interval.low, interval.high]);
            }
        }
        say!("{report}");
        return Ok(ExitCode::SUCCESS);
    }
    let count = |n: Option<usize>| n.map_or_else(|| "statistics".to_owned(), |n| n.to_string());
    say!(
        "{}: {} rows against {} of {}, {dim} features",
        paths[1].display(),
        count(m),
        count(n),
        paths[0].display()
    );
    for (metric, score) in scores {
        match score {
            Some(Estimate { value, interval }) => {
                let interval = interval.map(|interval| around(value, interval, 6));
                let interval = interval.map_or_else(String::new, |text| format!(" {text}"));
                say!("{:<28} {:>12}{interval}", metric.name, fixed(value, 6));
            }
            None => say!(
                "{:<28} not available for statistics, or so few or many rows",
                metric.name
            ),
        }
        if metric.floor_key.is_some()
            && let Some(floor) = floor
        {
            let name = "  of a perfect sampler, about";
            say!("{name:<28} {:>12}", fixed(floor, 6));
        }
    }
    if let Some(about) = about {
        say!("features: {about}");
    }
    if let Some(out) = &arguments.statistics {
        say!("statistics of {}: {}", paths[0].display(), out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The most products of two numbers that a comparison of all pairs may take: minutes on one core.
const PAIRS: u64 = 1 << 40;

/// Features of one side.
enum Cloud {
    /// `[n, dim]`, row-major, and dim.
    Points(Vec<f32>, usize),
    /// What is left of them in a file.
    Moments(Moments),
}

impl Cloud {
    fn dim(&self) -> usize {
        match self {
            Self::Points(_, dim) => *dim,
            Self::Moments(moments) => moments.dim(),
        }
    }

    /// The number of points; `None` if it is not known.
    fn points(&self) -> Option<usize> {
        match self {
            Self::Points(points, dim) => Some(points.len() / dim),
            Self::Moments(_) => None,
        }
    }

    fn moments(&self) -> Cow<'_, Moments> {
        match self {
            Self::Points(points, dim) => Cow::Owned(Moments::of(points, *dim)),
            Self::Moments(moments) => Cow::Borrowed(moments),
        }
    }
}

/// Every metric with its interval, where the two sides are known well enough for it.
fn scores(
    clouds: &[Cloud; 2],
    moments: &[Cow<'_, Moments>; 2],
    bar: &Bar,
) -> [(FeatureMetric, Option<Estimate>); METRICS] {
    let points = match clouds {
        [Cloud::Points(x, dim), Cloud::Points(y, _)] => {
            let pairs = product([x.len() as u64, (y.len() / dim) as u64]);
            Some((Clouds::new(x, y, *dim), pairs <= PAIRS))
        }
        _ => None,
    };
    let mut done = 0;
    FEATURE_METRICS.map(|metric| {
        bar.doing(metric.name);
        bar.at(f64::from(done) / METRICS as f64);
        done += 1;
        let points = (points.as_ref()).filter(|(_, are_few)| *are_few);
        let score = match points {
            // The moments are known already.
            _ if metric.key == FEATURE_METRICS[0].key => {
                let value = moments[0].frechet_distance(&moments[1]);
                let interval = points.and_then(|(clouds, _)| metric.interval(clouds, value));
                Some(Estimate { value, interval })
            }
            Some((clouds, _)) => metric.estimate(clouds),
            None => None,
        };
        (metric, score)
    })
}

/// The moments in a file of statistics; none for any other file.
fn statistics(path: &Path) -> Result<Option<Moments>> {
    match path.extension() {
        Some(end) if end == "npz" => Ok(Moments::read(path)?),
        _ => Ok(None),
    }
}

/// The rows of two files of numbers, or their features by a classifier.
fn of_rows(
    arguments: &Distance,
    paths: [&Path; 2],
    known: [Option<Moments>; 2],
) -> Result<(Option<String>, [Cloud; 2])> {
    let uses_classifier = arguments.classifier.is_some() || arguments.features_of.is_some();
    if known.iter().any(Option::is_some) && !uses_classifier {
        let side = |path: &Path, known: Option<Moments>| -> Result<Cloud> {
            Ok(match known {
                Some(moments) => Cloud::Moments(moments),
                None => rows(&read(path)?),
            })
        };
        let [real, fake] = known;
        return Ok((None, [side(paths[0], real)?, side(paths[1], fake)?]));
    }
    let [real, fake] = [read(paths[0])?, read(paths[1])?];
    check_columns([&real, &fake], paths)?;
    if real.dim() != fake.dim() {
        bail!(
            "{} has {} numbers per row, and {} has {}; give samples of the same shape",
            paths[0].display(),
            real.dim(),
            paths[1].display(),
            fake.dim()
        );
    }
    if !uses_classifier {
        if let Some(name) = &arguments.device.name {
            bail!(Usage(format!(
                "--device {} has no effect on rows that are compared as they are; leave it out, or \
                 give --classifier",
                shown(name)
            )));
        }
        return Ok((None, [rows(&real), rows(&fake)]));
    }
    let device = device::choose(arguments.device.name.as_deref())?;
    let job = ByClassifier {
        classifier: arguments.classifier.as_deref(),
        paths,
        datasets: [&real, &fake],
    };
    device::run_on(device, job)
}

/// Refuses tables of other columns, or of other words in a column: rows are compared number by
/// number, and the place of a number tells what it means.
fn check_columns(datasets: [&Dataset; 2], paths: [&Path; 2]) -> Result<()> {
    let [ours, theirs] = datasets.map(|dataset| &dataset.columns);
    if ours.is_empty() || theirs.is_empty() {
        return Ok(());
    }
    let name = |columns: &[String], at: usize| match columns.get(at) {
        Some(name) => shown(name),
        None => "nothing".to_owned(),
    };
    let all = ours.len().max(theirs.len());
    if let Some(at) = (0..all).find(|&at| ours.get(at) != theirs.get(at)) {
        bail!(
            "the value {} of a row is {} in {} and {} in {}; give tables of the same columns and \
             words, in one order",
            at + 1,
            name(ours, at),
            paths[0].display(),
            name(theirs, at),
            paths[1].display()
        );
    }
    Ok(())
}

/// The rows of a dataset as they are.
fn rows(dataset: &Dataset) -> Cloud {
    Cloud::Points(dataset.values().into_owned(), dataset.dim())
}

/// The features of pictures by Inception, or statistics of such features.
fn of_pictures(
    arguments: &Distance,
    paths: [&Path; 2],
    known: [Option<Moments>; 2],
    weights: &Path,
) -> Result<(Option<String>, [Cloud; 2])> {
    if known.iter().all(Option::is_some) {
        bail!(Usage(
            "--inception has no effect on two files of statistics; leave it out".into()
        ));
    }
    let [real, fake] = known;
    let sources = [pictures(paths[0], real)?, pictures(paths[1], fake)?];
    let device = device::choose(arguments.device.name.as_deref())?;
    let job = ByInception {
        weights,
        resizing: (arguments.inception.resize).unwrap_or(Resizing::PytorchFid),
        sources,
    };
    device::run_on(device, job)
}

/// Pictures, or statistics of their features.
enum Pictures {
    Set(PictureSet),
    Moments(Moments),
}

fn pictures(path: &Path, known: Option<Moments>) -> Result<Pictures> {
    if let Some(moments) = known {
        return Ok(Pictures::Moments(moments));
    }
    let set = with_progress(|loading| {
        let options = DataSource::default().options();
        Ok(PictureSet::open(
            path,
            &options,
            &loading.cache,
            loading.progress,
        )?)
    })?;
    if set.len() < 2 || !matches!(set.shape[0], 1 | 3) {
        bail!(Usage(format!(
            "{} has {} pictures of shape {:?}; FID needs two or more of 1 or 3 channels",
            path.display(),
            set.len(),
            set.shape
        )));
    }
    Ok(Pictures::Set(set))
}

/// Computes the features of pictures.
struct ByInception<'a> {
    weights: &'a Path,
    resizing: Resizing,
    sources: [Pictures; 2],
}

impl Job for ByInception<'_> {
    type Output = Result<(Option<String>, [Cloud; 2])>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let network = pyroclast_weights::inception::<B>(self.weights, &device)?;
        let bar = Bar::new("computing features");
        let mut about = None;
        let mut cloud = |source: Pictures, first: f64| -> Result<Cloud> {
            let set = match source {
                Pictures::Moments(moments) => return Ok(Cloud::Moments(moments)),
                Pictures::Set(set) => set,
            };
            let network = InceptionFeatures::new(network.clone(), set.shape, self.resizing);
            about = Some(network.about());
            let width = set.pixels.width();
            let (mut row, mut features) = (vec![0; width], Vec::new());
            // Pictures need not fit into memory; their features do.
            for start in (0..set.len()).step_by(READ) {
                let rows = start..set.len().min(start + READ);
                let mut levels = Vec::with_capacity(rows.len() * width);
                for i in rows {
                    set.pixels.read(i, &mut row)?;
                    levels.extend(row.iter().map(|&level| f32::from(level)));
                }
                features.extend(network.features(&levels, &device, &mut |share| {
                    let done = start as f64 + share * READ as f64;
                    bar.at(first + 0.5 * (done / set.len() as f64).min(1.0));
                }));
            }
            if features.iter().any(|value| !value.is_finite()) {
                bail!(
                    "{} gives features that are not finite; give pytorch-fid's file",
                    self.weights.display()
                );
            }
            let dim = features.len() / set.len();
            Ok(Cloud::Points(features, dim))
        };
        let [real, fake] = self.sources;
        let clouds = [cloud(real, 0.0)?, cloud(fake, 0.5)?];
        Ok((about, clouds))
    }
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
struct ByClassifier<'a> {
    /// The file of the classifier; `None` for the built-in one.
    classifier: Option<&'a Path>,
    paths: [&'a Path; 2],
    datasets: [&'a Dataset; 2],
}

impl Job for ByClassifier<'_> {
    type Output = Result<(Option<String>, [Cloud; 2])>;

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
        let of = |dataset: &Dataset| classifier.features(&dataset.values(), &device, &mut |_| {});
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
        let clouds = found.map(|features| Cloud::Points(features, width));
        Ok((Some(classifier.about()), clouds))
    }
}
