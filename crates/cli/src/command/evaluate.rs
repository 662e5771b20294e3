//! `pyroclast evaluate`: scores a model, in a table or as JSON.

use super::reconstruct::reconstructions;
use super::{data_of, is_autoencoder, open_any};
use crate::Usage;
use crate::args::{Evaluate, Features};
use crate::device::{self, Job};
use crate::export::check_file;
use crate::features;
use crate::memory::{self, product};
use crate::plan::{check_guidance, plan};
use crate::progress::Bar;
use crate::report;
use crate::say::{around, fixed, note, say};
use anyhow::{Context, Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::network::Network;
use pyroclast_core::path::Source;
use pyroclast_metrics::evaluate::{Named, Protocol, Scores, evaluate, spreads};
use pyroclast_metrics::{ColumnScore, FEATURE_METRICS, Spread};
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::config::Config;
use pyroclast_train::draw::{GridName, Plan, Stepping};
use pyroclast_train::model::Model;
use pyroclast_train::stored_model::{StoredModel, WithModel};
use pyroclast_train::task::Task;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;

/// The default number of samples.
const N: usize = 10_000;

/// The default number of steps of the bound of a continuous process.
const BOUND_STEPS: u32 = 250;

/// The number of samples whose terms of a bound are held at once.
const ROWS_OF_BOUND: usize = 256;

/// The default number of held-out samples for the likelihood: of points, and of images.
const LIKELIHOODS: (usize, usize) = (2000, 64);

pub(crate) fn run(arguments: Evaluate) -> Result<ExitCode> {
    let stored = open_any(&arguments.model)?;
    if is_autoencoder(&stored) {
        return reconstructions(&arguments, &stored);
    }
    let config = &stored.config();
    let plan = plan(&arguments.solver, config, arguments.seed, true)?;
    let device = device::choose(arguments.model.device.name.as_deref())?;
    let task = data_of(&stored, &arguments.model.run)?;
    check_guidance(&arguments.solver, &plan, &task)?;
    let most = task.most_test_points();
    if most < 2 {
        bail!(
            "{} has too few rows to evaluate; at least 4 are needed",
            task.training.name
        );
    }
    let n = match arguments.n {
        Some(n) if n as usize > most => bail!(Usage(format!(
            "-n {n} is more than half of the data, which is {most}; give -n {most} or less"
        ))),
        Some(n) => n as usize,
        None => N.min(most),
    };
    let usual = if task.training.is_image() {
        LIKELIHOODS.1
    } else {
        LIKELIHOODS.0
    };
    let likelihoods = arguments.likelihoods.map_or(usual, |n| n as usize);
    let is_diffusion = config.path.knows_score() && !config.objective.prediction.is_velocity();
    let bounds = match (arguments.bounds, is_diffusion) {
        (Some(n), _) => n as usize,
        (None, true) => likelihoods,
        (None, false) => 0,
    };
    let is_of_latents = stored.header().about.latents.is_some();
    check_densities(&arguments, bounds, config, &task, is_of_latents)?;
    if let Some(path) = &arguments.bound_terms {
        check_terms(path, bounds)?;
    }
    let bound_steps = arguments.bound_steps.unwrap_or(BOUND_STEPS);
    memory::check(
        &format!("-n {n}"),
        // Samples, noise, and two sets of data.
        product([n as u64, task.training.dim() as u64, 4, 4]),
        "ask for fewer",
    )?;
    memory::check_steps(plan.steps().unwrap_or(0))?;
    if bounds > 0 && config.path.schedule.table().is_none() {
        let rows = bounds.min(ROWS_OF_BOUND) as u64;
        memory::check(
            &format!("--bound-steps {bound_steps}"),
            product([u64::from(bound_steps), rows, 4]),
            "take fewer",
        )?;
    }
    let scored = plan.clone();
    let job = Evaluation {
        stored: &stored,
        task: &task,
        protocol: Protocol {
            n,
            plan,
            likelihoods,
            bounds,
            bound_steps: bound_steps as usize,
            latents: stored.latents()?,
            intervals: arguments.seeds == 1,
        },
        features: &arguments.features,
        repetitions: u64::from(arguments.seeds),
    };
    let (scores, features) = device::run_on(device, job)?;
    // A reader that leaves must not cost the file, nor a file that cannot be written the scores.
    let written = match &arguments.bound_terms {
        Some(path) => write_terms(path, &scores),
        None => Ok(()),
    };
    let json = as_json(&scores, n, &scored, &stored.weights(), features.as_deref());
    let kept = match stored.run() {
        Some(run) => report::keep_scores(run, &json).and_then(|()| {
            let about = &stored.header().about;
            let config = Config::of_run(run)?.unwrap_or_else(|| stored.config());
            report::write(run, &config.to_toml(), &about.data).map(|_| ())
        }),
        None => Ok(()),
    };
    if arguments.json {
        say!("{json}");
    } else {
        print_table(&scores, n, &scored, &stored.weights(), &task);
        if let Some(features) = features {
            say!("features: {features}");
        }
    }
    written?;
    // A run that may only be read can be evaluated all the same.
    if let Err(error) = kept {
        note!("warning: the scores are not in the report: {error:#}");
    }
    Ok(ExitCode::SUCCESS)
}

struct Evaluation<'a> {
    stored: &'a StoredModel,
    task: &'a Task,
    protocol: Protocol,
    features: &'a Features,
    repetitions: u64,
}

