//! What networks of images take beside the image.

use crate::dual::Dual;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::{Images, Labels, Sequences, Vectors};
use pyroclast_core::network::Direction;

/// A class, attributes, an image of the size of the state, and a sequence.
pub(crate) type ImageCondition<B> = (Labels<B>, (Vectors<B>, (Images<B>, Sequences<B>)));

/// The time at which a step starts, and its duration: none for 0.
#[derive(Debug, Clone)]
pub(crate) struct Step<B: Backend> {
    pub(crate) t: Dual<B, 1>,
    pub(crate) duration: Option<Dual<B, 1>>,
}

impl<B: Backend> Step<B> {
    /// A step of no duration.
    pub(crate) fn at(t: Tensor<B, 1>) -> Self {
        Self {
            t: t.into(),
            duration: None,
        }
    }

    /// A step of this duration.
    pub(crate) fn of(t: Tensor<B, 1>, duration: Tensor<B, 1>) -> Self {
        Self {
            t: t.into(),
            duration: Some(duration.into()),
        }
    }

    /// The duration, which is 0 if there is none.
    pub(crate) fn lasting(&self) -> Dual<B, 1> {
        let zero = || self.t.value.zeros_like().into();
        self.duration.clone().unwrap_or_else(zero)
    }
}

/// A state and a step that move along a direction.
pub(crate) fn moving<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    (t, duration): (Tensor<B, 1>, Tensor<B, 1>),
    direction: &Direction<B, D>,
) -> (Dual<B, D>, Step<B>) {
    let x = Dual {
        value: x,
        tangent: direction.x.clone(),
    };
    let step = Step {
        t: Dual::at_speed(t, direction.t),
        duration: Some(Dual::at_speed(duration, direction.duration)),
    };
    (x, step)
}

/// What a network says that has no input for a duration, and is asked for a step of one.
pub(crate) const WITHOUT_DURATIONS: &str =
    "this network has no input for the duration of a step; build it with durations";
