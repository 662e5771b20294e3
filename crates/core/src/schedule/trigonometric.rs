//! `α = sin(πt/2), σ = cos(πt/2)`

use super::{Coefficients, Schedule};
use crate::settings;
use std::f64::consts::FRAC_PI_2;

settings! {
    /// The trigonometric path, also called cosine or GVP: variance preserving, at constant angular
    /// speed.
    ///
    /// `α = sin(πt/2), σ = cos(πt/2)`
    ///
    /// Source: Albergo & Vanden-Eijnden 2023, eq. 5.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Trigonometric;
}

impl Schedule for Trigonometric {
    fn at(&self, t: f64) -> Coefficients {
        let alpha = (FRAC_PI_2 * t).sin();
        // sin(π(1 − t)/2) rather than cos(πt/2), which leaves 6e-17 at t = 1 where σ is 0.
        let sigma = (FRAC_PI_2 * (1.0 - t)).sin();
        Coefficients {
            alpha,
            sigma,
            d_alpha: FRAC_PI_2 * sigma,
            d_sigma: -FRAC_PI_2 * alpha,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        (0.5 * l).exp().atan() / FRAC_PI_2
    }
}
