//! The density of a model's samples in the plane.
//!
//! `ln p_1(x) = ln p_0(x_0) − ∫_0^1 ∇·u_t(x_t) dt` along the path through x

use crate::SessionError;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::network::Network;
use pyroclast_core::path::Source;
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::likelihood::{log_density, normal_log_density};
use pyroclast_solvers::{Control, DOPRI5, Trace};
use pyroclast_train::model::Model;
use pyroclast_train::model_file::ModelHeader;
use pyroclast_train::stored_model::WithModel;

/// Whether the samples of a model are points of the plane with a density that the flow gives.
pub(super) fn has_density(header: &ModelHeader) -> bool {
    header.about.data.shape == [2] && header.path.source == Source::Normal
}

/// Computes the log-density at points of the plane.
pub(super) struct Density<'a> {
    pub(super) points: &'a [f32],
    pub(super) given: Given,
    pub(super) tolerance: f64,
}

impl<B: Backend> WithModel<Autodiff<B>> for Density<'_> {
    type Output = Result<Vec<f64>, SessionError>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        // Known when this is compiled, so that no derivative of an image's network is.
        if D != 2 {
            return Err(SessionError::NoDensity);
        }
        let device = model.device::<Autodiff<B>>();
        // Only gradients by the state are needed.
        let flow = model
            .flow
            .with_network(model.flow.network.clone().no_grad());
        let condition = N::Condition::upload(&self.given, &device);
        let mut dims = [2; D];
        dims[0] = self.points.len() / 2;
        let x = Tensor::<B, D>::from_data(TensorData::new(self.points.to_vec(), dims), &device);
        let base_std = flow.path.schedule.at(flow.span().0).sigma;
        let found = log_density(
            &flow.given::<Autodiff<B>, D>(&condition),
            &DOPRI5,
            x,
            flow.span(),
            |x| normal_log_density(x, base_std),
            Trace::Exact,
            Control::tolerance(self.tolerance),
        )
        .map_err(|stopped| stopped.reason)?;
        let values = found.log_density.into_data().convert::<f64>();
        Ok(values.into_vec::<f64>().expect("converted just now"))
    }
}
