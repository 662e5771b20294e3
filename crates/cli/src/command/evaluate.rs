//! `pyroclast evaluate`: scores a model, in a table or as JSON.

mod against;
mod scored;

use super::reconstruct::reconstructions;
use super::{data_of, is_autoencoder, open, open_any};
use crate::Usage;
use crate::args::{self, Evaluate, Features};
use crate::device::{self, Job};
use crate::export::check_file;
use crate::features;
use crate::memory::{self, product};
use crate::plan::{check_guidance, plan};
use crate::progress::Bar;
use crate::report;
use crate::say::{note, say};
use against::{check_same_data, differences_as_json, print_differences};
use anyhow::{Context, Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::network::Network;
use pyroclast_core::path::Source;
use pyroclast_kernels::Precision;
use pyroclast_metrics::evaluate::{Protocol, Scores, evaluate};
use pyroclast_train::atomic_file::write_atomically;
use pyroclast_train::config::Config;
use pyroclast_train::learn::Group;
use pyroclast_train::model::Model;
use pyroclast_train::stored_model::{StoredModel, WithModel};
use pyroclast_train::task::Task;
use scored::Scored;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// The default number of samples.
const N: usize = 10_000;

/// The default number of steps of the bound of a continuous process.
const BOUND_STEPS: u32 = 250;

/// The number of samples whose terms of a bound are held at once.
const ROWS_OF_BOUND: usize = 256;

/// The default number of held-out samples for the likelihood: of points, and of images.
const LIKELIHOODS: (usize, usize) = (2000, 64);

/// The default number of repetitions: of one model, and of two that are compared.
const SEEDS: (u32, u32) = (1, 5);

pub(crate) fn run(arguments: Evaluate, group: &Arc<dyn Group>) -> Result<ExitCode> {
    let stored = open_any(&arguments.model)?;
    if is_autoencoder(&stored) {
        if group.size() > 1 {
            bail!(Usage(
                "an autoencoder is evaluated by one process, and MPI has started several".into()
            ));
        }
        return reconstructions(&arguments, stored);
    }
    let other = match &arguments.against {
        Some(path) => Some(open_other(&arguments.model, path)?),
        None => None,
    };
    let usual = if other.is_some() { SEEDS.1 } else { SEEDS.0 };
    let seeds = arguments.seeds.unwrap_or(usual);
    let device = device::of(&arguments.model)?;
    let ours = Subject::new(&stored, &arguments.model.run, &arguments, seeds, group)?;
    let theirs = match (&other, &arguments.against) {
        (Some(stored), Some(path)) => {
            let theirs = Subject::new(stored, path, &arguments, seeds, group)?;
            check_same_data(&ours, &theirs)?;
            Some(theirs)
        }
        _ => None,
    };
    if let Some(path) = &arguments.bound_terms {
        check_terms(path, ours.protocol.bounds)?;
    }
    let (ours, theirs) = device::run_in(
        arguments.model.precision,
        device,
        Evaluation { ours, theirs },
    )?;
    if !group.leads() {
        return Ok(ExitCode::SUCCESS);
    }
    // A reader that leaves must not cost the file, nor a file that cannot be written the scores.
    let written = match &arguments.bound_terms {
        Some(path) => write_terms(path, &ours.scores),
        None => Ok(()),
    };
    let json = Value::Object(ours.as_json());
    let kept = match stored.run() {
        Some(run) => report::keep_scores(run, &json).and_then(|()| {
            let about = &stored.header().about;
            let config = Config::of_run(run)?.unwrap_or_else(|| stored.config());
            report::write(run, &config.to_toml(), &about.data).map(|_| ())
        }),
        None => Ok(()),
    };
    match (&theirs, arguments.json) {
        (None, false) => ours.print(),
        (Some(theirs), false) => print_differences(&ours, theirs),
        (None, true) => say!("{json}"),
        (Some(theirs), true) => say!("{}", Value::Object(differences_as_json(&ours, theirs))),
    }
    written?;
    // A run that may only be read can be evaluated all the same.
    if let Err(error) = kept {
        note!("warning: the scores are not in the report: {error:#}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the model to compare with, whose weights are chosen as those of ours.
fn open_other(ours: &args::Model, path: &Path) -> Result<StoredModel> {
    open(&args::Model {
        run: path.to_owned(),
        weights: ours.weights,
        device: args::Device { name: None },
        precision: ours.precision,
    })
}

/// A model to score, and all that is decided before it is.
struct Subject<'a> {
    stored: &'a StoredModel,
    path: &'a Path,
    task: Task,
    protocol: Protocol,
    features: &'a Features,
    precision: Precision,
    repetitions: u64,
}

impl<'a> Subject<'a> {
    /// A model as the command line asks to score it.
    fn new(
        stored: &'a StoredModel,
        path: &'a Path,
        arguments: &'a Evaluate,
        seeds: u32,
        group: &Arc<dyn Group>,
    ) -> Result<Self> {
        let config = &stored.config();
        let plan = plan(&arguments.solver, config, arguments.seed, true)?;
        let task = data_of(stored, path)?;
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
        check_densities(arguments, bounds, config, &task, is_of_latents)?;
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
        let protocol = Protocol {
            n,
            plan,
            likelihoods,
            bounds,
            bound_steps: bound_steps as usize,
            latents: stored.latents()?,
            group: group.clone(),
            intervals: seeds == 1,
        };
        Ok(Self {
            stored,
            path,
            task,
            protocol,
            features: &arguments.features,
            precision: arguments.model.precision,
            repetitions: u64::from(seeds),
        })
    }

    /// Draws the samples of all repetitions and scores them.
    fn scored<B: Backend>(self, device: &B::Device) -> Result<Scored<'a>> {
        let scoring = Scoring(&self);
        let (scores, features) = (self.stored).with_model::<Autodiff<B>, _>(device, scoring)??;
        Ok(Scored {
            scores,
            features,
            subject: self,
        })
    }
}

/// One model, or two that are compared.
struct Evaluation<'a> {
    ours: Subject<'a>,
    theirs: Option<Subject<'a>>,
}

impl<'a> Job for Evaluation<'a> {
    type Output = Result<(Scored<'a>, Option<Scored<'a>>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let ours = self.ours.scored::<B>(&device)?;
        let theirs = self.theirs.map(|theirs| theirs.scored::<B>(&device));
        Ok((ours, theirs.transpose()?))
    }
}

struct Scoring<'a, 'b>(&'a Subject<'b>);

impl<B: Backend> WithModel<Autodiff<B>> for Scoring<'_, '_> {
    type Output = Result<(Vec<Scores>, Option<String>)>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let Self(subject) = self;
        let (flow, task) = (&model.flow, &subject.task);
        let device = &model.device::<Autodiff<B>>();
        let config = subject.stored.config();
        let network = match subject.protocol.group.leads() {
            true => features::network::<B>(subject.features, &config, task, device)?,
            false => None,
        };
        let bar = Bar::new("drawing samples");
        let about = network.as_ref().map(|network| network.about());
        let scores: Result<_> = (0..subject.repetitions)
            .filter_map(|k| {
                let (network, protocol) = (network.as_deref(), &subject.protocol);
                let seen = &mut |what: &'static str, share: f64| {
                    bar.doing(what);
                    bar.at((k as f64 + share) / subject.repetitions as f64);
                };
                let scores = evaluate::<B, _, _, D>(flow, task, protocol, network, k, device, seen);
                scores.map_err(Into::into).transpose()
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
