//! What a network is trained to do on a path.
//!
//! `L(θ) = E[w(t)·‖N_θ(c_in·x_t, c_noise) − target(x0, x1, t)‖²]`

use crate::ddpm::Decoder;
use crate::named::NOT_NEGATIVE;
use crate::preconditioning::Preconditioning;
use crate::prediction::Prediction;
use crate::weighting::Weighting;
use crate::{named, settings};

settings! {
    /// The meaning of a network's output, what the network is shown, and how its error counts.
    ///
    /// The default is flow matching: the velocity, of the plain state and time, with uniform
    /// weights.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Objective {
        /// What the network's output means.
        prediction: Prediction = Prediction::Velocity,
        /// How the state and the time are shown to the network.
        preconditioning: Preconditioning = Preconditioning::None,
        /// How much each time counts.
        weighting: Weighting = Weighting::Uniform,
        /// How the variance of a chain's reverse step is trained, if at all.
        variance: VarianceLoss = VarianceLoss::None,
    }
}

named! {
    /// The loss that trains the variance of a chain's reverse step.
    ///
    /// With one, the network's output has twice as many channels (axis 1) as the state: the
    /// prediction in its first half and, in its second, how the variance is interpolated
    /// ([`LearnedVariance`](crate::field::LearnedVariance)).
    #[derive(Clone, Copy, PartialEq)]
    pub enum VarianceLoss as "loss of the variance" {
        /// The variance is fixed.
        "none" => None,
        /// `L_simple + λ·L_vlb` (Nichol & Dhariwal 2021, eq. 16).
        "hybrid" => Hybrid {
            /// λ.
            weight: f64 = 0.001 => NOT_NEGATIVE,
            /// How the likelihood of the last step is measured; unless it is set, as fits the
            /// training data.
            decoder: Option<Decoder> = None,
        },
    }
}

impl Objective {
    /// This prediction, of the plain state and time, with uniform weights.
    pub fn new(prediction: Prediction) -> Self {
        Self {
            prediction,
            preconditioning: Preconditioning::None,
            weighting: Weighting::Uniform,
            variance: VarianceLoss::None,
        }
    }

    /// EDM's training: its prediction, preconditioning and weighting for data of this standard
    /// deviation.
    ///
    /// Source: Karras et al. 2022, table 1.
    pub fn edm(sigma_data: f64) -> Self {
        Self {
            prediction: Prediction::Edm { sigma_data },
            preconditioning: Preconditioning::Edm { sigma_data },
            weighting: Weighting::Edm { sigma_data },
            variance: VarianceLoss::None,
        }
    }
}
