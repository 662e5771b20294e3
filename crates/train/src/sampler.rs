//! Drawing samples from a model with a method chosen at run time.
//!
//! `x(t_0) = σ(t_0)·x0, x0 ~ source`, then the plan's method on its grid
//!
//! This is the one place where a method's name becomes a method.

mod grid_name;
mod method_name;
mod path_meter;
mod solve;
mod steered;

pub use grid_name::GridName;
pub use method_name::MethodName;

use crate::rows::chunks;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use path_meter::PathMeter;
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::ddpm::{BetaTable, Variance};
use pyroclast_core::field::{Counted, Denoiser};
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::schedule::{AnySchedule, Schedule};
use pyroclast_solvers::sampler::Unsupported;
use pyroclast_solvers::{Control, SolveError, Statistics};
use std::sync::Arc;
use steered::Steered;

/// Beyond this a sample has run away, though it is finite: its square would not be.
const LARGEST: f32 = 1e15;
/// Rows that go through the network at once.
const CHUNK: usize = 2048;

/// Where the steps are.
#[derive(Debug, Clone, PartialEq)]
pub enum Stepping {
    /// This many steps of a grid; of a grid of given times, as many as it has.
    Fixed(usize, GridName),
    /// As many as the tolerance asks for.
    Adaptive(Control),
}

/// How samples are drawn.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The method.
    pub method: MethodName,
    /// Its steps.
    pub stepping: Stepping,
    /// Weight of classifier-free guidance, for samples under a condition; 1 is the conditional model.
    pub guidance: f64,
    /// The noise levels σ/α, low and high, between which guidance acts.
    pub guidance_interval: (f64, f64),
    /// φ of rescaled guidance, from 0 to 1.
    pub guidance_rescale: f64,
    /// Keep x̂1 in [−1, 1].
    pub clip: bool,
    /// Sample under this schedule in place of the one that the model was trained under.
    pub schedule: Option<AnySchedule>,
    /// The chain, whose indices some grids are made of.
    pub table: Option<Arc<BetaTable>>,
    /// The variance of DDPM's step; none where the network has learned it.
    pub variance: Option<Variance>,
    /// c in `g = c·σ_t`, for SDE methods.
    pub noise_level: f64,
    /// η of DDIM and Euler-ancestral; none for the method's own (0 and 1).
    pub eta: Option<f64>,
    /// S_churn of EDM's samplers.
    pub churn: f64,
    /// The order of UniPC (1–3), DEIS and LMS (1–4); none for the usual one.
    pub order: Option<usize>,
    /// Steps of the Langevin corrector after each of the predictor's, and the signal-to-noise ratio of each.
    pub corrector: (u64, f64),
    /// The seed of noise.
    pub seed: u64,
}

impl Plan {
    /// The steps of a fixed grid.
    pub fn steps(&self) -> Option<usize> {
        match &self.stepping {
            Stepping::Fixed(_, GridName::Given(times)) => Some(times.len().saturating_sub(1)),
            Stepping::Fixed(steps, _) => Some(*steps),
            Stepping::Adaptive(_) => None,
        }
    }

    /// A method on this many steps of the grid that fits it, with nothing else asked for.
    pub fn new(method: MethodName, steps: usize, seed: u64) -> Self {
        Self {
            method,
            stepping: Stepping::Fixed(steps, GridName::Auto),
            guidance: 1.0,
            guidance_interval: (0.0, f64::INFINITY),
            guidance_rescale: 0.0,
            clip: false,
            schedule: None,
            table: None,
            variance: Some(Variance::Large),
            noise_level: 1.0,
            eta: None,
            churn: 0.0,
            order: None,
            corrector: (1, 0.16),
            seed,
        }
    }

    /// Whether noise is added on the way.
    pub fn is_stochastic(&self) -> bool {
        let by_option = match self.method {
            MethodName::Ddim => self.eta.is_some_and(|eta| eta > 0.0),
            MethodName::EulerEdm | MethodName::HeunEdm => self.churn > 0.0,
            MethodName::EulerAncestral => return self.eta != Some(0.0),
            _ => false,
        };
        by_option || self.method.is_stochastic()
    }
}

