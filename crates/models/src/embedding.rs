//! Embeddings: the time, the class and the attributes as learned vectors.
//!
//! `e(t) = [cos(1000·t·ω_i), sin(1000·t·ω_i)], ω_i = 10000^{−i/h}`, then two linear layers
//! with a SiLU between them
//!
//! Source: Vaswani et al. 2017, §3.5; Ho et al. 2020, appendix B. The factor 1000 gives t ∈ [0, 1]
//! the range of a DDPM index.

use crate::init::Init;
use crate::layer::dense;
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::{Labels, Vectors};
use pyroclast_kernels::Activation;

/// The number of indices of a DDPM that one unit of time spans.
const TIME_SCALE: f64 = 1000.0;

/// Sinusoidal features of the time, `[batch]` → `[batch, width]`.
///
/// # Panics
/// If the width is odd.
pub fn sinusoids<B: Backend>(t: Tensor<B, 1>, width: usize) -> Tensor<B, 2> {
    assert!(
        width.is_multiple_of(2),
        "sinusoidal features need an even width, not {width}"
    );
    let half = width / 2;
    let frequencies: Vec<f64> = (0..half)
        .map(|i| TIME_SCALE * (-(10_000_f64.ln()) * i as f64 / half as f64).exp())
        .collect();
    let data = TensorData::new(frequencies, [1, half]).convert_dtype(t.dtype());
    let frequencies = Tensor::<B, 2>::from_data(data, (&t.device(), t.dtype()));
    let angles = t.unsqueeze_dim::<2>(1) * frequencies;
    Tensor::cat(vec![angles.clone().cos(), angles.sin()], 1)
}

/// The time as a vector of learned features.
#[derive(Module, Debug)]
pub struct TimeEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    features: usize,
}

impl<B: Backend> TimeEmbedding<B> {
    /// An embedding of `features` sinusoids (an even number) in `width` dimensions.
    pub fn new(features: usize, width: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            first: init.linear(features, width),
            second: init.linear(width, width),
            features,
        }
    }

    /// The embedding of each time, `[batch]` → `[batch, width]`.
    ///
    /// # Panics
    /// If the number of sinusoids is odd.
    pub fn forward(&self, t: Tensor<B, 1>) -> Tensor<B, 2> {
        let features = sinusoids(t, self.features);
        let hidden = dense(&self.first, features, Activation::Silu);
        dense(&self.second, hidden, Activation::Identity)
    }
}

/// A learned vector per class, with one more for "no class".
#[derive(Module, Debug)]
pub struct ClassEmbedding<B: Backend> {
    table: Embedding<B>,
    classes: usize,
}

impl<B: Backend> ClassEmbedding<B> {
    /// A table of `classes + 1` vectors; row `classes` stands for no class.
    pub fn new(classes: usize, width: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            table: init.embedding(classes + 1, width),
            classes,
        }
    }

    /// The vector of each label, `[batch]` → `[batch, width]`. Without labels, every row
    /// gets the one for "no class".
    ///
    /// Labels must not exceed the number of classes: what happens to one that
    /// does depends on the backend.
    pub fn forward(&self, labels: &Labels<B>, batch: usize) -> Tensor<B, 2> {
        let weight = self.table.weight.val();
        let labels = labels.or_class(self.classes, batch, &weight.device());
        weight.select(0, labels)
    }
}

/// A learned vector for the attributes of a sample, and one for a sample without any.
///
/// `e(c) = W_2·SiLU(W_1·[c, 1] + b_1) + b_2`, with `[0, 0]` in place of
/// `[c, 1]` where there are none
#[derive(Module, Debug)]
pub struct VectorEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    numbers: usize,
}

impl<B: Backend> VectorEmbedding<B> {
    /// An embedding of `numbers` attributes in `width` dimensions.
    pub fn new(numbers: usize, width: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            first: init.linear(numbers + 1, width),
            second: init.linear(width, width),
            numbers,
        }
    }

    /// The embedding of each of `batch` rows, `[batch, width]`.
    ///
    /// # Panics
    /// If the number of attributes is not the one that the embedding was built for.
    pub fn forward(&self, vectors: &Vectors<B>, batch: usize) -> Tensor<B, 2> {
        let weight = self.first.weight.val();
        let flagged = vectors.flagged(batch, self.numbers, &weight.device());
        let hidden = dense(&self.first, flagged.cast(weight.dtype()), Activation::Silu);
        dense(&self.second, hidden, Activation::Identity)
    }
}
