//! What networks of images take beside the image.

use burn::tensor::Tensor;
use pyroclast_core::condition::{Images, Labels, Sequences, Vectors};

/// A class, attributes, an image of the size of the state, and a sequence.
pub(crate) type ImageCondition<B> = (Labels<B>, (Vectors<B>, (Images<B>, Sequences<B>)));

/// The time at which a step starts, and its duration: none for 0.
pub(crate) type Step<B> = (Tensor<B, 1>, Option<Tensor<B, 1>>);

/// What a network says that has no input for a duration, and is asked for a step of one.
pub(crate) const WITHOUT_DURATIONS: &str =
    "this network has no input for the duration of a step; build it with durations";
