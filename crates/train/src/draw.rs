//! Drawing samples from a model with a method chosen at run time.
//!
//! `x(t_0) = σ(t_0)·x0, x0 ~ source`, then the plan's method on its grid
//!
//! [`MethodName`] names a method in the [table of methods](pyroclast_solvers::table);
//! [`OwnMethod`] wraps a method of your own.

mod error;
mod grid_name;
mod path_meter;
mod plan;
mod samples;
mod sampling;
mod thresholding;
mod times;
mod trial;
mod velocity;
mod wrapped;

pub use crate::host::DeviceError;
pub use error::SampleError;
pub use grid_name::GridName;
pub use plan::{Plan, Stepping};
pub use pyroclast_solvers::entry::{
    Described, Kind, MethodOption, Options, OwnMethod, Requirements, SamplingMethod, option,
};
pub use pyroclast_solvers::table::MethodName;
pub use samples::Samples;
pub use sampling::Sampling;
pub use thresholding::Thresholding;
pub use velocity::velocity;

use crate::host::host;
use crate::rows::chunks;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, read_sync};
use path_meter::PathMeter;
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::field::{Counted, Denoiser};
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_solvers::Statistics;
use pyroclast_solvers::entry::{Field, Solve, Times};
use times::times;
use trial::trial;
use wrapped::wrapped;

/// A sample with a larger value counts as diverged: the value is finite, but its square may not be.
const LARGEST: f32 = 1e15;
/// Rows that go through the network at once. A draw in parts of whole chunks gives the same samples
/// as one in a whole.
pub const CHUNK: usize = 2048;

/// A callback that sees every intermediate state of a chunk: the index of its first row, the time,
/// and the state.
pub type Observer<'a, B, const D: usize> = &'a mut dyn FnMut(usize, f64, &Tensor<B, D>);

/// Checks whether a plan can run on a model, before anything is drawn.
///
/// It checks everything that does not depend on the samples: the plan itself, the grid, and the
/// sampler's requirements on the schedule.
///
/// # Errors
/// The [`SampleError`] that [`sample`] would return.
pub fn check<B, N, M, const D: usize>(flow: &Flow<N>, plan: &Plan<M>) -> Result<(), SampleError>
where
    B: Backend,
    N: Network<B, D>,
    M: SamplingMethod<B, D>,
{
    check_plan::<_, _, D>(flow, plan)?;
    let field = flow.unconditional();
    let field = wrapped(&field, None, plan);
    let requirements = plan.requirements();
    times(&field, flow, plan, requirements).map(|_| ())
}

fn check_plan<N, M: Described, const D: usize>(
    flow: &Flow<N>,
    plan: &Plan<M>,
) -> Result<(), SampleError> {
    plan.check()?;
    // A quotient of the spreads of two or three numbers is no statistic: it is near 0 or huge by
    // chance.
    if D == 2 && plan.guidance_rescale > 0.0 {
        return Err(SampleError::RescaledVectors(plan.guidance_rescale));
    }
    if D == 2 && plan.thresholding.is_some() {
        return Err(SampleError::ThresholdedVectors);
    }
    plan.check_score(&flow.path, &flow.objective)
}

/// Transports source points to data.
///
/// `observer` sees every state of every chunk. The samples come back on the model's scale: see
/// [`Model::sample`](crate::model::Model::sample) for samples in the units of the data.
///
/// # Shapes
/// - x0: `[n, dim]`, row-major
/// - shape: the shape of one sample, whose product is dim
/// - given: one condition per row, or nothing
///
/// # Errors
/// [`SampleError`]: the plan does not suit the model, its steps are so few that the method would
/// make samples of simple data far too wide or narrow, an adaptive solve stopped, or samples
/// diverged.
pub fn sample<B, N, M, const D: usize>(
    flow: &Flow<N>,
    x0: &[f32],
    shape: &[usize],
    given: &Given,
    plan: &Plan<M>,
    device: &B::Device,
    observer: Observer<'_, B, D>,
) -> Result<Samples, SampleError>
where
    B: Backend,
    N: Network<B, D>,
    M: SamplingMethod<B, D>,
{
    read_sync(sample_async(flow, x0, shape, given, plan, device, observer))
}

