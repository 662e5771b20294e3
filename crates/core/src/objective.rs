//! What a network is trained to do on a path.
//!
//! `L(θ) = E[w(t)·‖N_θ(c_in·x_t, c_noise) − target(x0, x1, t)‖²]`

use crate::ddpm::Decoder;
use crate::preconditioning::Preconditioning;
use crate::prediction::Prediction;
use crate::weighting::Weighting;

/// The meaning of a network's output, what the network is shown, and how its error counts.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    /// What the output means. An output of twice as many channels (axis 1) as the state has the prediction in its first half and,
    /// in its second, how the variance of a reverse step is interpolated
    /// ([`LearnedVariance`](crate::field::LearnedVariance)).
    pub prediction: Prediction,
    /// How the state and the time are shown to the network.
    pub preconditioning: Preconditioning,
    /// How much each time counts.
    pub weighting: Weighting,
    /// The term that trains the variance of a chain's reverse step; none where the variance is fixed.
    pub variational: Option<Variational>,
}

/// The second part of a hybrid loss `L_simple + λ·L_vlb` (Nichol & Dhariwal 2021, eq. 16).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variational {
    /// How the last step's likelihood is measured.
    pub decoder: Decoder,
    /// λ.
    pub weight: f64,
}

impl Objective {
    /// This prediction, of the plain state and time, with uniform weights.
    pub fn new(prediction: Prediction) -> Self {
        Self {
            prediction,
            preconditioning: Preconditioning::None,
            weighting: Weighting::Uniform,
            variational: None,
        }
    }

    /// EDM's training: its prediction, preconditioning and weighting for data of this standard deviation.
    ///
    /// Source: Karras et al. 2022, table 1.
    pub fn edm(sigma_data: f64) -> Self {
        Self {
            prediction: Prediction::Edm { sigma_data },
            preconditioning: Preconditioning::Edm { sigma_data },
            weighting: Weighting::Edm { sigma_data },
            variational: None,
        }
    }
}

/// A velocity of the plain state and time, with uniform weights: flow matching.
impl Default for Objective {
    fn default() -> Self {
        Self::new(Prediction::Velocity)
    }
}
