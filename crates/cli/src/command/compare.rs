//! `pyroclast compare`: compares samplers at equal cost, in a table and a picture.

use super::{data_of, open};
use crate::Usage;
use crate::args::{Compare, Features};
use crate::device::{self, Job};
use crate::export::{check_picture, save_png};
use crate::features;
use crate::memory::{self, product};
use crate::plan::{check_unguided, unguided};
use crate::progress::Bar;
use crate::say::{fixed, say};
use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::network::Network;
use pyroclast_metrics::comparison::{Comparison, Contest, Entry, Found, compare};
use pyroclast_plot::{Series, line_chart};
use pyroclast_train::draw::{GridName, Kind, MethodName, Plan, SampleError};
use pyroclast_train::model::Model;
use pyroclast_train::stored_model::{StoredModel, WithModel};
use pyroclast_train::task::Task;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(arguments: Compare) -> Result<ExitCode> {
    let stored = open(&arguments.model)?;
    let config = &stored.config();
    check_unguided(config, arguments.guidance)?;
    if let Some(out) = &arguments.out {
        check_picture(out)?;
    }
    let device = device::of(&arguments.model)?;
    let task = data_of(&stored, &arguments.model.run)?;
    if arguments.guidance != 1.0 && !task.training.conditions().any() {
        bail!(unguided("guidance", &task));
    }
    let named = !arguments.methods.is_empty();
    // What a model of few steps is for is compared with what any other model does.
    let jumps = config.objective.prediction.takes_duration();
    let usual = || {
        let all = MethodName::ALL.iter();
        all.filter(|method| method.is_compared || (jumps && method.kind == Kind::FlowMap))
    };
    let mut methods = if named {
        arguments.methods.clone()
    } else {
        usual().copied().collect()
    };
    let mut known = HashSet::new();
    methods.retain(|method| known.insert(method.name));
    let plan = Plan {
        guidance: arguments.guidance,
        ..config.plan(arguments.seed)
    };
    let mut left_out: Vec<LeftOut> = Vec::new();
    let unknown = |method: MethodName| {
        let checked = plan
            .with_method(method)
            .check_score(&config.path, &config.objective());
        checked.err().map(|error| error.to_string())
    };
    if let Some(error) = arguments.methods.iter().find_map(|method| unknown(*method)) {
        bail!(Usage(error));
    }
    methods.retain(|&method| {
        let error = unknown(method);
        let is_known = error.is_none();
        left_out.extend(error.map(|error| (method.name, error)));
        is_known
    });
    let grid = arguments.grid.unwrap_or(config.sampling.grid.clone());
    if let GridName::Given(_) = grid {
        bail!(Usage(format!(
            "the times {grid} give every budget the same steps; give --grid auto, uniform, karras \
             or log-snr"
        )));
    }
    memory::check(
        &format!("-n {}", arguments.n),
        // Noise, samples of a method and of the limit.
        product([u64::from(arguments.n), task.training.dim() as u64, 4, 3]),
        "ask for fewer",
    )?;
    let most = arguments.evaluations.iter().max();
    memory::check_steps(most.map_or(0, |&n| n as usize))?;
    let mut contest = Contest {
        methods,
        budgets: arguments.evaluations.iter().map(|&n| n as usize).collect(),
        n: arguments.n as usize,
        plan,
        grid,
        latents: stored.latents()?,
    };
    let job = Comparing {
        stored: &stored,
        task: &task,
        contest: &contest,
        named,
        features: &arguments.features,
    };
    let (mut comparison, unserved) = device::run_in(arguments.model.precision, device, job)?;
    left_out.extend(unserved);
    (contest.methods).retain(|method| !left_out.iter().any(|(name, _)| *name == method.name));
    // A step of some methods costs more than a small budget, and one with guidance two evaluations
    // for one.
    let cost = if arguments.guidance == 1.0 { 1 } else { 2 };
    let is_beyond = |entry: &Entry| {
        let found = entry.found.as_ref();
        found.is_ok_and(|found| found.evaluations > cost * entry.budget)
    };
    let beyond: Vec<Entry> = comparison
        .entries
        .extract_if(.., |entry| is_beyond(entry))
        .collect();
    let folder = stored.run().map_or(Path::new(""), |run| run.folder());
    let out = (arguments.out).unwrap_or_else(|| folder.join("samplers.png"));
    // A reader that leaves must not cost the picture, nor a picture that fails the table.
    let drawn = draw(&out, &comparison, &contest, &task);
    if arguments.json {
        say!("{}", as_json(&comparison, &contest, &left_out, &beyond));
    } else {
        print_table(&comparison, &contest, &left_out, &task);
        print_beyond(&beyond, cost);
    }
    drawn?;
    if !arguments.json {
        say!("\npicture: {}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of a method that is not compared, and the reason.
type LeftOut = (&'static str, String);

struct Comparing<'a> {
    stored: &'a StoredModel,
    task: &'a Task,
    contest: &'a Contest,
    /// Whether the user named the methods, so that none may be left out.
    named: bool,
    features: &'a Features,
}

impl Job for Comparing<'_> {
    type Output = Result<(Comparison, Vec<LeftOut>)>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        self.stored.with_model::<Autodiff<B>, _>(&device, self)?
    }
}

impl<B: Backend> WithModel<Autodiff<B>> for Comparing<'_> {
    type Output = Result<(Comparison, Vec<LeftOut>)>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let (flow, device) = (&model.flow, &model.device::<Autodiff<B>>());
        let network =
            features::network::<B>(self.features, &self.stored.config(), self.task, device)?;
        let Some(network) = network else {
            bail!(Usage(format!(
                "there is no classifier for {}; make one with `pyroclast classifier` and give it \
                 with --features",
                self.task.training.name
            )));
        };
        let flow = flow.valid();
        let unserved = self.contest.unserved::<B, _, D>(&flow);
        let mut contest = self.contest.clone();
        (contest.methods).retain(|method| !unserved.iter().any(|(name, _)| *name == method.name));
        // If no method can run, the model or the grid is wrong, so nothing is left out silently.
        if let Some((method, error)) = unserved.first()
            && (self.named || contest.methods.is_empty())
        {
            bail!(refused(method, error));
        }
        let entries = contest.methods.len() * contest.budgets.len();
        let bar = Bar::new("drawing samples");
        let mut done = 0;
        let seen = &mut |entry: &Entry| {
            done += 1;
            bar.doing(entry.method);
            bar.at(f64::from(done) / entries as f64);
        };
        let found = compare(&flow, self.task, &contest, &*network, device, seen);
        drop(bar);
        let left_out = unserved
            .into_iter()
            .map(|(m, error)| (m, error.to_string()));
        Ok((found?, left_out.collect()))
    }
}