/// As [`sample`], without waiting: where nothing may wait for a device, as in a browser.
///
/// A fixed grid is put on the device as a whole before anything is read, so the observer sees
/// states that are still being computed. An adaptive solve reads after every step and needs a
/// device that can be waited for.
///
/// # Errors
/// As [`sample`].
pub async fn sample_async<B, N, M, const D: usize>(
    flow: &Flow<N>,
    x0: &[f32],
    shape: &[usize],
    given: &Given,
    plan: &Plan<M>,
    device: &B::Device,
    observer: Observer<'_, B, D>,
) -> Result<Samples, SampleError>
where
    B: Backend,
    N: Network<B, D>,
    M: SamplingMethod<B, D>,
{
    check_plan::<_, _, D>(flow, plan)?;
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
        let conditional = Counted::new(&conditional);
        let unconditional = Counted::new(&unconditional);
        let guide = (!given.is_nothing()).then_some(&unconditional as &dyn Field<B, D>);
        let field = wrapped(&conditional, guide, plan);
        let requirements = plan.requirements();
        let times = times(&field, flow, plan, requirements)?;
        if first == 0 {
            trial(field.schedule(), plan, &times, shape, device).await?;
        }
        let mut settings = plan.settings();
        settings.first_row = plan.first_row + first;
        if let Times::Grid(grid) = &times {
            settings.steps = grid.steps();
        }
        let source_scale = field.schedule().at(times.start()).sigma;
        let mut path = PathMeter::default();
        let solve = Solve {
            method: requirements.name,
            field: &field,
            x: chunk.x * source_scale,
            times: &times,
            settings: &settings,
            observe: &mut |t, x| {
                path.see(t, x);
                observer(first, t, x);
            },
        };
        let (x, mut statistics) = plan.method.solve(solve)?;
        statistics.evaluations = conditional.evaluations() + unconditional.evaluations();
        let (energy, straightness) = match requirements.adds_noise {
            // A Brownian path has no speed.
            true => (None, None),
            false => path.totals().await?,
        };
        let add = |sum: &mut Option<f64>, part: Option<f64>| {
            *sum = sum.zip(part).map(|(sum, part)| sum + part / n as f64);
        };
        add(&mut out.path_energy, energy);
        add(&mut out.straightness, straightness);
        out.source_scale = source_scale;
        if statistics.evaluations > out.statistics.evaluations {
            out.statistics = statistics;
        }
        out.values.extend(host::<_, f32, D>(x).await?);
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
    use pyroclast_core::schedule::{
        AnySchedule, BetaTable, Edm, Linear, Schedule, VarianceExploding, VariancePreserving,
    };
    use pyroclast_models::{Init, Mlp, MlpConfig};

    fn flow(schedule: impl Into<AnySchedule>) -> Flow<Mlp<NdArray>> {
        let device = Default::default();
        let mut init = Init::new(Noise::new(0), &device);
        Flow::v(MlpConfig::new(2).init(&mut init), Path::new(schedule))
    }

    fn samples<M>(flow: &Flow<Mlp<NdArray>>, plan: &Plan<M>) -> Samples
    where
        M: SamplingMethod<NdArray, 2>,
    {
        let (x0, device) = ([0.3, -0.7], Default::default());
        let given = Given::nothing();
        let drawn = sample(flow, &x0, &[2], &given, plan, &device, &mut |_, _, _| {});
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
            for method in MethodName::for_any_model() {
                if method == MethodName::DDPM && !ends_clean {
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
                    let steps = method.cost.steps_for(budget, *ends_clean);
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
    fn a_prediction_of_the_noise_starts_where_it_tells_the_data() {
        let start = |flow: &Flow<Mlp<NdArray>>, method| {
            let plan = Plan::new(method, 20, 0);
            let field = flow.unconditional();
            let field = wrapped::<NdArray, _, 2>(&field, None, &plan);
            let times = times(&field, flow, &plan, plan.requirements()).expect("a grid");
            (times.start(), flow.path.schedule.at(times.start()).alpha)
        };
        let device = Default::default();
        let network = MlpConfig::new(2).init(&mut Init::new(Noise::new(0), &device));
        let cosine: AnySchedule = BetaTable::cosine(1000).into();
        for schedule in [cosine, Linear::default().into()] {
            let noise = Flow::noise(network.clone(), Path::new(schedule.clone()));
            for method in [MethodName::EULER, MethodName::DDIM] {
                let (t, alpha) = start(&noise, method);
                assert!((0.004..0.03).contains(&alpha), "{method}: {alpha} at {t}");
            }
            // A prediction that is regular there starts from nothing but noise.
            let v = Flow::v(network.clone(), Path::new(schedule));
            assert!(start(&v, MethodName::DDIM).1 < 1e-3);
        }
        // Enough signal from the beginning.
        let vp = Flow::noise(network.clone(), Path::new(VariancePreserving::default()));
        assert_eq!(start(&vp, MethodName::DDIM).0, 0.0);
    }

    #[test]
    fn vectors_are_not_rescaled() {
        let plan = Plan {
            guidance: 2.0,
            guidance_rescale: 0.7,
            ..Plan::new(MethodName::EULER, 4, 0)
        };
        let error = check(&flow(VariancePreserving::default()), &plan).expect_err("vectors");
        assert!(
            matches!(error, SampleError::RescaledVectors(0.7)),
            "{error}"
        );
    }

    #[test]
    fn source_points_are_scaled_by_the_schedule_sampled_under() {
        let flow = flow(VariancePreserving::default());
        let plan = Plan::new(MethodName::EULER, 4, 0);
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
