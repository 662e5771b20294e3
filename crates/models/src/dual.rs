//! A value together with its tangent, which is how it changes along a direction.
//!
//! `(x, ẋ) → (f(x), f'(x)·ẋ)`
//!
//! A network is written once, in terms of these. What does not move has no tangent, and then a
//! layer runs its kernel and nothing else.
//!
//! Source: Griewank & Walther 2008, "Evaluating Derivatives", §3.1 (the forward mode).

mod attention;
mod layers;
mod norms;

pub(crate) use attention::attention;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_kernels::{combine, concat, fork, scaled, split};

/// A value, and its tangent if it moves.
#[derive(Debug, Clone)]
pub(crate) struct Dual<B: Backend, const D: usize> {
    pub(crate) value: Tensor<B, D>,
    /// Of the shape of the value.
    pub(crate) tangent: Option<Tensor<B, D>>,
}

/// A value that does not move.
impl<B: Backend, const D: usize> From<Tensor<B, D>> for Dual<B, D> {
    fn from(value: Tensor<B, D>) -> Self {
        Self {
            value,
            tangent: None,
        }
    }
}

impl<B: Backend, const D: usize> Dual<B, D> {
    /// A value that moves like this.
    fn moving(value: Tensor<B, D>, tangent: Tensor<B, D>) -> Self {
        Self {
            value,
            tangent: Some(tangent),
        }
    }

    /// A value that moves at one speed everywhere.
    pub(crate) fn at_speed(value: Tensor<B, D>, speed: f64) -> Self {
        let tangent = (speed != 0.0).then(|| value.full_like(speed));
        Self { value, tangent }
    }

    pub(crate) fn dims(&self) -> [usize; D] {
        self.value.dims()
    }

    /// A linear function, of the value and the tangent alike.
    pub(crate) fn linearly<const E: usize>(
        self,
        f: impl Fn(Tensor<B, D>) -> Tensor<B, E>,
    ) -> Dual<B, E> {
        let tangent = self.tangent.map(&f);
        Dual {
            value: f(self.value),
            tangent,
        }
    }

    /// The value with a number added.
    pub(crate) fn offset(self, by: f64) -> Self {
        Self {
            value: self.value + by,
            ..self
        }
    }

    /// The sum of two.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            value: combine(self.value, &[(1.0, &other.value)]),
            tangent: sum([self.tangent, other.tangent]),
        }
    }

    /// The value times a number.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        self.linearly(|x| scaled(x, factor))
    }

    /// The same twice, for two layers.
    pub(crate) fn fork(self) -> [Self; 2] {
        let tangent = self.tangent;
        fork(self.value).map(|value| Self {
            value,
            tangent: tangent.clone(),
        })
    }

    /// Both, joined along an axis.
    pub(crate) fn beside(self, other: Self, dim: usize) -> Self {
        if let (None, None) = (&self.tangent, &other.tangent) {
            return concat(self.value, other.value, dim).into();
        }
        let ([a, a_along], [b, b_along]) = (self.both(), other.both());
        Self::moving(concat(a, b, dim), concat(a_along, b_along, dim))
    }

    /// The value, and its tangent.
    pub(crate) fn both(self) -> [Tensor<B, D>; 2] {
        let zeros = || self.value.zeros_like();
        let tangent = self.tangent.unwrap_or_else(zeros);
        [self.value, tangent]
    }
}

/// The sum of the terms that there are.
fn sum<B: Backend, const D: usize>(
    terms: impl IntoIterator<Item = Option<Tensor<B, D>>>,
) -> Option<Tensor<B, D>> {
    terms.into_iter().flatten().reduce(|sum, term| sum + term)
}

impl<B: Backend> Dual<B, 2> {
    /// N parts of each row, side by side and of one width.
    pub(crate) fn split<const N: usize>(self) -> [Self; N] {
        let mut values = split(self.value, N).into_iter();
        let mut tangents = self.tangent.map(|along| split(along, N).into_iter());
        std::array::from_fn(|_| Self {
            value: values.next().expect("a part"),
            tangent: tangents.as_mut().and_then(Iterator::next),
        })
    }
}
