//! Samplers side by side at equal cost, on one trained model.
//!
//! `FD(samples, data)` and `FD(samples, limit)`, over methods and numbers of
//! evaluations. The limit is the same model's samples at very many steps, from which a
//! method differs only by its own error
//!
//! FD is the Fréchet distance between features.

use crate::feature_metric::MANY_COVARIANCES;
use crate::features::FeatureNetwork;
use crate::{Estimate, drawn, frechet_distance, subset_interval, subset_scores};
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_core::schedule::{AnySchedule, Schedule};
use pyroclast_train::draw::{
    Described, GridName, MethodName, Plan, SampleError, SamplingMethod, Stepping, check, sample,
};
use pyroclast_train::latents::Latents;
use pyroclast_train::task::Task;
use std::sync::Arc;

/// Steps of the limit; for a chain with fewer indices, all of those.
const LIMIT: usize = 250;

/// What is compared: methods of the table, or of your own.
#[derive(Debug, Clone)]
pub struct Contest<M = MethodName> {
    /// The methods.
    pub methods: Vec<M>,
    /// Evaluations of the network that each method may spend on a sample.
    pub budgets: Vec<usize>,
    /// Samples per method and budget.
    pub n: usize,
    /// How samples are drawn, apart from the method and its steps.
    pub plan: Plan,
    /// The grid of all methods. Do not give times here: they would be the
    /// same steps for every budget.
    pub grid: GridName,
    /// The latents that the model draws, if it is one of latents: they are decoded before they are
    /// compared.
    pub latents: Option<Arc<Latents>>,
}

impl<M: Described + Copy> Contest<M> {
    /// A method's plan at a budget, and its steps.
    fn plan(&self, schedule: &AnySchedule, method: M, budget: usize) -> (Plan<M>, usize) {
        let schedule = self.plan.schedule.as_ref().unwrap_or(schedule);
        let cost = method.description().cost;
        let steps = cost.steps_for(budget, schedule.at(1.0).sigma == 0.0);
        (self.planned(method, steps), steps)
    }

    fn planned<O>(&self, method: O, steps: usize) -> Plan<O> {
        Plan {
            stepping: Stepping::Fixed(steps, self.grid.clone()),
            ..self.plan.with_method(method)
        }
    }

    /// The methods that cannot run on the model at some budget, and why. This draws no samples.
    pub fn unserved<B, N, const D: usize>(&self, flow: &Flow<N>) -> Vec<(&'static str, SampleError)>
    where
        B: Backend,
        N: Network<B, D>,
        M: SamplingMethod<B, D>,
    {
        let of = |&method: &M| {
            let plans = (self.budgets.iter())
                .map(|&budget| self.plan(&flow.path.schedule, method, budget).0);
            let mut errors = plans.filter_map(|plan| check(flow, &plan).err());
            Some((method.description().name, errors.next()?))
        };
        self.methods.iter().filter_map(of).collect()
    }
}

/// One method at one budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name of the method.
    pub method: &'static str,
    /// The evaluations that it was allowed.
    pub budget: usize,
    /// Its steps.
    pub steps: usize,
    /// Its scores, or why there are none.
    pub found: Result<Found, SampleError>,
}

/// The scores of one method's samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The evaluations that it used.
    pub evaluations: usize,
    /// Fréchet distance between the features of its samples and of the data.
    pub to_data: f64,
    /// Fréchet distance between the features of its samples and of the limit.
    pub to_limit: f64,
    /// The distances of disjoint subsets to the data, [`subset_scores`]; none for few samples or
    /// many features.
    pub subsets: Option<Vec<f64>>,
}

impl Found {
    /// How much farther from the data these samples are than others of the same contest.
    ///
    /// All methods start from the same noise, and meet the same data, so that the interval is that
    /// of the differences between pairs of subsets: chance that moves both does not widen it.
    pub fn above(&self, other: &Self) -> Estimate {
        let value = self.to_data - other.to_data;
        let subsets = self.subsets.as_ref().zip(other.subsets.as_ref());
        let differences = subsets.map(|(own, others)| -> Vec<f64> {
            own.iter().zip(others).map(|(a, b)| a - b).collect()
        });
        Estimate {
            value,
            interval: differences.and_then(|values| subset_interval(value, &values)),
        }
    }
}

