//! `y[o, p] = bias[o] + Σ_{c, place} W[o, c, place]·x[c, p·stride + place]`

use super::super::float::Float;
use super::gather::Planes;
use super::{direct, winograd};

/// What is slid over what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    /// The input.
    pub(super) planes: Planes,
    /// Rows and columns of the kernel.
    pub(super) kernel: [usize; 2],
    /// From one output to the next.
    pub(super) stride: usize,
    /// Channels of the output.
    pub(super) outputs: usize,
    /// Height and width of the output.
    pub(super) size: [usize; 2],
}

/// The output, `[batch, outputs, height, width]`. How it is taken depends on the sizes of one sample alone, so a sample's output does not
/// depend on how many there are.
pub(super) fn run<T: Float, const MR: usize, const NR: usize>(
    correlation: &Correlation,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
) -> Vec<T> {
    let Correlation {
        planes,
        kernel,
        stride,
        outputs,
        size,
    } = *correlation;
    match winograd::pays(
        kernel,
        stride,
        [planes.size, size],
        [planes.channels, outputs],
    ) {
        true => winograd::value::run::<T, MR, NR>(correlation, x, weight, bias),
        false => direct::value::run::<T, MR, NR>(correlation, x, weight, bias),
    }
}