/// Why nothing was drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The adaptive solve stopped.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The method has no error estimate.
    #[error(
        "{0} does not estimate its error; use --steps, or one of heun, ralston, bosh3, dopri5, tsit5, dopri8"
    )]
    NotAdaptive(MethodName),
    /// The sampler, the schedule, the model and the grid do not go together.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// There is no such grid.
    #[error("{0}")]
    Grid(String),
    /// The method has no such order.
    #[error("{method} has no order {order}; its orders are {known}")]
    Order {
        /// The method.
        method: MethodName,
        /// What was asked for.
        order: usize,
        /// What there is.
        known: &'static str,
    },
    /// A sample came out infinite or undefined.
    #[error(
        "{0} of the samples ran away to infinity; take more steps, guide less, or train longer"
    )]
    NotFinite(usize),
}

/// Samples on the host, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// `[n, dim]`.
    pub values: Vec<f32>,
    /// Steps, rejections and evaluations, of the chunk that took most. Every pass through a network counts, so guidance counts both.
    pub statistics: Statistics,
    /// σ(t_0) of the schedule sampled under: what source points are scaled by where the solve starts.
    pub source_scale: f64,
    /// `E Σ ‖x_{k+1} − x_k‖²/h_k`, the path energy along the way; not known for adaptive steps.
    pub path_energy: Option<f64>,
    /// `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)‖²`: 0 for straight paths (Liu et al. 2023, eq. 2).
    pub straightness: Option<f64>,
}

/// What is handed the states of a chunk on the way: its first row, the time, the state.
pub type Observer<'a, B, const D: usize> = &'a mut dyn FnMut(usize, f64, &Tensor<B, D>);

/// Whether a plan can be carried out on a model, before anything is drawn.
///
/// Whatever does not depend on the samples: the grid, the method's order, what a sampler needs of the schedule.
///
/// # Errors
/// [`SampleError`], the one that [`sample`] would end with.
pub fn check<B, N, const D: usize>(flow: &Flow<N>, plan: &Plan) -> Result<(), SampleError>
where
    B: Backend,
    N: Network<B, D>,
{
    let field = flow.unconditional();
    let field = Steered::new(Counted::new(&field), Counted::new(&field), false, plan);
    let way = solve::way(&field, flow, plan)?;
    solve::serve(&field, &way, plan)
}

