//! Guidance and conditioning: wrappers that change what a field says of the data, and are fields
//! themselves.
//!
//! `s̃ = s + g`, so `x̃0 = x̂0 − σg` and `x̃1 = x̂1 + σ²/α·g`: whatever is added to the score moves
//! both endpoints of the path through x
//!
//! Each wrapper implements the traits that it wraps, so every solver and sampler takes it, and
//! wrappers nest. One paper a file:
//!
//! | wrapper | guides by | needs |
//! |---|---|---|
//! | [`Guided`] | a field without the condition, or a weaker one | two fields |
//! | [`Interval`] | another guidance, at some noise levels only | |
//! | [`Rescaled`] | the same, with the conditional field's spread | two fields |
//! | [`ClassifierGuided`] | a classifier of noisy states | one gradient |
//! | [`Inpainted`] | known entries | |
//! | [`Measured`] | a linear measurement of the data | one gradient, through the field |
//! | [`Clipped`], [`Thresholded`] | the range of the data | |

mod classifier;
mod classifier_free;
mod clipping;
mod inpainting;
mod interval;
mod measurement;
mod rescale;
#[cfg(test)]
mod testing;
mod threshold;

pub use classifier::{ClassifierGuided, LogLikelihood};
pub use classifier_free::Guided;
pub use clipping::{Clipped, ClippedNoise};
pub use inpainting::Inpainted;
pub use interval::{Guidance, Interval};
pub use measurement::{Likelihood, Measured};
pub use rescale::Rescaled;
pub use threshold::Thresholded;
