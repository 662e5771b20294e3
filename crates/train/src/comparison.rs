//! Samplers side by side at equal cost, on one trained model.
//!
//! `FD(samples, data)` over methods and numbers of evaluations, and beside it `FD(samples, limit)`: the same model's samples by very many
//! steps, from which a method differs by its own error alone

use crate::classifier::Trained;
use crate::features::features;
use crate::metrics::frechet_distance;
use crate::sampler::{GridName, MethodName, Plan, SampleError, Stepping, check, sample};
use crate::task::Task;
use burn::tensor::backend::Backend;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::{Labels, Network};
use pyroclast_core::noise::Noise;
use pyroclast_core::schedule::{AnySchedule, Schedule};

/// Steps of the limit, and of a chain of fewer indices all of them.
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
    /// The grid of all methods. Given times are no grid for this: they would be the same steps for every budget.
    pub grid: GridName,
}

impl Contest {
    /// A method's plan at a cost, and its steps.
    fn plan(&self, schedule: &AnySchedule, method: MethodName, budget: usize) -> (Plan, usize) {
        let schedule = self.plan.schedule.as_ref().unwrap_or(schedule);
        let steps = method.steps_for(budget, schedule.at(1.0).sigma == 0.0);
        (self.planned(method, steps), steps)
    }

    fn planned(&self, method: MethodName, steps: usize) -> Plan {
        Plan {
            method,
            stepping: Stepping::Fixed(steps, self.grid.clone()),
            ..self.plan.clone()
        }
    }

    /// The methods that cannot run on the model at some of the costs, and why: nothing is drawn to find out.
    pub fn unserved<B, N, const D: usize>(&self, flow: &Flow<N>) -> Vec<(MethodName, SampleError)>
    where
        B: Backend,
        N: Network<B, D, Condition = Labels<B>>,
    {
        let of = |&method: &MethodName| {
            let plans = (self.budgets.iter())
                .map(|&budget| self.plan(&flow.path.schedule, method, budget).0);
            let mut errors = plans.filter_map(|plan| check::<B, N, D>(flow, &plan).err());
            Some((method, errors.next()?))
        };
        self.methods.iter().filter_map(of).collect()
    }
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
    /// How it came out, or why nothing did.
    pub found: Result<Found, SampleError>,
}

/// What one method's samples are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
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
    /// Steps of the limit.
    pub limit_steps: usize,
    /// Fréchet distance of the limit and the data: the model's own error.
    pub limit_to_data: f64,
}

/// Runs the contest. All methods start from the same noise; `seen` is shown each entry.
///
/// The data are all that there are, trained on or not, as the model's labels are theirs.
///
/// A method that fails keeps its error in its entries, and costs no other its own. [`Contest::unserved`] names beforehand those that the model
/// cannot serve.
///
/// # Errors
/// [`SampleError`] of the limit, before any method is run.
///
/// # Panics
/// If the classifier takes samples of another size.
pub fn compare<B, N, const D: usize>(
    flow: &Flow<N>,
    task: &Task,
    contest: &Contest,
    classifier: &Trained<B>,
    device: &B::Device,
    seen: &mut dyn FnMut(&Entry),
) -> Result<Comparison, SampleError>
where
    B: Backend,
    N: Network<B, D, Condition = Labels<B>>,
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
        let drawn = features(samples.values);
        // Samples may be finite, and too large for the classifier's squares.
        let has_run_away = |row: &&[f32]| row.iter().any(|value| !value.is_finite());
        match drawn
            .chunks_exact(drawn.len() / n)
            .filter(has_run_away)
            .count()
        {
            0 => Ok((drawn, samples.statistics.evaluations)),
            rows => Err(SampleError::NotFinite(rows)),
        }
    };
    let data = features([&dataset.values[..], &task.validation.values[..]].concat());
    let indices = contest.plan.table.as_ref().map(|table| table.steps());
    let limit_steps = LIMIT.min(indices.unwrap_or(LIMIT));
    let (limit, _) = draw(contest.planned(MethodName::Dpmpp2m, limit_steps))?;
    let width = limit.len() / n;
    let mut entries = Vec::new();
    for &method in &contest.methods {
        for &budget in &contest.budgets {
            let (plan, steps) = contest.plan(&flow.path.schedule, method, budget);
            let found = draw(plan).map(|(drawn, evaluations)| Found {
                evaluations,
                to_data: frechet_distance(&data, &drawn, width),
                to_limit: frechet_distance(&limit, &drawn, width),
            });
            let entry = Entry {
                method,
                budget,
                steps,
                found,
            };
            seen(&entry);
            entries.push(entry);
        }
    }
    Ok(Comparison {
        entries,
        limit_steps,
        limit_to_data: frechet_distance(&data, &limit, width),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::features::digits;
    use burn::module::{Module, Param};
    use burn::tensor::Tensor;
    use burn_flex::{Flex, FlexDevice};
    use pyroclast_core::path::Path;

    /// A velocity of zero, and none at all at t = 1/3.
    #[derive(Module, Debug)]
    struct Hole<B: Backend> {
        zero: Param<Tensor<B, 1>>,
    }

    impl<B: Backend> Network<B, 4> for Hole<B> {
        type Condition = Labels<B>;

        fn forward(&self, x: Tensor<B, 4>, t: Tensor<B, 1>, _: &Labels<B>) -> Tensor<B, 4> {
            let t = t.into_data().convert::<f64>().into_vec::<f64>();
            let t = t.expect("converted just now")[0];
            let hole = (t - 1.0 / 3.0).abs() < 1e-5;
            x * if hole { f64::NAN } else { 0.0 }
        }
    }

    #[test]
    fn a_method_that_fails_costs_the_others_nothing() {
        let text = "[data]\nname = \"digits\"\n[network]\nkind = \"unet\"\n";
        let config = Config::parse(text, "a.toml", &[]).expect("a configuration");
        let task = Task::load(&config.data, Noise::new(0)).expect("digits ship");
        let network = Hole::<Flex> {
            zero: Param::from_tensor(Tensor::zeros([1], &FlexDevice)),
        };
        let flow = Flow::velocity(network, Path::linear());
        let contest = Contest {
            methods: vec![MethodName::Ddim, MethodName::Euler],
            budgets: vec![3, 4],
            n: 4,
            plan: config.plan(0),
            grid: GridName::Uniform,
        };
        assert_eq!(contest.unserved::<Flex, _, 4>(&flow), []);
        let classifier = digits::<Flex>(&FlexDevice);
        let mut seen = 0;
        let see = &mut |_: &Entry| seen += 1;
        let found = compare(&flow, &task, &contest, &classifier, &FlexDevice, see);
        let found = found.expect("the limit has no step at 1/3");
        assert_eq!((seen, found.limit_steps), (4, LIMIT));
        for entry in found.entries {
            match entry.budget {
                3 => assert_eq!(entry.found, Err(SampleError::NotFinite(4))),
                _ => assert!(entry.found.expect("no step at 1/3").to_limit.is_finite()),
            }
        }
        // DDPM takes no schedule but one that preserves the variance, which is known before anything is drawn.
        let contest = Contest {
            methods: vec![MethodName::Ddpm],
            ..contest
        };
        let [(MethodName::Ddpm, SampleError::Unserved(_))] =
            contest.unserved::<Flex, _, 4>(&flow)[..]
        else {
            panic!("the linear path does not preserve the variance");
        };
    }
}
