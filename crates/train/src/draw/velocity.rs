//! The field that a plan follows, at points of the user's choice.

use super::wrapped::wrapped;
use super::{CHUNK, Plan, SampleError, SamplingMethod, check_plan};
use crate::rows::chunks;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::field::VectorField;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_solvers::entry::Field;

/// The velocity `u_t(x)` at points on the model's scale, with the guidance, clipping and schedule
/// of a plan. Waits for the device.
///
/// A time at which the velocity is infinite is moved to the nearest at which it is not
/// ([`Flow::span`]).
///
/// # Shapes
/// - x: `[n, dim]`, row-major, and the result alike
/// - shape: the shape of one sample, whose product is dim
/// - given: one condition per row, or nothing
///
/// # Errors
/// [`SampleError`]: the plan does not suit the model.
pub fn velocity<B, N, M, const D: usize>(
    flow: &Flow<N>,
    t: f64,
    x: &[f32],
    shape: &[usize],
    given: &Given,
    plan: &Plan<M>,
    device: &B::Device,
) -> Result<Vec<f32>, SampleError>
where
    B: Backend,
    N: Network<B, D>,
    M: SamplingMethod<B, D>,
{
    check_plan::<_, _, D>(flow, plan)?;
    let (start, end) = flow.span();
    let t = t.clamp(start, end);
    let mut velocities = Vec::with_capacity(x.len());
    for chunk in chunks::<B, D>(x, shape, given, CHUNK, device) {
        let condition = N::Condition::upload(&chunk.given, device);
        let (conditional, unconditional) = (flow.given(&condition), flow.unconditional());
        let guide = (!given.is_nothing()).then_some(&unconditional as &dyn Field<B, D>);
        let field = wrapped(&conditional, guide, plan);
        let values = field.velocity(t, chunk.x).into_data().convert::<f32>();
        velocities.extend(values.into_vec::<f32>().expect("converted to f32 just now"));
    }
    Ok(velocities)
}
