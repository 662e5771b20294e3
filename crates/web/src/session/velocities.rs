//! The velocity at some points.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_core::network::Network;
use pyroclast_train::draw::{Plan, SampleError, velocity};
use pyroclast_train::model::Model;
use pyroclast_train::stored_model::WithModel;

/// Computes the velocity that a plan follows.
pub(super) struct Velocities<'a> {
    pub(super) t: f64,
    pub(super) points: &'a [f32],
    pub(super) plan: Plan,
    pub(super) given: Given,
}

impl<B: Backend> WithModel<Autodiff<B>> for Velocities<'_> {
    type Output = Result<Vec<f32>, SampleError>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let (flow, device) = (model.flow.valid(), &model.device::<Autodiff<B>>());
        let (given, plan, shape) = (&self.given, &self.plan, model.about.state_shape());
        velocity(&flow, self.t, self.points, shape, given, plan, device)
    }
}
