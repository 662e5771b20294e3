//! What a sample is conditioned on, beside the time.
//!
//! `u_t(x | c)`; a model that is also trained without c, by dropping it from some rows, has `u_t(x | ∅)` for guidance
//!
//! Source: Ho & Salimans 2022 for dropping conditions in training.
//!
//! On the host, [`Given`] holds the condition of each sample, and picks and drops rows. On the device, a
//! [`Condition`] is what a network reads. One kind of condition per file:
//!
//! | condition | of a sample | dropped |
//! |---|---|---|
//! | `()` | nothing | |
//! | [`Labels`] | its class, 0 to K − 1 | class K |
//! | [`Vectors`] | k numbers | zeros, and a flag that says so |
//! | [`Sequences`] | some tokens of w numbers each | no tokens |
//! | [`Images`] | an image beside the state | zeros |
//! | `(C1, C2)` | both | both |

mod given;
mod images;
mod labels;
mod pair;
mod sequences;
mod vectors;

pub use given::Given;
pub use images::{ImageRows, Images};
pub use labels::{LabelRows, Labels};
pub use sequences::{SequenceRows, Sequences};
pub use vectors::{VectorRows, Vectors};

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use std::fmt::Debug;

/// What a network is conditioned on: one row per sample of a batch, on the device.
///
/// The default is the absence of a condition, for a batch of any size: every row is as if dropped.
///
/// A type of one's own reads whichever parts of [`Given`] it needs.
///
/// ```
/// use burn_ndarray::NdArray;
/// use pyroclast_core::condition::{Condition, Given, Labels, Vectors};
///
/// // Three samples, each with a class and two numbers.
/// let given = Given::labels(&[0, 2, 1], 3).and(Given::vectors(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 2));
/// let device = Default::default();
/// let (labels, vectors) = <(Labels<NdArray>, Vectors<NdArray>)>::upload(&given, &device);
/// assert_eq!(labels.or_class(3, 3, &device).dims(), [3]);
/// assert_eq!(vectors.flagged(3, 2, &device).dims(), [3, 3]);
/// ```
pub trait Condition<B: Backend>: Clone + Debug + Default {
    /// The condition of a batch. It is absent where `given` has no such part.
    fn upload(given: &Given, device: &B::Device) -> Self;

    /// The condition of some rows of the batch, in this order.
    #[must_use]
    fn select(&self, rows: &[usize]) -> Self;
}

/// The condition of an unconditional network.
impl<B: Backend> Condition<B> for () {
    fn upload(_: &Given, _: &B::Device) {}

    fn select(&self, _: &[usize]) {}
}

/// Row numbers as indices on a device.
fn indices<B: Backend>(rows: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}

/// Some rows of row-major values, `width` to a row.
fn gather<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    let row = |&row: &usize| &values[row * width..(row + 1) * width];
    rows.iter().flat_map(row).copied().collect()
}
