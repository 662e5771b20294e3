//! The density of a flow.
//!
//! `ln p_1(x_1) = ln p_0(x_0) − ∫_0^1 ∇·u_t(x_t) dt` along the path through x_1
//!
//! Source: Chen et al. 2018, theorem 1. The error of the solve is controlled on the state alone.

use crate::divergence::{Trace, WithDivergence};
use crate::method::EmbeddedMethod;
use crate::solve::{Control, Statistics, Stopped, solve_measured};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{Counted, VectorField};
use pyroclast_core::noise::Draws;

/// Points that a flow has carried, with the density that came along.
#[derive(Debug, Clone)]
pub struct Transported<B: Backend, const D: usize> {
    /// Where the points got to.
    pub x: Tensor<B, D>,
    /// The log-density of the flow's law at the data end, in nats: `[batch]`.
    pub log_density: Tensor<B, 1>,
    /// What it cost. An evaluation holds as many forward and backward passes as the trace has vectors.
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

/// The log-density at points of the data, found by carrying them back from `span.1` to `span.0`, where the law is `base`.
///
/// Data of any rank.
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
    let (x, integral, statistics) = carry(field, method, x, (end, start), trace, control)?;
    Ok(Transported {
        // Integrated backward, the integral has the other sign.
        log_density: base(x.clone()) + integral,
        x,
        statistics,
    })
}

/// Points of the base law carried to the data, with their log-density there: [`log_density`] the other way.
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
    let (x, integral, statistics) = carry(field, method, x, span, trace, control)?;
    Ok(Transported {
        x,
        log_density: at_start - integral,
        statistics,
    })
}

type Carried<B, const D: usize> = (Tensor<B, D>, Tensor<B, 1>, Statistics);

fn carry<B, F, M, const D: usize>(
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
    trace: Trace,
    control: Control,
) -> Result<Carried<B, D>, Stopped<B, 2>>
where
    B: Backend,
    F: VectorField<Autodiff<B>, D>,
    M: for<'a, 'b> EmbeddedMethod<B, Counted<'a, WithDivergence<'b, F, B, D>>, 2>,
{
    let augmented = WithDivergence::new(field, trace, &x);
    let (size, z) = (augmented.size(), augmented.pack(x));
    let solution = solve_measured(control, size, &augmented, method, z, span)?;
    let (x, integral) = augmented.unpack(solution.x);
    Ok((x, integral, solution.statistics))
}

/// Bits per dimension of data that was rounded to bins of width `bin` on the model's scale, from the mean log-density in nats of its
/// dequantised values: `−ln p/(d·ln 2) − log₂ bin`
///
/// 256 levels in the middles of as many bins of [−1, 1] have bins of 2/256, which adds 7 bits; of [0, 1] of 1/256, which adds 8. Where the
/// ends of the range are levels themselves (p/127.5 − 1), bins are 2/255.
///
/// Source: Theis et al. 2016, §3.1: an upper bound of what a code for the rounded data costs.
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
        // A uniform law on [−1, 1]^d codes each of 256 levels with 8 bits.
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