impl Job for Evaluation<'_> {
    type Output = Result<(Vec<Scores>, Option<String>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        self.stored.with_model::<Autodiff<B>, _>(&device, self)?
    }
}

impl<B: Backend> WithModel<Autodiff<B>> for Evaluation<'_> {
    type Output = Result<(Vec<Scores>, Option<String>)>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let (flow, device) = (&model.flow, &model.device::<Autodiff<B>>());
        let network =
            features::network::<B>(self.features, &self.stored.config(), self.task, device)?;
        let bar = Bar::new("drawing samples");
        let about = network.as_ref().map(|network| network.about());
        let scores: Result<_> = (0..self.repetitions)
            .map(|k| {
                let (network, protocol) = (network.as_deref(), &self.protocol);
                let seen = &mut |what: &'static str, share: f64| {
                    bar.doing(what);
                    bar.at((k as f64 + share) / self.repetitions as f64);
                };
                let scores =
                    evaluate::<B, _, _, D>(flow, self.task, protocol, network, k, device, seen);
                Ok(scores?)
            })
            .collect();
        Ok((scores?, about))
    }
}

/// Checks before an evaluation that the terms of a bound can be written after it.
fn check_terms(path: &Path, bounds: usize) -> Result<()> {
    if bounds == 0 {
        bail!(Usage(
            "--bound-terms has no bound to write; ask for one with --bounds 64".into()
        ));
    }
    check_file(path)
}

/// Refuses what asks for a likelihood or a bound that this model and data do not have.
fn check_densities(
    arguments: &Evaluate,
    bounds: usize,
    config: &Config,
    task: &Task,
    is_of_latents: bool,
) -> Result<()> {
    let has_density =
        config.path.source == Source::Normal && !task.validation.is_empty() && !is_of_latents;
    let asks = |n: Option<u32>| n.is_some_and(|n| n > 0);
    let flags = [
        ("likelihoods", asks(arguments.likelihoods)),
        ("bounds", asks(arguments.bounds)),
        ("bound-terms", arguments.bound_terms.is_some()),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, is_given)| *is_given && !has_density) {
        bail!(Usage(format!(
            "--{flag} has nothing to compute: a density needs path.source=normal, held-out data \
             (data.validation), and a model of the data itself, not of latents; leave it out"
        )));
    }
    let is_continuous = config.path.schedule.table().is_none();
    match arguments.bound_steps {
        Some(_) if !is_continuous => bail!(Usage(
            "--bound-steps has no effect on a chain, whose steps are its indices; leave it out"
                .into()
        )),
        Some(_) if bounds == 0 => bail!(Usage(
            "--bound-steps has no effect without a bound; ask for one with --bounds 64".into()
        )),
        _ => Ok(()),
    }
}

