//! A field and states that the wrappers' tests share.

use crate::analytic::Gaussian;
use crate::endpoints::Endpoints;
use crate::field::{Denoiser, LearnedVariance, VectorField};
use crate::per_sample::from_host;
use crate::schedule::{Linear, Schedule};
use burn::tensor::{DType, Tensor};
use burn_ndarray::NdArray;
use std::cell::Cell;

pub(super) type B = NdArray<f64>;
pub(super) type Law = Gaussian<B, Linear, 2>;
pub(super) const LINEAR: Linear = Linear { sigma_min: 0.0 };

pub(super) fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<B, D> {
    from_host(values.to_vec(), shape, &Default::default(), DType::F64)
}

pub(super) fn gaussian(mean: f64, std: f64) -> Law {
    Gaussian {
        mean: tensor(&[mean, -0.5 * mean, 0.25], [1, 3]),
        std,
        schedule: LINEAR,
    }
}

/// Two samples of three entries.
pub(super) fn state() -> Tensor<B, 2> {
    tensor(&[0.3, -1.2, 2.0, 0.7, 1.1, -0.4], [2, 3])
}

pub(super) fn values<const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    x.into_data().to_vec().expect("f64 data")
}

#[track_caller]
pub(super) fn close<const D: usize>(got: Tensor<B, D>, expected: Tensor<B, D>) {
    assert_eq!(got.dims(), expected.dims());
    for (g, e) in values(got).iter().zip(values(expected)) {
        assert!((g - e).abs() < 1e-12, "{g} instead of {e}");
    }
}

/// That αx̂1 + σx̂0 is the state.
#[track_caller]
pub(super) fn lies_on_path(t: f64, x: Tensor<B, 2>, ends: Endpoints<B, 2>) {
    let c = LINEAR.at(t);
    close(ends.x1 * c.alpha + ends.x0 * c.sigma, x);
}

/// A denoiser that counts its evaluations, and says v = `variance`.
pub(super) struct Counting<F> {
    pub(super) field: F,
    pub(super) variance: f64,
    pub(super) evaluations: Cell<usize>,
}

impl<F> Counting<F> {
    pub(super) fn new(field: F, variance: f64) -> Self {
        let evaluations = Cell::new(0);
        Self {
            field,
            variance,
            evaluations,
        }
    }

    fn count(&self) -> &F {
        self.evaluations.set(self.evaluations.get() + 1);
        &self.field
    }
}

impl<F: VectorField<B, 2>> VectorField<B, 2> for Counting<F> {
    fn velocity(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.count().velocity(t, x)
    }
}

impl<F: Denoiser<B, 2>> Denoiser<B, 2> for Counting<F> {
    fn schedule(&self) -> &dyn Schedule {
        self.field.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.field.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.count().denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, 2>) -> Endpoints<B, 2> {
        self.count().endpoints(t, x)
    }

    fn noise(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.count().noise(t, x)
    }

    fn score(&self, t: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.count().score(t, x)
    }
}

impl<F: Denoiser<B, 2>> LearnedVariance<B, 2> for Counting<F> {
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, 2>) -> (Endpoints<B, 2>, Tensor<B, 2>) {
        let variance = x.zeros_like() + self.variance;
        (self.count().endpoints(t, x), variance)
    }
}