fn refused(method: &str, error: &SampleError) -> Usage {
    Usage(format!(
        "{method} cannot be compared on this model: {error}; leave it out of --methods"
    ))
}

/// The results of a method, one per budget.
fn row(comparison: &Comparison, method: MethodName) -> impl Iterator<Item = &Entry> {
    (comparison.entries.iter()).filter(move |entry| entry.method == method.name)
}

fn print_table(comparison: &Comparison, contest: &Contest, left_out: &[LeftOut], task: &Task) {
    say!(
        "{}: Fréchet distance of {} samples to the data, guidance {}; in brackets, to samples of \
         {} steps,\nwhose distance to the data is {:.3}\n",
        task.training.name,
        contest.n,
        contest.plan.guidance,
        comparison.limit_steps,
        comparison.limit_to_data
    );
    let heads = contest.budgets.iter().map(|n| match n {
        1 => "1 evaluation".to_owned(),
        n => format!("{n} evaluations"),
    });
    say!("| method | {} |", heads.collect::<Vec<_>>().join(" | "));
    say!("|---|{}", "---|".repeat(contest.budgets.len()));
    for &method in &contest.methods {
        let cells = contest.budgets.iter().map(|budget| {
            let entry = row(comparison, method).find(|entry| entry.budget == *budget);
            match entry.and_then(|entry| entry.found.as_ref().ok()) {
                Some(found) => {
                    format!("{} ({})", fixed(found.to_data, 3), fixed(found.to_limit, 3))
                }
                None => "–".into(),
            }
        });
        say!("| {method} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    for &budget in &contest.budgets {
        print_best(comparison, budget);
    }
    for entry in &comparison.entries {
        if let Err(error) = &entry.found {
            say!(
                "\n{} with {} evaluations: {error}",
                entry.method,
                entry.budget
            );
        }
    }
    for (method, why) in left_out {
        say!("\n{method} is left out: {why}");
    }
}

/// The methods that cannot keep to a budget.
fn print_beyond(entries: &[Entry], cost: usize) {
    for entry in entries {
        if let Ok(found) = &entry.found {
            let used = found.evaluations / cost;
            say!(
                "\n{} takes {used} evaluations at least, more than {}",
                entry.method,
                entry.budget
            );
        }
    }
}

/// Which method is best at a budget, and which may be as good.
fn print_best(comparison: &Comparison, budget: usize) {
    let Some((best, best_found)) = comparison.best(budget) else {
        return;
    };
    let others = (comparison.entries.iter())
        .filter(|entry| entry.budget == budget && entry.method != best.method);
    let intervals: Vec<_> = others
        .filter_map(|entry| {
            let interval = entry.found.as_ref().ok()?.above(best_found).interval?;
            Some((entry.method, interval))
        })
        .collect();
    if intervals.is_empty() {
        return;
    }
    let equal = (intervals.iter()).filter(|(_, interval)| interval.contains(0.0));
    let equal: Vec<&str> = equal.map(|(method, _)| *method).collect();
    let beside = match &equal[..] {
        [] => "and better than all others at 95 %".to_owned(),
        some => format!("not told apart at 95 % from {}", some.join(", ")),
    };
    say!("\nbest of {budget} evaluations: {}, {beside}", best.method);
}

fn as_json(
    comparison: &Comparison,
    contest: &Contest,
    left_out: &[LeftOut],
    beyond: &[Entry],
) -> Value {
    let entries: Vec<Value> = (comparison.entries.iter())
        .map(|entry| {
            let found = entry.found.as_ref();
            let number = |of: fn(&Found) -> f64| found.ok().map(of);
            let best = comparison.best(entry.budget).map(|(_, best)| best);
            let above = found.ok().zip(best).map(|(found, best)| found.above(best));
            let interval = above.and_then(|above| above.interval);
            json!({
                "method": entry.method,
                "budget": entry.budget,
                "steps": entry.steps,
                "evaluations": found.ok().map(|found| found.evaluations),
                "frechet_to_data": number(|found| found.to_data),
                "frechet_to_limit": number(|found| found.to_limit),
                "above_best": above.map(|above| json!({
                    "mean": above.value,
                    "low": interval.map(|interval| interval.low),
                    "high": interval.map(|interval| interval.high),
                })),
                "error": found.err().map(ToString::to_string),
            })
        })
        .collect();
    let left_out: Vec<Value> = (left_out.iter())
        .map(|(method, why)| json!({ "method": method, "why": why }))
        .collect();
    let beyond = beyond.iter().map(|entry| {
        let evaluations = entry.found.as_ref().ok().map(|found| found.evaluations);
        json!({ "method": entry.method, "budget": entry.budget, "evaluations": evaluations })
    });
    json!({
        "n": contest.n,
        "guidance": contest.plan.guidance,
        "limit_steps": comparison.limit_steps,
        "limit_to_data": comparison.limit_to_data,
        "entries": entries,
        "left_out": left_out,
        "beyond": beyond.collect::<Vec<_>>(),
    })
}

fn draw(path: &Path, comparison: &Comparison, contest: &Contest, task: &Task) -> Result<()> {
    let series: Vec<Series> = (contest.methods.iter())
        .map(|&method| {
            let found = row(comparison, method).filter_map(|entry| entry.found.as_ref().ok());
            let points = found.map(|found| (found.evaluations as f64, found.to_limit));
            Series::measured(method.name, points)
        })
        .collect();
    let title = format!(
        "{}: distance of samples from those of {} steps",
        task.training.name, comparison.limit_steps
    );
    let names = ["evaluations", "Fréchet distance"];
    save_png(path, &line_chart(&series, &title, names))
}