/// Writes the terms of the bound of the first repetition, noisiest first: in bits per dimension for
/// pixels, otherwise in nats per sample.
fn write_terms(path: &Path, scores: &[Scores]) -> Result<()> {
    let Some(elbo) = scores.first().and_then(|scores| scores.elbo.as_ref()) else {
        bail!("there is no bound to write to {}", path.display());
    };
    let (unit, scale) = match elbo.total.bits_per_dimension {
        Some(bits) => ("bits_per_dimension", bits / elbo.total.nats),
        None => ("nats", 1.0),
    };
    let last = elbo.terms.len() - 1;
    let mut text = format!("term,kind,{unit}\n");
    for (i, nats) in elbo.terms.iter().enumerate() {
        let kind = match i {
            0 => "prior",
            i if i == last => "reconstruction",
            _ => "step",
        };
        text += &format!("{i},{kind},{}\n", nats * scale);
    }
    write_atomically(path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn steps(plan: &Plan) -> String {
    match plan.stepping {
        Stepping::Fixed(_, GridName::Given(ref times)) => {
            format!("{} at {} given times", plan.method, times.len())
        }
        Stepping::Fixed(steps, _) => format!("{} {steps} steps", plan.method),
        Stepping::Adaptive(t) => format!("{} rtol {:e} atol {:e}", plan.method, t.rtol, t.atol),
    }
}

fn print_table(scores: &[Scores], n: usize, plan: &Plan, weights: &str, task: &Task) {
    say!(
        "{}: {n} samples against {n} data points, {}, weights {weights}, {} seed{}",
        task.training.name,
        steps(plan),
        scores.len(),
        if scores.len() == 1 { "" } else { "s" }
    );
    for Named { key, name, value } in spreads(scores) {
        let Some(value) = value else {
            match key {
                // Printed once for all metrics of features.
                key if key == FEATURE_METRICS[0].key => {
                    let remedy = "see --features and --inception";
                    say!("{name:<28} not available without a classifier; {remedy}");
                }
                "nll" => match task
                    .training
                    .table
                    .as_ref()
                    .and_then(|t| t.without_density())
                {
                    Some(column) => say!(
                        "{name:<28} not available: column {:?} holds no real numbers",
                        column.name
                    ),
                    None => say!("{name:<28} not available, or not asked for"),
                },
                "npe" | "straightness" => say!("{name:<28} not available for this method"),
                _ => {}
            }
            continue;
        };
        let interval = value.interval.map_or_else(String::new, |interval| {
            format!(" {}", around(value.mean, interval, 4))
        });
        let std = value
            .std
            .map_or_else(String::new, |std| format!(", std {}", fixed(std, 4)));
        say!("{name:<28} {:>10}{interval}{std}", fixed(value.mean, 4));
    }
    for (column, [score, floor]) in columns(scores) {
        let name = format!("{} of {:?}", column.distance.name(), column.name);
        say!(
            "{name:<28} {:>10.4}, of a perfect sampler {:.4}",
            score.mean,
            floor.mean
        );
    }
    match scores.len() {
        1 => say!("±, or from … to …: 95 % intervals of one seed, from subsets or of shares"),
        n => say!("±: 95 % intervals of the means over {n} seeds; std: standard deviations"),
    }
}

/// Each column of a table, with the spread of its score and of that of a perfect sampler.
fn columns(scores: &[Scores]) -> Vec<(&ColumnScore, [Spread; 2])> {
    let tables: Vec<_> = scores.iter().filter_map(|s| s.table.as_ref()).collect();
    let Some(first) = tables.first() else {
        return Vec::new();
    };
    let spread = |i: usize, of: fn(&ColumnScore) -> f64| {
        let values: Vec<f64> = tables.iter().map(|table| of(&table.columns[i])).collect();
        Spread::of(&values)
    };
    (first.columns.iter().enumerate())
        .map(|(i, column)| (column, [spread(i, |c| c.score), spread(i, |c| c.floor)]))
        .collect()
}

fn as_json(
    scores: &[Scores],
    n: usize,
    plan: &Plan,
    weights: &str,
    features: Option<&str>,
) -> Value {
    let mut object = Map::new();
    object.insert("n".into(), json!(n));
    object.insert("seeds".into(), json!(scores.len()));
    object.insert("method".into(), json!(plan.method.name));
    object.insert("weights".into(), json!(weights));
    if let Some(features) = features {
        object.insert("features".into(), json!(features));
    }
    for Named { key, value, .. } in spreads(scores) {
        let value = value.map(|value| {
            json!({
                "mean": value.mean,
                "std": value.std,
                "low": value.interval.map(|interval| interval.low),
                "high": value.interval.map(|interval| interval.high),
            })
        });
        object.insert(key.into(), value.unwrap_or(Value::Null));
    }
    let columns: Vec<Value> = (columns(scores).iter())
        .map(|(column, [score, floor])| {
            json!({
                "name": column.name,
                "distance": column.distance.key(),
                "mean": score.mean,
                "std": score.std,
                "floor": floor.mean,
            })
        })
        .collect();
    if !columns.is_empty() {
        object.insert("columns".into(), Value::Array(columns));
    }
    Value::Object(object)
}
