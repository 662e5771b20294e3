//! What the factors of products are rounded to.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::fmt;

/// What the factors of products are rounded to, in this crate's linear layers, convolutions, attention
/// and [`matmul`](crate::matmul), forward and backward. burn's own layers do not see it.
///
/// `x·W ≈ fl(x)·fl(W)`, with fl the rounding to nearest, ties to even
///
/// Products are added up in single precision, whatever their factors. All else stays in single
/// precision too: parameters, gradients, moments, averages, normalisations, softmax, losses.
///
/// A precision holds for what runs inside of [`Precision::within`], on its thread, and for the
/// backward pass of what was recorded there. So a network has none of its own, and any network that is
/// made of these layers can run in any.
///
/// Tensors in double precision are never rounded.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{Precision, matmul};
///
/// let x = Tensor::<Flex, 2>::from_floats([[1.001]], &Default::default());
/// let product = || matmul(x.clone(), x.clone()).into_scalar();
/// // bf16 has 8 significant bits, so it is 1 that is nearest.
/// assert_eq!(Precision::Bf16.within(product), 1.0);
/// assert_eq!(product(), 1.001 * 1.001);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not rounded: 24 significant bits. Slow on GPUs, whose matrix units are not used. Under burn's
    /// fusion, and under two tapes, products are as burn computes them.
    F32,
    /// TF32 where the device has matrix units for it (NVIDIA's since Ampere): 11 significant bits.
    /// Not rounded elsewhere.
    #[default]
    Tf32,
    /// bf16: 8 significant bits, and the exponents of single precision. Matrix units multiply it
    /// where [`multiplies_bf16`](crate::multiplies_bf16). Elsewhere on GPUs, and on flex, factors are rounded and
    /// then multiplied in single precision, which takes longer than not to round: to see what a
    /// training on CUDA will do.
    Bf16,
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::Tf32) };
}

impl Precision {
    /// Every precision, with its name and what is said of it in lists.
    pub const ALL: [(&'static str, Self, &'static str); 3] = [
        ("f32", Self::F32, "24 significant bits; slow on GPUs."),
        (
            "tf32",
            Self::Tf32,
            "11 significant bits where matrix units have it, 24 elsewhere.",
        ),
        (
            "bf16",
            Self::Bf16,
            "8 significant bits, on GPUs with matrix units for it.",
        ),
    ];

    /// Runs this with products in this precision. What runs on other threads is not affected, and a
    /// future that is made inside does not have it when it is polled outside.
    pub fn within<T>(self, work: impl FnOnce() -> T) -> T {
        /// Brings the precision back, also where the work panics.
        struct Before(Precision);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _before = Before(CURRENT.replace(self));
        work()
    }

    /// That of the products of this thread now.
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// The precision of what measures: that of the thread, but never bf16. A score would otherwise
    /// depend on how the measuring network is rounded.
    pub fn of_scores() -> Self {
        match Self::current() {
            Self::Bf16 => Self::Tf32,
            finer => finer,
        }
    }

    /// Panics if bf16 is asked of a backend that cannot round.
    pub(crate) fn check_supported<B: Backend, const D: usize>(self, y: &Tensor<B, D>) {
        assert!(
            self != Self::Bf16 || y.dtype() == DType::F64 || y.shape().num_elements() == 0,
            "products in bf16 are for the backends flex, wgpu and CUDA, without burn's fusion and with at most one tape"
        );
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(_, precision, _)| precision == self);
        f.write_str(named.map_or("", |(name, ..)| name))
    }
}
