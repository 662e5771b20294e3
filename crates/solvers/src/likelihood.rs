//! The density of a flow.
//!
//! `ln p_1(x_1) = ln p_0(x_0) − ∫_0^1 ∇·u_t(x_t) dt` along the path through x_1
//!
//! Source: Chen et al. 2018, theorem 1. The steps keep the error of the state within the tolerance,
//! and that of the integral too: on a straight path the state alone would allow steps of any
//! length.
//!
//! All points of a batch take the same steps, whose error is the root mean square over the batch.
//! So the density of a point depends on the other points of its batch, by no more than the
//! tolerance allows. On a grid it does not: integrate a [`WithDivergence`] there. Hutchinson's
//! probe belongs to the point's place in the batch, and not to how many points follow.

use crate::divergence::{Trace, WithDivergence};
use crate::method::EmbeddedMethod;
use crate::solve::{Control, Measured, Statistics, Stopped, solve_measured};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Counted, VectorField};
use pyroclast_core::noise::Draws;

/// Points that a flow has transported, with their density.
#[derive(Debug, Clone)]
pub struct Transported<B: Backend, const D: usize> {
    /// The points at the end.
    pub x: Tensor<B, D>,
    /// The log-density of the flow's distribution at the data end, in nats: `[batch]`.
    pub log_density: Tensor<B, 1>,
    /// The cost. An evaluation takes as many forward and backward passes as the trace has vectors.
    pub statistics: Statistics,
}

/// `ln N(x; 0, std²·I)`, in nats: `[batch]`.
pub fn normal_log_density<B: Backend, const D: usize>(x: Tensor<B, D>, std: f64) -> Tensor<B, 1> {
    let batch = x.dims()[0];
    let size = x.shape().num_elements() / batch.max(1);
    let squares: Tensor<B, 2> = x.square().reshape([batch, size]);
    let constant = size as f64 * (std * std::f64::consts::TAU.sqrt()).ln();
    squares.sum_dim(1).squeeze_dim::<1>(1) * (-0.5 / (std * std)) - constant
}

/// The log-density at points of the data. They are transported back from `span.1` to `span.0`,
/// where `base` gives the log-density. Data may have any rank.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_solvers::likelihood::{log_density, normal_log_density};
/// use pyroclast_solvers::{Control, DOPRI5, Trace};
///
/// // u = x carries N(0, 1) to N(0, e²).
/// let field = |_: f64, x: Tensor<Autodiff<NdArray<f64>>, 2>| x;
/// let x = Tensor::zeros([1, 1], &Default::default());
/// let base = |x| normal_log_density(x, 1.0);
/// let control = Control::tolerance(1e-9);
/// let at_0 = log_density(&field, &DOPRI5, x, (0.0, 1.0), base, Trace::Exact, control)?;
/// let exact = -0.5 * std::f64::consts::TAU.ln() - 1.0;
/// assert!((at_0.log_density.into_scalar() - exact).abs() < 1e-6);
/// # Ok::<(), pyroclast_solvers::Stopped<NdArray<f64>, 2>>(())
/// ```
///
/// # Errors
/// [`Stopped`]; its states are rows `[x | ∫∇·u dt]`.
pub fn log_density<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    (start, end): (f64, f64),
    base: impl FnOnce(Tensor<B, D>) -> Tensor<B, 1>,
    trace: Trace,
    control: Control,
) -> Result<Transported<B, D>, Stopped<B, 2>>
where
    B: Backend,
    F: VectorField<Autodiff<B>, D>,
    M: for<'a, 'b> EmbeddedMethod<B, Counted<'a, WithDivergence<'b, F, B, D>>, 2>,
{
    let (x, integral, statistics) = transport(field, method, x, (end, start), trace, control)?;
    Ok(Transported {
        // The integral runs backward in time, so its sign is reversed.
        log_density: base(x.clone()) + integral,
        x,
        statistics,
    })
}