/// All entries, and the limit that they are compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// A method's entries are consecutive, in the order of the budgets.
    pub entries: Vec<Entry>,
    /// Steps of the limit.
    pub limit_steps: usize,
    /// Fréchet distance between the limit and the data: the model's own error.
    pub limit_to_data: f64,
}

impl Comparison {
    /// The entry of a budget whose samples are nearest to the data.
    pub fn best(&self, budget: usize) -> Option<(&Entry, &Found)> {
        let of_budget = self.entries.iter().filter(|entry| entry.budget == budget);
        let found = of_budget.filter_map(|entry| Some((entry, entry.found.as_ref().ok()?)));
        found.min_by(|(_, a), (_, b)| a.to_data.total_cmp(&b.to_data))
    }
}

/// Runs the contest. All methods start from the same noise; `seen` is called with each entry.
///
/// Samples are compared with all of the data, training and held out, since their conditions come
/// from all of it.
///
/// A method that fails keeps its error in its entries and does not stop the others.
/// [`Contest::unserved`] names beforehand the methods that the model cannot serve.
///
/// # Errors
/// [`SampleError`] of the limit, before any method is run.
///
/// # Panics
/// If the network of features expects samples of another size.
pub fn compare<B, N, M, const D: usize>(
    flow: &Flow<N>,
    task: &Task,
    contest: &Contest<M>,
    network: &dyn FeatureNetwork<B>,
    device: &B::Device,
    seen: &mut dyn FnMut(&Entry),
) -> Result<Comparison, SampleError>
where
    B: Backend,
    N: Network<B, D>,
    M: SamplingMethod<B, D> + Copy,
{
    let (dataset, n) = (&task.training, contest.n);
    let latents = contest.latents.as_deref();
    let shape = latents.map_or(&dataset.shape[..], |latents| &latents.info.shape);
    let dim = shape.iter().product();
    let draw = Draw {
        flow,
        task,
        network,
        latents,
        shape,
        x0: (flow.path.source).for_sampling(n, dim, Noise::new(contest.plan.seed), 0),
        given: dataset.spread(n),
        device,
    };
    let data = draw.features(&[&dataset.values()[..], &task.validation.values()[..]].concat())?;
    let indices = flow.path.schedule.table().map(|table| table.steps());
    let limit_steps = LIMIT.min(indices.unwrap_or(LIMIT));
    let (limit, _) = draw.by(&contest.planned(MethodName::DPMPP_2M, limit_steps))?;
    let width = limit.len() / n;
    let subsets = |drawn: &[f32]| {
        let distance = |x: &[f32], y: &[f32]| Some(frechet_distance(x, y, width));
        let few = width <= MANY_COVARIANCES;
        few.then(|| subset_scores(&data, drawn, width, distance))?
    };
    let mut entries = Vec::new();
    for &method in &contest.methods {
        for &budget in &contest.budgets {
            let (plan, steps) = contest.plan(&flow.path.schedule, method, budget);
            let found = draw.by(&plan).map(|(drawn, evaluations)| Found {
                evaluations,
                to_data: frechet_distance(&data, &drawn, width),
                to_limit: frechet_distance(&limit, &drawn, width),
                subsets: subsets(&drawn),
            });
            let entry = Entry {
                method: method.description().name,
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

/// What all methods share: the model, the starting noise and conditions, and the judge.
struct Draw<'a, B: Backend, N> {
    flow: &'a Flow<N>,
    task: &'a Task,
    network: &'a dyn FeatureNetwork<B>,
    latents: Option<&'a Latents>,
    shape: &'a [usize],
    x0: Vec<f32>,
    given: Given,
    device: &'a B::Device,
}

impl<B: Backend, N> Draw<'_, B, N> {
    fn features(&self, values: &[f32]) -> Result<Vec<f32>, SampleError> {
        drawn::features_of(self.network, self.task, values, self.device, &mut |_| {})
    }

    /// The features of samples, and the evaluations that they cost.
    fn by<M, const D: usize>(&self, plan: &Plan<M>) -> Result<(Vec<f32>, usize), SampleError>
    where
        N: Network<B, D>,
        M: SamplingMethod<B, D>,
    {
        let samples = sample(
            self.flow,
            &self.x0,
            self.shape,
            &self.given,
            plan,
            self.device,
            &mut |_, _, _| {},
        )?;
        let values = match self.latents {
            Some(latents) => latents.decode::<B>(&samples.values, 0, self.device)?,
            None => samples.values,
        };
        let features = self.features(&values)?;
        Ok((features, samples.statistics.evaluations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::digits;
    use burn::module::{Module, Param};
    use burn::tensor::Tensor;
    use burn_flex::{Flex, FlexDevice};
    use pyroclast_core::path::Path;
    use pyroclast_train::config::Config;

    /// A velocity of zero, but NaN at t = 1/3.
    #[derive(Module, Debug)]
    struct Hole<B: Backend> {
        zero: Param<Tensor<B, 1>>,
    }

    impl<B: Backend> Network<B, 4> for Hole<B> {
        type Condition = ();

        fn forward(&self, x: Tensor<B, 4>, t: Tensor<B, 1>, _: &()) -> Tensor<B, 4> {
            let t = t.into_data().convert::<f64>().into_vec::<f64>();
            let t = t.expect("converted just now")[0];
            let hole = (t - 1.0 / 3.0).abs() < 1e-5;
            x * if hole { f64::NAN } else { 0.0 }
        }
    }

    #[test]
    fn what_moves_both_scores_does_not_widen_their_difference() {
        let found = |to_data: f64, subsets: &[f64]| Found {
            evaluations: 1,
            to_data,
            to_limit: 0.0,
            subsets: Some(subsets.to_vec()),
        };
        // Subsets that differ by 4, and pairs of them by 1 ± .1.
        let (a, b) = (found(5.0, &[3.0, 5.0, 7.0]), found(4.0, &[2.1, 4.0, 5.9]));
        let Estimate { value, interval } = a.above(&b);
        let interval = interval.expect("three pairs");
        // t of two degrees of freedom times .1/√3.
        let half = 4.302_652_729_749_46 * 0.1 / 3.0_f64.sqrt();
        assert!((value - 1.0).abs() < 1e-12);
        assert!((interval.high - 1.0 - half).abs() < 1e-9, "{interval:?}");
        assert!(!interval.contains(0.0));
        let entry = |method, found| Entry {
            method,
            budget: 2,
            steps: 1,
            found: Ok(found),
        };
        let comparison = Comparison {
            entries: vec![entry("a", a), entry("b", b)],
            limit_steps: 1,
            limit_to_data: 0.0,
        };
        assert_eq!(comparison.best(2).map(|(entry, _)| entry.method), Some("b"));
        assert_eq!(comparison.best(3), None);
    }

    #[test]
    fn a_method_that_fails_does_not_stop_the_others() {
        let text = "[data]\nname = \"digits\"\n[network]\nkind = \"unet\"\n";
        let config = Config::parse(text, "a.toml", &[]).expect("a configuration");
        let task = Task::load(&config.data, Noise::new(0)).expect("digits ship");
        let network = Hole::<Flex> {
            zero: Param::from_tensor(Tensor::zeros([1], &FlexDevice)),
        };
        let flow = Flow::velocity(network, Path::linear());
        let contest = Contest {
            methods: vec![MethodName::DDIM, MethodName::EULER],
            budgets: vec![3, 4],
            n: 4,
            plan: config.plan(0),
            grid: GridName::Uniform,
            latents: None,
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
        // DDPM needs a schedule that preserves the variance, which is checked before anything is
        // drawn.
        let contest = Contest {
            methods: vec![MethodName::DDPM],
            ..contest
        };
        let [("ddpm", SampleError::Unsupported(_))] = contest.unserved::<Flex, _, 4>(&flow)[..]
        else {
            panic!("the linear path does not preserve the variance");
        };
    }
}
