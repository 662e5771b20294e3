//! A trial of a plan on data whose samples are known: normal data, and two modes, which have the
//! exact denoiser below.
//!
//! `x1 ~ ½N(m, s²) + ½N(−m, s²)`: with `v = α²s² + σ²` and `b = m·tanh(αmx/v)`,
//! `x̂1 = (αs²x + σ²b)/v`, `x̂0 = σ(x − αb)/v`
//!
//! A method that extrapolates over too long a step magnifies what it knows, whatever the model:
//! its samples are finite, and far too wide. Others let all samples fall onto their mean. The trial
//! finds both for the price of a few numbers. Two modes have a field that turns: methods of high
//! order are thrown off by it that find nothing hard in normal data.

use super::wrapped::bounded;
use super::{Plan, SampleError};
use crate::host::host;
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
/// The standard deviations s, from 1 to ¼. Data have about 1; narrower ones change the field over
/// shorter times. For a single one the errors of a method may cancel.
const STDS: usize = 16;
/// Each standard deviation once for normal data, and once for two modes that together have a
/// variance of 1.
const LAWS: usize = 2 * STDS;
/// The fewest numbers per distribution.
const EACH: usize = 8;

/// The exact field of two modes, with an m and an s² for each number of a sample; m = 0 is normal
/// data.
struct Modes<'a, B: Backend, const D: usize> {
    schedule: &'a dyn Schedule,
    means: Tensor<B, D>,
    variances: Tensor<B, D>,
}

impl<B: Backend, const D: usize> VectorField<B, D> for Modes<'_, B, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        velocity_of(self, t, x)
    }
}

impl<B: Backend, const D: usize> Denoiser<B, D> for Modes<'_, B, D> {
    fn schedule(&self) -> &dyn Schedule {
        self.schedule
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.endpoints(t, x).x1
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        let c = self.schedule.at(t);
        let (means, own) = (self.means.clone(), self.variances.clone());
        let v = own.clone() * (c.alpha * c.alpha) + c.sigma * c.sigma;
        let bend = (means.clone() * x.clone() / v.clone() * c.alpha).tanh() * means;
        Endpoints {
            x0: (x.clone() - bend.clone() * c.alpha) / v.clone() * c.sigma,
            x1: (x * own * c.alpha + bend * (c.sigma * c.sigma)) / v,
        }
    }
}

impl<B: Backend, const D: usize> LearnedVariance<B, D> for Modes<'_, B, D> {
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        (self.endpoints(t, x.clone()), x.zeros_like())
    }
}

/// Runs the plan on such data in samples of this shape.
///
/// # Errors
/// [`SampleError::Spread`] if the samples are far too wide or narrow, or what the method returns.
pub(super) async fn trial<B, M, const D: usize>(
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
    // Data with a known answer have no map that was learned.
    if plan.requirements().flow_map {
        return Ok(());
    }
    let (start, end) = (grid.times()[0], grid.times()[grid.steps()]);
    let mut settings = plan.settings();
    settings.steps = grid.steps();
    let mut dims = [1; D];
    dims[1..].copy_from_slice(shape);
    dims[0] = (LAWS * EACH).div_ceil(shape.iter().product::<usize>().max(1));
    let numbers: usize = dims.iter().product();
    let mut draws = Noise::new(0).draws(Stream::Sampler, 0);
    let x = Tensor::<B, D>::zeros(dims, device);
    let dtype = x.dtype();
    let x = draws.normal_tensor(dims, device, dtype) * schedule.at(start).sigma;
    let variance = |i: usize| 16.0_f64.powf(-((i % STDS) as f64) / (STDS - 1) as f64);
    let mean = |i: usize| match i % LAWS < STDS {
        true => 0.0,
        false => (1.0 - variance(i)).sqrt(),
    };
    let upload = |value: &dyn Fn(usize) -> f64| {
        let values = TensorData::new((0..numbers).map(value).collect(), dims);
        Tensor::from_data(values, (device, dtype))
    };
    let modes = Modes {
        schedule,
        means: upload(&mean),
        variances: upload(&variance),
    };
    let name = plan.requirements().name;
    let solve = Solve {
        method: name,
        field: &bounded(SampledField::new(modes), plan),
        x,
        times,
        settings: &settings,
        observe: &mut |_, _| {},
    };
    let (x, _) = plan.method.solve(solve)?;
    let x = host::<_, f64, D>(x).await?;
    for first in 0..LAWS {
        let (mut squares, mut count) = (0.0, 0.0);
        for x in x.iter().skip(first).step_by(LAWS) {
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