/// Points of the base distribution transported to the data, with their log-density there:
/// [`log_density`] in the other direction.
///
/// # Errors
/// [`Stopped`].
pub fn push_forward<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    base: impl FnOnce(Tensor<B, D>) -> Tensor<B, 1>,
    trace: Trace,
    control: Control,
) -> Result<Transported<B, D>, Stopped<B, 2>>
where
    B: Backend,
    F: VectorField<Autodiff<B>, D>,
    M: for<'a, 'b> EmbeddedMethod<B, Counted<'a, WithDivergence<'b, F, B, D>>, 2>,
{
    let at_start = base(x.clone());
    let (x, integral, statistics) = transport(field, method, x, span, trace, control)?;
    Ok(Transported {
        x,
        log_density: at_start - integral,
        statistics,
    })
}

type Moved<B, const D: usize> = (Tensor<B, D>, Tensor<B, 1>, Statistics);

fn transport<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    trace: Trace,
    control: Control,
) -> Result<Moved<B, D>, Stopped<B, 2>>
where
    B: Backend,
    F: VectorField<Autodiff<B>, D>,
    M: for<'a, 'b> EmbeddedMethod<B, Counted<'a, WithDivergence<'b, F, B, D>>, 2>,
{
    let augmented = WithDivergence::new(field, trace, &x);
    let (size, z) = (augmented.size(), augmented.pack(x));
    let measured = Measured::Apart(size);
    let solution = solve_measured(control, measured, &augmented, method, z, span)?;
    let (x, integral) = augmented.unpack(solution.x);
    Ok((x, integral, solution.statistics))
}

/// Bits per dimension of data that was rounded to bins of width `bin` on the model's scale, from
/// the mean log-density in nats of its dequantised values: `−ln p/(d·ln 2) − log₂ bin`
///
/// 256 levels in the centres of equal bins of [−1, 1] have bins of width 2/256, which adds 7 bits;
/// on [0, 1] the width is 1/256, which adds 8. If the endpoints of the range are levels
/// themselves (p/127.5 − 1), the width is 2/255.
///
/// Source: Theis et al. 2016, §3.1: an upper bound on the cost of a code for the rounded data.
///
/// ```
/// use pyroclast_solvers::likelihood::bits_per_dimension;
///
/// // A uniform density on [0, 1] needs all 8 bits of a pixel.
/// assert_eq!(bits_per_dimension(0.0, 784, 1.0 / 256.0), 8.0);
/// ```
pub fn bits_per_dimension(log_density: f64, dimensions: usize, bin: f64) -> f64 {
    -log_density / (dimensions as f64 * std::f64::consts::LN_2) - bin.log2()
}

/// Spreads rounded values evenly over their bins: `x + bin·(u − ½)`, u ~ U(0, 1).
pub fn dequantise(values: &mut [f32], bin: f64, draws: &mut Draws) {
    let uniforms = draws.uniforms(values.len());
    for (value, u) in values.iter_mut().zip(uniforms) {
        *value += (bin * (u - 0.5)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_literature() {
        // A density of 1 nat everywhere: only the bins count.
        assert!((bits_per_dimension(0.0, 3072, 2.0 / 256.0) - 7.0).abs() < 1e-12);
        assert!((bits_per_dimension(0.0, 3072, 1.0 / 256.0) - 8.0).abs() < 1e-12);
        // A uniform distribution on [−1, 1]^d codes each of 256 levels with 8 bits.
        let d = 5;
        let uniform = -(d as f64) * 2_f64.ln();
        assert!((bits_per_dimension(uniform, d, 2.0 / 256.0) - 8.0).abs() < 1e-12);
    }

    #[test]
    fn dequantised_values_stay_in_their_bins() {
        use pyroclast_core::noise::{Noise, Stream};
        let mut values = vec![0.25_f32; 10_000];
        dequantise(
            &mut values,
            0.5,
            &mut Noise::new(0).draws(Stream::Likelihood, 0),
        );
        assert!(values.iter().all(|v| (0.0..=0.5).contains(v)));
        let mean = values.iter().sum::<f32>() / 10_000.0;
        assert!((mean - 0.25).abs() < 5.0 * 0.5 / 12_f32.sqrt() / 100.0);
    }
}
