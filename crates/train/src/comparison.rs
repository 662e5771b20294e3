//! Samplers side by side at equal cost, on one trained model.
//!
//! `FD(samples, data)` over methods and numbers of evaluations, and beside it `FD(samples, limit)`: the same model's samples by very many
//! steps, from which a method differs by its own error alone

use crate::classifier::Trained;
use crate::features::features;
use crate::metrics::frechet_distance;
use crate::sampler::{GridName, MethodName, Plan, SampleError, Stepping, sample};
use crate::task::Task;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::{Labels, Network};
use pyroclast_core::noise::Noise;
use pyroclast_core::schedule::Schedule;

/// Steps of the limit.
const LIMIT: usize = 250;

/// What is compared.
#[derive(Debug, Clone)]
pub struct Contest {
    /// The methods.
    pub methods: Vec<MethodName>,
    /// Evaluations of the network that each may spend on a sample.
    pub budgets: Vec<usize>,
    /// Samples of each.
    pub n: usize,
    /// Everything about sampling but the method and its steps.
    pub plan: Plan,
    /// The grid of all methods.
    pub grid: GridName,
}

/// One method at one cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The method.
    pub method: MethodName,
    /// What it was allowed to spend.
    pub budget: usize,
    /// Its steps.
    pub steps: usize,
    /// What it spent.
    pub evaluations: usize,
    /// Fréchet distance of the features of its samples and of the data.
    pub to_data: f64,
    /// Fréchet distance of the features of its samples and of those of the limit.
    pub to_limit: f64,
}

/// All entries, and what they are held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// A method's entries stand together, by rising cost.
    pub entries: Vec<Entry>,
    /// Fréchet distance of the limit and the data: the model's own error.
    pub limit_to_data: f64,
}

/// Runs the contest. All methods start from the same noise; `seen` is shown each entry.
///
/// The data are all that there are, trained on or not, as the model's labels are theirs.
///
/// # Errors
/// [`SampleError`] of the first method that cannot run.
///
/// # Panics
/// If the classifier takes samples of another size.
pub fn compare<B, N, S, const D: usize>(
    flow: &Flow<N, S>,
    task: &Task,
    contest: &Contest,
    classifier: &Trained<B>,
    device: &B::Device,
    seen: &mut dyn FnMut(&Entry),
) -> Result<Comparison, SampleError>
where
    B: Backend,
    N: Network<B, D, Condition = Labels<B>>,
    S: Schedule,
{
    let (dataset, n) = (&task.training, contest.n);
    let x0 = task.source_points(n, Noise::new(contest.plan.seed), 0);
    let labels: Option<Vec<i64>> = (dataset.labels.as_ref()).map(|labels| {
        // Spread over the rows, which may be sorted by class.
        let of = |i: usize| i64::from(labels[i * labels.len() / n % labels.len()]);
        (0..n).map(of).collect()
    });
    let features = |mut values: Vec<f32>| {
        task.scaling.invert(&mut values);
        features(classifier, &values, device)
    };
    let draw = |plan: Plan| -> Result<(Vec<f32>, usize), SampleError> {
        let labels = labels.as_deref();
        let samples = sample(
            flow,
            &x0,
            &dataset.shape,
            labels,
            &plan,
            device,
            &mut |_, _, _| {},
        )?;
        Ok((features(samples.values), samples.statistics.evaluations))
    };
    let data = features([&dataset.values[..], &task.validation.values[..]].concat());
    let (limit, _) = draw(Plan {
        method: MethodName::Dpmpp2m,
        stepping: Stepping::Fixed(LIMIT, contest.grid.clone()),
        ..contest.plan.clone()
    })?;
    let width = limit.len() / n;
    let mut entries = Vec::new();
    for &method in &contest.methods {
        for &budget in &contest.budgets {
            let steps = method.steps_for(budget);
            let (drawn, evaluations) = draw(Plan {
                method,
                stepping: Stepping::Fixed(steps, contest.grid.clone()),
                ..contest.plan.clone()
            })?;
            let entry = Entry {
                method,
                budget,
                steps,
                evaluations,
                to_data: frechet_distance(&data, &drawn, width),
                to_limit: frechet_distance(&limit, &drawn, width),
            };
            seen(&entry);
            entries.push(entry);
        }
    }
    Ok(Comparison {
        entries,
        limit_to_data: frechet_distance(&data, &limit, width),
    })
}
