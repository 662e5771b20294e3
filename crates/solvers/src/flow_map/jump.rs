//! Jumps from time to time.
//!
//! `x_s = X(t, s, x_t) = x_t + (s − t)·u(x_t, t, s)`
//!
//! Source: Boffi et al. 2024; Frans et al. 2024; Geng et al. 2025, algorithm 2 for one step.

use crate::method::Method;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::VectorField;

/// A jump per step, for one evaluation.
///
/// Exact if the map is, whatever the grid; along an exact map it may lead back to noise.
///
/// # Panics
/// If the field knows no flow map, or as [`FlowMap::map`](pyroclast_core::flow_map::FlowMap::map).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump;

impl Jump {
    pub(crate) fn adds_noise(&self) -> bool {
        false
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for Jump {
    type State = ();

    fn step(&self, field: &F, t: f64, s: f64, x: Tensor<B, D>, (): ()) -> (Tensor<B, D>, ()) {
        let map = field.flow_map().expect("a field that knows its flow map");
        (map.map(t, s, x), ())
    }
}
