//! The two endpoints of a path: `x_t = αx1 + σx0`.

use crate::schedule::Coefficients;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The two endpoints of a path through a state.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_core::endpoints::Endpoints;
/// use pyroclast_core::schedule::{Linear, Schedule};
///
/// let one = |value: f32| Tensor::<NdArray, 2>::full([1, 1], value, &Default::default());
/// let c = Linear::default().at(0.5); // x = x1/2 + x0/2
/// let ends = Endpoints::of_data(c, one(1.0), one(3.0));
/// assert_eq!(ends.x0.into_scalar(), -1.0);
/// ```
#[derive(Debug, Clone)]
pub struct Endpoints<B: Backend, const D: usize> {
    /// The noise endpoint x0.
    pub x0: Tensor<B, D>,
    /// The data endpoint x1.
    pub x1: Tensor<B, D>,
}

impl<B: Backend, const D: usize> Endpoints<B, D> {
    /// The path through `x` that ends at `x1`: `x0 = (x − αx1)/σ`.
    ///
    /// Where σ = 0 the state carries no information about the noise, and x0 is the noise's mean, 0.
    /// To keep an existing x0 there, use [`Endpoints::with_data`].
    pub fn of_data(c: Coefficients, x: Tensor<B, D>, x1: Tensor<B, D>) -> Self {
        if c.sigma == 0.0 {
            return Self {
                x0: x.zeros_like(),
                x1,
            };
        }
        Self {
            // A product: burn's tape keeps a divisor in single precision.
            x0: (x - x1.clone() * c.alpha) * c.sigma.recip(),
            x1,
        }
    }

    /// The path through the same state with another data endpoint: `x0' = x0 − α/σ·(x1' − x1)`.
    /// Where σ = 0, x0 stays.
    pub fn with_data(self, c: Coefficients, x1: Tensor<B, D>) -> Self {
        if c.sigma == 0.0 {
            return Self { x0: self.x0, x1 };
        }
        let change = x1.clone() - self.x1;
        Self {
            x0: self.x0 - change * (c.alpha / c.sigma),
            x1,
        }
    }

    /// The path through the same state with g added to the score:
    /// `x0' = x0 − σg, x1' = x1 + σ²/α·g`. Where α = 0 the state is σx0, so both endpoints stay.
    pub fn with_added_score(self, c: Coefficients, g: Tensor<B, D>) -> Self {
        if c.alpha == 0.0 {
            return self;
        }
        Self {
            x0: self.x0 - g.clone() * c.sigma,
            x1: self.x1 + g * (c.sigma * c.sigma / c.alpha),
        }
    }
}
