//! A trial of a plan on data whose samples are known: normal data, which have the exact denoiser
//! below.
//!
//! `x1 ~ N(0, s²I)`: `x̂1 = αs²x/(α²s² + σ²)`, `x̂0 = σx/(α²s² + σ²)`
//!
//! A method that extrapolates over too long a step magnifies what it knows, whatever the model:
//! its samples are finite, and far too wide. Others let all samples fall onto their mean. The trial
//! finds both for the price of a few numbers.

use super::wrapped::clipped;
use super::{Plan, SampleError};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::field::{Denoiser, LearnedVariance, VectorField};
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::probability_flow::velocity_of;
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::entry::{SampledField, SamplingMethod, Solve, Times};

/// How wide samples may be, in units of the data. It leaves room for data that are not normal.
const WIDEST: f64 = 4.0;
/// How narrow they may be after a few steps.
const NARROWEST: f64 = 0.1;
/// The steps from which they have to have a width: one or two steps from pure noise lead to the
/// mean unless the model's paths are straight, and some are.
const A_FEW: usize = 3;
/// The standard deviations of the data, from 1 to ¼. Data have about 1; narrower ones stand for the
/// modes of data that are not normal, which change the field over shorter times. For a single one
/// the errors of a method may cancel.
const STDS: usize = 16;
/// The fewest numbers per standard deviation.
const EACH: usize = 8;

/// The exact field of N(0, s²), with a variance s² for each number of a sample.
struct Normal<'a, B: Backend, const D: usize> {
    schedule: &'a dyn Schedule,
    variances: Tensor<B, D>,
}

impl<B: Backend, const D: usize> VectorField<B, D> for Normal<'_, B, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B: Backend, const D: usize> Denoiser<B, D> for Normal<'_, B, D> {
    fn schedule(&self) -> &dyn Schedule {
        self.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x1
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let c = self.schedule.at(t);
        let own = self.variances.clone();
        let share = x / (own.clone() * (c.alpha * c.alpha) + c.sigma * c.sigma);
        Endpoints {
            x0: share.clone() * c.sigma,
            x1: share * own * c.alpha,
        }
    }
}

impl<B: Backend, const D: usize> LearnedVariance<B, D> for Normal<'_, B, D> {
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        (self.endpoints(t, x.clone()), x.zeros_like())
    }
}

/// Runs the plan on normal data in samples of this shape.
///
/// # Errors
/// [`SampleError::Spread`] if the samples are far too wide or narrow, or what the method returns.
pub(super) fn trial<B, M, const D: usize>(
    schedule: &dyn Schedule,
    plan: &Plan<M>,
    times: &Times,
    shape: &[usize],
    device: &B::Device,
) -> Result<(), SampleError>
where
    B: Backend,
    M: SamplingMethod<B, D>,
{
    let Times::Grid(grid) = times else {
        return Ok(());
    };
    let (start, end) = (grid.times()[0], grid.times()[grid.steps()]);
    let mut settings = plan.settings();
    settings.steps = grid.steps();
    let mut dims = [1; D];
    dims[1..].copy_from_slice(shape);
    dims[0] = (STDS * EACH).div_ceil(shape.iter().product::<usize>().max(1));
    let numbers: usize = dims.iter().product();
    let mut draws = Noise::new(0).draws(Stream::Sampler, 0);
    let x = Tensor::<B, D>::zeros(dims, device);
    let dtype = x.dtype();
    let x = draws.normal_tensor(dims, device, dtype) * schedule.at(start).sigma;
    let variance = |i: usize| 16.0_f64.powf(-((i % STDS) as f64) / (STDS - 1) as f64);
    let variances = TensorData::new((0..numbers).map(variance).collect(), dims);
    let normal = Normal {
        schedule,
        variances: Tensor::from_data(variances, (device, dtype)),
    };
    let name = plan.requirements().name;
    let solve = Solve {
        method: name,
        field: &clipped(SampledField::new(normal), plan.clip),
        x,
        times,
        settings: &settings,
        observe: &mut |_, _| {},
    };
    let (x, _) = plan.method.solve(solve)?;
    let x = x.into_data().convert::<f64>().into_vec::<f64>();
    let x = x.expect("converted just now");
    for first in 0..STDS {
        let (mut squares, mut count) = (0.0, 0.0);
        for x in x.iter().skip(first).step_by(STDS) {
            squares += x * x;
            count += 1.0;
        }
        let factor = f64::sqrt(squares / count) / schedule.at(end).std(1.0);
        let steps = grid.steps();
        // An undefined number comes from an end where this field is singular and the model's is
        // not.
        let collapses = first == 0 && steps >= A_FEW && factor < NARROWEST;
        if factor > WIDEST || collapses {
            return Err(SampleError::Spread {
                method: name,
                steps,
                start,
                end,
                factor,
            });
        }
    }
    Ok(())
}
