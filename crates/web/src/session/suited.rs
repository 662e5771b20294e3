//! The methods that run on a model.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use pyroclast_core::network::Network;
use pyroclast_train::draw::{MethodName, Plan, check};
use pyroclast_train::model::Model;
use pyroclast_train::stored_model::WithModel;

/// Tries every method on the model with this plan, without drawing anything.
pub(super) struct Suited(pub(super) Plan);

impl<B: Backend> WithModel<Autodiff<B>> for Suited {
    type Output = Vec<MethodName>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let flow = model.flow.valid();
        let suits =
            |&method: &MethodName| check::<B, _, _, D>(&flow, &self.0.with_method(method)).is_ok();
        MethodName::ALL.iter().copied().filter(suits).collect()
    }
}
