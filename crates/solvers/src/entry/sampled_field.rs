//! The field that is sampled: a velocity field and a denoiser, whatever is inside.
//!
//! It has one type for all networks and wrappers, so that each method is compiled only once.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::endpoints::Endpoints;
use pyroclast_core::field::{Denoiser, LearnedVariance, VectorField};
use pyroclast_core::flow_map::FlowMap;
use pyroclast_core::schedule::Schedule;
use std::fmt;

/// All the traits of a field that a method may use.
pub trait Field<B: Backend, const D: usize>: VectorField<B, D> + LearnedVariance<B, D> {}

impl<B, F, const D: usize> Field<B, D> for F
where
    B: Backend,
    F: VectorField<B, D> + LearnedVariance<B, D>,
{
}

/// The field that a [`Method`] integrates to draw samples: a velocity field and a denoiser.
///
/// [`Method`]: crate::Method
pub struct SampledField<'a, B: Backend, const D: usize>(Box<dyn Field<B, D> + 'a>);

impl<'a, B: Backend, const D: usize> SampledField<'a, B, D> {
    /// Any field as this type.
    pub fn new(field: impl Field<B, D> + 'a) -> Self {
        Self(Box::new(field))
    }
}

impl<B: Backend, const D: usize> fmt::Debug for SampledField<'_, B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampledField").finish_non_exhaustive()
    }
}

impl<B: Backend, const D: usize> VectorField<B, D> for SampledField<'_, B, D> {
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.velocity(t, x)
    }

    fn flow_map(&self) -> Option<&dyn FlowMap<B, D>> {
        self.0.flow_map()
    }
}

impl<B: Backend, const D: usize> Denoiser<B, D> for SampledField<'_, B, D> {
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.0.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.0.endpoints(t, x)
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        self.0.velocity_with_score(t, x, rate)
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        self.0.bridge_diffusion()
    }
}

impl<B: Backend, const D: usize> LearnedVariance<B, D> for SampledField<'_, B, D> {
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        self.0.endpoints_and_variance(t, x)
    }
}

/// A reference to a field, so that a wrapper can take a borrowed field.
#[derive(Debug)]
pub struct ByReference<'a, F: ?Sized>(pub &'a F);

impl<B, F, const D: usize> VectorField<B, D> for ByReference<'_, F>
where
    B: Backend,
    F: VectorField<B, D> + ?Sized,
{
    fn velocity(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.velocity(t, x)
    }

    fn flow_map(&self) -> Option<&dyn FlowMap<B, D>> {
        self.0.flow_map()
    }
}

impl<B, F, const D: usize> Denoiser<B, D> for ByReference<'_, F>
where
    B: Backend,
    F: Denoiser<B, D> + ?Sized,
{
    fn schedule(&self) -> &dyn Schedule {
        self.0.schedule()
    }

    fn is_defined(&self, t: f64) -> bool {
        self.0.is_defined(t)
    }

    fn denoise(&self, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        self.0.denoise(t, x)
    }

    fn endpoints(&self, t: f64, x: Tensor<B, D>) -> Endpoints<B, D> {
        self.0.endpoints(t, x)
    }

    fn velocity_with_score(&self, t: f64, x: Tensor<B, D>, rate: f64) -> Tensor<B, D> {
        self.0.velocity_with_score(t, x, rate)
    }

    fn bridge_diffusion(&self) -> Option<f64> {
        self.0.bridge_diffusion()
    }
}

impl<B, F, const D: usize> LearnedVariance<B, D> for ByReference<'_, F>
where
    B: Backend,
    F: LearnedVariance<B, D> + ?Sized,
{
    fn endpoints_and_variance(&self, t: f64, x: Tensor<B, D>) -> (Endpoints<B, D>, Tensor<B, D>) {
        self.0.endpoints_and_variance(t, x)
    }
}