/// Carries source points to data.
///
/// # Shapes
/// - x0: `[n, dim]`, row-major; shape: of one sample; given: a condition per row, or nothing
///
/// # Errors
/// [`SampleError`].
pub fn sample<B, N, const D: usize>(
    flow: &Flow<N>,
    x0: &[f32],
    shape: &[usize],
    given: &Given,
    plan: &Plan,
    device: &B::Device,
    observer: Observer<'_, B, D>,
) -> Result<Samples, SampleError>
where
    B: Backend,
    N: Network<B, D>,
{
    let dim: usize = shape.iter().product();
    let n = x0.len() / dim;
    let mut out = Samples {
        values: Vec::with_capacity(x0.len()),
        statistics: Statistics::default(),
        source_scale: 1.0,
        path_energy: Some(0.0),
        straightness: Some(0.0),
    };
    for chunk in chunks::<B, D>(x0, shape, given, CHUNK, device) {
        let (first, condition) = (chunk.first, N::Condition::upload(&chunk.given, device));
        let (conditional, unconditional) = (flow.given(&condition), flow.unconditional());
        let field = Steered::new(
            Counted::new(&conditional),
            Counted::new(&unconditional),
            !given.is_nothing(),
            plan,
        );
        let mut path = PathMeter::default();
        let observe = &mut |t: f64, x: &Tensor<B, D>| {
            path.see(t, x);
            observer(first, t, x);
        };
        let way = solve::way(&field, flow, plan)?;
        let schedule: &dyn Schedule = Denoiser::<B, D>::schedule(&field);
        out.source_scale = schedule.at(way.start()).sigma;
        let (x, mut statistics) = solve::solve(&field, chunk.x, &way, plan, first, observe)?;
        statistics.evaluations = field.evaluations();
        let (energy, straightness) = match plan.is_stochastic() {
            // A Brownian path has no speed.
            true => (None, None),
            false => path.totals(),
        };
        let add = |sum: &mut Option<f64>, part: Option<f64>| {
            *sum = sum.zip(part).map(|(sum, part)| sum + part / n as f64);
        };
        add(&mut out.path_energy, energy);
        add(&mut out.straightness, straightness);
        if statistics.evaluations > out.statistics.evaluations {
            out.statistics = statistics;
        }
        let values = x.into_data().convert::<f32>().into_vec::<f32>();
        out.values
            .extend(values.expect("converted to f32 just now"));
    }
    let lost = |v: &f32| !v.is_finite() || v.abs() > LARGEST;
    let bad = (out.values.chunks(dim))
        .filter(|row| row.iter().any(lost))
        .count();
    if bad > 0 {
        return Err(SampleError::NotFinite(bad));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;
    use pyroclast_core::noise::Noise;
    use pyroclast_core::path::Path;
    use pyroclast_core::schedule::{Edm, VarianceExploding, VariancePreserving};
    use pyroclast_models::{Init, Mlp, MlpConfig};

    fn flow(schedule: impl Into<AnySchedule>) -> Flow<Mlp<NdArray>> {
        let device = Default::default();
        let mut init = Init::new(Noise::new(0), &device);
        Flow::v(MlpConfig::new(2).init(&mut init), Path::new(schedule))
    }

    fn samples(flow: &Flow<Mlp<NdArray>>, plan: &Plan) -> Samples {
        let (x0, device) = ([0.3, -0.7], Default::default());
        let drawn = sample(
            flow,
            &x0,
            &[2],
            &Given::nothing(),
            plan,
            &device,
            &mut |_, _, _| {},
        );
        drawn.expect("samples")
    }

    #[test]
    fn steps_spend_a_budget_and_no_more() {
        let exploding = VarianceExploding {
            sigma_min: 0.5,
            sigma_max: 2.0,
        };
        let flows = [
            (flow(VariancePreserving::default()), true),
            (flow(exploding), false),
        ];
        for (flow, ends_clean) in &flows {
            for method in MethodName::ALL {
                if method == MethodName::Ddpm && !ends_clean {
                    continue;
                }
                let cost = |steps| {
                    let stepping = Stepping::Fixed(steps, GridName::Uniform);
                    let plan = Plan::new(method, steps, 0);
                    samples(flow, &Plan { stepping, ..plan })
                        .statistics
                        .evaluations
                };
                for budget in [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 14, 21, 31] {
                    let steps = method.steps_for(budget, *ends_clean);
                    assert!(
                        steps == 1 || cost(steps) <= budget,
                        "{method}: {steps} steps for {budget}"
                    );
                    assert!(
                        cost(steps + 1) > budget,
                        "{method}: {budget} has more than {steps} steps"
                    );
                }
            }
        }
    }

    #[test]
    fn source_points_are_scaled_by_the_schedule_sampled_under() {
        let flow = flow(VariancePreserving::default());
        let plan = Plan::new(MethodName::Euler, 4, 0);
        let own = samples(&flow, &plan).source_scale;
        assert!((own - 1.0).abs() < 1e-3, "{own}");
        let given = Plan {
            stepping: Stepping::Fixed(2, GridName::Given(vec![0.5, 0.7, 0.9])),
            schedule: Some(Edm { sigma_max: 60.0 }.into()),
            ..plan
        };
        assert_eq!(samples(&flow, &given).source_scale, 30.0);
    }
}
