//! `pyroclast compare`.

use super::evaluate::classifier;
use crate::Usage;
use crate::args::Compare;
use crate::device::{self, Job};
use crate::model::{WithFlow, with_flow};
use crate::picture::{Series, line_chart, save_png};
use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use indicatif::ProgressBar;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::{Labels, Network};
use pyroclast_core::noise::Noise;
use pyroclast_train::comparison::{Comparison, Contest, Entry, compare};
use pyroclast_train::config::Config;
use pyroclast_train::ema::Averaged;
use pyroclast_train::run::Run;
use pyroclast_train::sampler::{MethodName, Plan};
use pyroclast_train::task::Task;
use pyroclast_train::training::AnySchedule;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// What is compared where nothing else is asked for.
const METHODS: [MethodName; 11] = [
    MethodName::Ddim,
    MethodName::HeunEdm,
    MethodName::Dpmpp2s,
    MethodName::Dpmpp2m,
    MethodName::Dpmpp3m,
    MethodName::UniPc,
    MethodName::Deis,
    MethodName::Lms,
    MethodName::Pndm,
    MethodName::Ddpm,
    MethodName::DpmppSde,
];

pub(crate) fn run(arguments: Compare) -> Result<ExitCode> {
    let (run, config) = Run::open(&arguments.run)?;
    let device = device::choose(arguments.device.as_deref())?;
    let task = Task::load(&config.data, Noise::new(config.training.seed))?;
    let methods = match arguments.methods.is_empty() {
        true => METHODS.to_vec(),
        false => arguments.methods.clone(),
    };
    if let Some(method) = methods.iter().find(|m| m.is_stochastic())
        && !config.knows_score()
    {
        bail!(Usage(format!(
            "{method} needs the score, which this model does not tell; leave it out with --methods ddim,heun-edm,dpmpp-2m"
        )));
    }
    let contest = Contest {
        methods,
        budgets: arguments.evaluations.iter().map(|&n| n as usize).collect(),
        n: arguments.n as usize,
        plan: Plan {
            guidance: arguments.guidance,
            ..config.plan(arguments.seed)
        },
        grid: arguments.grid.unwrap_or(config.sampling.grid.clone()),
    };
    let job = Comparing {
        run: &run,
        config: &config,
        task: &task,
        contest: &contest,
        weights: arguments.weights,
        features: arguments.features.as_deref(),
    };
    let comparison = device::run_on(device, job)?;
    if arguments.json {
        println!("{}", as_json(&comparison, &contest));
    } else {
        print_table(&comparison, &contest, &task);
    }
    let out = arguments
        .out
        .unwrap_or_else(|| run.folder().join("samplers.png"));
    draw(&out, &comparison, &contest, &task)?;
    if !arguments.json {
        println!("\npicture: {}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

struct Comparing<'a> {
    run: &'a Run,
    config: &'a Config,
    task: &'a Task,
    contest: &'a Contest,
    weights: Averaged,
    features: Option<&'a Path>,
}

impl Job for Comparing<'_> {
    type Output = Result<Comparison>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let (run, config, task) = (self.run, self.config, self.task);
        with_flow::<B, _>(run, config, task, self.weights, &device, self)
    }
}

impl WithFlow for Comparing<'_> {
    type Output = Comparison;

    fn with<B, N, const D: usize>(
        self,
        flow: &Flow<N, AnySchedule>,
        device: &B::Device,
    ) -> Result<Comparison>
    where
        B: Backend,
        N: Network<Autodiff<B>, D, Condition = Labels<Autodiff<B>>> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D, Condition = Labels<B>>,
    {
        let Some(classifier) = classifier::<B>(self.features, self.config, self.task, device)?
        else {
            bail!(Usage(format!(
                "samples of {} have no features yet; make a classifier with `pyroclast classifier` and give it with --features",
                self.task.training.name
            )));
        };
        let entries = self.contest.methods.len() * self.contest.budgets.len();
        // indicatif hides the bar by itself where nobody watches.
        let bar = ProgressBar::new(entries as u64);
        bar.tick();
        let flow = flow.valid();
        let seen = &mut |_: &Entry| bar.inc(1);
        let found = compare(&flow, self.task, self.contest, &classifier, device, seen);
        bar.finish_and_clear();
        Ok(found?)
    }
}

/// A method's distances, one a budget.
fn row(
    comparison: &Comparison,
    method: MethodName,
    distance: fn(&Entry) -> f64,
) -> impl Iterator<Item = (usize, f64)> {
    (comparison.entries.iter())
        .filter(move |entry| entry.method == method)
        .map(move |entry| (entry.evaluations, distance(entry)))
}

fn print_table(comparison: &Comparison, contest: &Contest, task: &Task) {
    println!(
        "{}: Fréchet distance of {} samples to the data, guidance {}; in brackets to what the model makes by 250 steps,\n\
         whose own distance to the data is {:.3}\n",
        task.training.name, contest.n, contest.plan.guidance, comparison.limit_to_data
    );
    let heads = contest.budgets.iter().map(|n| format!("{n} evaluations"));
    println!("| method | {} |", heads.collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(contest.budgets.len()));
    for &method in &contest.methods {
        let to_data = row(comparison, method, |e| e.to_data);
        let to_limit = row(comparison, method, |e| e.to_limit);
        let cells = to_data
            .zip(to_limit)
            .map(|((_, data), (_, limit))| format!("{data:.3} ({limit:.3})"));
        println!("| {method} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn as_json(comparison: &Comparison, contest: &Contest) -> Value {
    let entries: Vec<Value> = (comparison.entries.iter())
        .map(|entry| {
            json!({
                "method": entry.method.name(),
                "budget": entry.budget,
                "steps": entry.steps,
                "evaluations": entry.evaluations,
                "frechet_to_data": entry.to_data,
                "frechet_to_limit": entry.to_limit,
            })
        })
        .collect();
    json!({
        "n": contest.n,
        "guidance": contest.plan.guidance,
        "limit_to_data": comparison.limit_to_data,
        "entries": entries,
    })
}

fn draw(path: &Path, comparison: &Comparison, contest: &Contest, task: &Task) -> Result<()> {
    let series: Vec<Series> = (contest.methods.iter())
        .map(|&method| {
            let points = row(comparison, method, |e| e.to_limit);
            Series::measured(method.name(), points.map(|(x, y)| (x as f64, y)))
        })
        .collect();
    let title = format!(
        "{}: how far samples are from those of 250 steps",
        task.training.name
    );
    let names = ["evaluations", "Fréchet distance"];
    Ok(save_png(path, &line_chart(&series, &title, names))?)
}
