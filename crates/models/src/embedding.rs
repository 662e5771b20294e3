//! Embeddings: the time, the class and the attributes as learned vectors.
//!
//! `e(t) = [cos(τ·ω_i), sin(τ·ω_i)], τ = 1000·t, ω_i = 10000^{−i/h}`, then two linear layers with a
//! SiLU between them
//!
//! Source: Vaswani et al. 2017, §3.5; Ho et al. 2020, appendix B. The factor 1000 gives t ∈ [0, 1]
//! the range of a DDPM index.

use crate::dual::Dual;
use crate::init::Init;
use crate::layer::dense;
use burn::module::{Module, Param};
use burn::nn::{Embedding, Linear};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::{Labels, Vectors};
use pyroclast_core::named::{FINITE, Range};
use pyroclast_core::{named, settings};
use pyroclast_kernels::{self as kernels, Activation, concat};

settings! {
    /// How the time becomes sinusoids, of which there are 2h.
    ///
    /// `τ = scale·t + offset`, `ω_i = 10000^{−i/(h − shift)}`
    #[derive(Clone, Copy, PartialEq)]
    pub struct TimeFeatures {
        /// What t is multiplied by; 1000 gives t ∈ [0, 1] the range of a DDPM index.
        scale: f64 = 1000.0 => FINITE,
        /// What is added to it then.
        offset: f64 = 0.0 => FINITE,
        /// Whether the sines come before the cosines.
        sines_first: bool = false,
        /// With 0, the lowest frequency is one step above 1/10000; with 1, as in Ho et al. 2020, it
        /// is 1/10000.
        shift: f64 = 0.0 => Range {
            holds: |shift| (0.0..=1.0).contains(shift),
            remedy: "give a number from 0 to 1",
        },
    }
}

impl TimeFeatures {
    /// Of the time as it is.
    pub fn raw() -> Self {
        Self {
            scale: 1.0,
            ..Self::default()
        }
    }

    /// Of the index k of a DDPM with this many steps, where `t = 1 − (k + 1)/steps`.
    pub fn index(steps: usize) -> Self {
        let steps = steps as f64;
        Self {
            scale: -steps,
            offset: steps - 1.0,
            ..Self::default()
        }
    }

    /// The features of each time, `[batch]` → `[batch, width]`.
    ///
    /// # Panics
    /// If the width is odd.
    pub fn of<B: Backend>(&self, t: Tensor<B, 1>, width: usize) -> Tensor<B, 2> {
        kernels::sinusoids(t, &self.angles(width), self.sines_first)
    }

    /// The derivatives of the features in the time, `[batch]` → `[batch, width]`.
    ///
    /// # Panics
    /// If the width is odd.
    pub fn slope<B: Backend>(&self, t: Tensor<B, 1>, width: usize) -> Tensor<B, 2> {
        let angles = self.angles(width);
        let (device, dtype) = (t.device(), t.dtype());
        // Of a sine it is a cosine, of a cosine a negative sine.
        let signs = if self.sines_first {
            [1.0, -1.0]
        } else {
            [-1.0, 1.0]
        };
        let rates = signs
            .iter()
            .flat_map(|sign| angles.iter().map(move |[rate, _]| sign * rate));
        let data = TensorData::new(rates.collect(), [1, width]).convert_dtype(dtype);
        let rates = Tensor::<B, 2>::from_data(data, (&device, dtype));
        kernels::sinusoids(t, &angles, !self.sines_first) * rates
    }

    /// The features of each time, with their motion.
    pub(crate) fn carry<B: Backend>(&self, t: Dual<B, 1>, width: usize) -> Dual<B, 2> {
        let along = |v: Tensor<B, 1>| self.slope(t.value.clone(), width) * v.unsqueeze_dim(1);
        Dual {
            tangent: t.tangent.map(along),
            value: self.of(t.value, width),
        }
    }

    /// Of each angle `τ·ω_i`, what multiplies t and what is added.
    fn angles(&self, width: usize) -> Vec<[f64; 2]> {
        assert!(
            width.is_multiple_of(2),
            "sinusoidal features need an even width, not {width}"
        );
        let half = width / 2;
        let last = half as f64 - self.shift;
        let rate = |i: usize| (-(10_000_f64.ln()) * i as f64 / last).exp();
        let angle = |i: usize| [self.scale, self.offset].map(|factor| factor * rate(i));
        (0..half).map(angle).collect()
    }
}

/// Sinusoidal features of the time, `[batch]` → `[batch, width]`.
///
/// # Panics
/// If the width is odd.
pub fn sinusoids<B: Backend>(t: Tensor<B, 1>, width: usize) -> Tensor<B, 2> {
    TimeFeatures::default().of(t, width)
}

/// The time as a vector of learned features.
#[derive(Module, Debug)]
pub struct TimeEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    #[module(skip)]
    sinusoids: TimeFeatures,
    features: usize,
}

