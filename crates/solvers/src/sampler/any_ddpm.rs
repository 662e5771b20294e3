//! DDPM's step with a fixed or a learned variance.

use super::{Ddpm, DdpmLearned};
use crate::brownian::Increments;
use crate::entry::Settings;
use crate::entry::option::{VARIANCE, variance};
use crate::method::Method;
use crate::requirement::{Requirement, Sampler};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::LearnedVariance;

/// [`Ddpm`] with a fixed variance, or [`DdpmLearned`] with the variance that the network has
/// learned.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnyDdpm {
    Fixed(Ddpm<Increments>),
    Learned(DdpmLearned<Increments>),
}

impl AnyDdpm {
    /// DDPM's step with the variance of the option, if it is set, or else that of the model.
    pub(super) fn of(settings: &Settings<'_>) -> Self {
        let brownian = settings.increments(0);
        let asked = settings.value(&VARIANCE).and_then(variance);
        match asked.or(settings.variance) {
            Some(variance) => Self::Fixed(Ddpm { variance, brownian }),
            None => Self::Learned(DdpmLearned { brownian }),
        }
    }
}

impl<B, F, const D: usize> Method<B, F, D> for AnyDdpm
where
    B: Backend,
    F: LearnedVariance<B, D> + ?Sized,
{
    /// Steps taken.
    type State = u64;

    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> u64 {
        0
    }

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, step: u64) -> (Tensor<B, D>, u64) {
        match self {
            Self::Fixed(method) => method.step(field, t, s, x, step),
            Self::Learned(method) => method.step(field, t, s, x, step),
        }
    }
}

impl Sampler for AnyDdpm {
    fn name(&self) -> &'static str {
        match self {
            Self::Fixed(method) => method.name(),
            Self::Learned(method) => method.name(),
        }
    }

    fn requirement(&self) -> Requirement {
        match self {
            Self::Fixed(method) => method.requirement(),
            Self::Learned(method) => method.requirement(),
        }
    }

    fn adds_noise(&self) -> bool {
        true
    }
}