impl<B: Backend> TimeEmbedding<B> {
    /// An embedding of `features` of these sinusoids (an even number) in `width` dimensions.
    pub fn new(
        sinusoids: TimeFeatures,
        features: usize,
        width: usize,
        init: &mut Init<'_, B>,
    ) -> Self {
        let layers = [init.linear(features, width), init.linear(width, width)];
        Self::of_layers(sinusoids, layers)
    }

    /// An embedding by these two layers.
    pub(crate) fn of_layers(sinusoids: TimeFeatures, [first, second]: [Linear<B>; 2]) -> Self {
        let [features, _] = first.weight.dims();
        Self {
            first,
            second,
            sinusoids,
            features,
        }
    }

    /// The sinusoids of each time, `[batch]` → `[batch, features]`.
    ///
    /// # Panics
    /// If the number of sinusoids is odd.
    pub fn features(&self, t: Tensor<B, 1>) -> Tensor<B, 2> {
        self.carry_features(t.into()).value
    }

    /// The embedding of sinusoids, to which others may have been added:
    /// `[batch, features]` → `[batch, width]`.
    pub fn embed(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        self.carry(features.into()).value
    }

    pub(crate) fn carry_features(&self, t: Dual<B, 1>) -> Dual<B, 2> {
        self.sinusoids.carry(t, self.features)
    }

    pub(crate) fn carry(&self, features: Dual<B, 2>) -> Dual<B, 2> {
        let hidden = features.dense(&self.first, Activation::Silu);
        hidden.dense(&self.second, Activation::Identity)
    }
}

named! {
    /// What stands for "no class".
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum NullClass as "class for none" {
        /// One more row of the table, trained like the others.
        "trained" => Trained,
        /// Zeros, which training cannot change.
        "zero" => Zero,
        /// Nothing: the network was made for samples of a known class only.
        "absent" => Absent,
    }
}

/// A learned vector per class.
///
/// `e(c) = s·W_c + b`, with s = 1 and b = 0 unless the class enters beside the time's sinusoids
#[derive(Module, Debug)]
pub struct ClassEmbedding<B: Backend> {
    table: Embedding<B>,
    bias: Option<Param<Tensor<B, 1>>>,
    classes: usize,
    #[module(skip)]
    null: NullClass,
}

impl<B: Backend> ClassEmbedding<B> {
    /// A table of `classes + 1` vectors; row `classes` stands for no class.
    pub fn new(classes: usize, width: usize, init: &mut Init<'_, B>) -> Self {
        Self::with_null(classes, width, NullClass::Trained, init)
    }

    /// A table with this vector for no class.
    pub fn with_null(
        classes: usize,
        width: usize,
        null: NullClass,
        init: &mut Init<'_, B>,
    ) -> Self {
        let table = init.embedding(Self::rows(classes, null), width);
        Self::of_table(table, classes, null)
    }

    /// The vectors of this table.
    pub(crate) fn of_table(table: Embedding<B>, classes: usize, null: NullClass) -> Self {
        Self {
            table,
            bias: None,
            classes,
            null,
        }
    }

    /// The rows of a table.
    pub(crate) fn rows(classes: usize, null: NullClass) -> usize {
        classes + usize::from(null == NullClass::Trained)
    }

    /// A linear layer on the label as a unit vector times √K, K classes, so that the mean square of
    /// its numbers is 1.
    ///
    /// Source: Karras et al. 2022, `SongUNet`.
    pub fn of_unit_vectors(
        classes: usize,
        width: usize,
        null: NullClass,
        init: &mut Init<'_, B>,
    ) -> Self {
        let rows = Self::rows(classes, null);
        let Linear { weight, bias } = init.linear(rows, width);
        Self {
            table: Embedding { weight },
            bias,
            classes,
            null,
        }
    }

    /// The vector of each label, `[batch]` → `[batch, width]`. Without labels, every row gets the
    /// one for "no class".
    ///
    /// Labels must not exceed the number of classes: what happens to one that does depends on the
    /// backend.
    ///
    /// # Panics
    /// If there are no labels, and nothing stands for "no class".
    pub fn forward(&self, labels: &Labels<B>, batch: usize) -> Tensor<B, 2> {
        let weight = self.table.weight.val();
        let device = weight.device();
        assert!(
            self.null != NullClass::Absent || labels.is_given(),
            "this network was made for samples of a known class; give one of {} classes",
            self.classes
        );
        let labels = labels.or_class(self.classes, batch, &device);
        let weight = match self.null {
            NullClass::Trained => weight,
            NullClass::Zero | NullClass::Absent => {
                let zeros = Tensor::zeros([1, weight.dims()[1]], (&device, weight.dtype()));
                concat(weight, zeros, 0)
            }
        };
        let vectors = weight.select(0, labels);
        match &self.bias {
            Some(bias) => vectors * (self.classes as f64).sqrt() + bias.val().unsqueeze(),
            None => vectors,
        }
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
        let layers = [init.linear(numbers + 1, width), init.linear(width, width)];
        Self::of_layers(numbers, layers)
    }

    /// An embedding by these two layers.
    pub(crate) fn of_layers(numbers: usize, [first, second]: [Linear<B>; 2]) -> Self {
        Self {
            first,
            second,
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
