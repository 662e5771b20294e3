//! `α² = cos²θ(s)/cos²θ(0), θ(s) = (s + .008)/1.008·π/2, s = 1 − t`

use super::{Coefficients, Schedule};
use crate::settings;
use std::f64::consts::FRAC_PI_2;

/// The offset that keeps the first noise levels from being too small (Nichol & Dhariwal 2021,
/// §3.2).
const OFFSET: f64 = 0.008;

settings! {
    /// The variance-preserving cosine diffusion.
    ///
    /// `ᾱ(s) = cos²((s + .008)/1.008 · π/2)/ᾱ(0), α = √ᾱ, σ = √(1 − ᾱ), s = 1 − t`
    ///
    /// Source: Nichol & Dhariwal 2021, eq. 17. At t = 0, α = 0; at t = 1, σ = 0 and σ̇ = −∞.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Cosine;
}

fn angle(s: f64) -> f64 {
    (s + OFFSET) / (1.0 + OFFSET) * FRAC_PI_2
}

impl Schedule for Cosine {
    fn at(&self, t: f64) -> Coefficients {
        let (theta, theta_0) = (angle(1.0 - t), angle(0.0));
        // The complementary angle is exact at t = 0, where α is 0 and a cosine would leave 6e-17.
        let alpha = (FRAC_PI_2 / (1.0 + OFFSET) * t).sin() / theta_0.cos();
        let d_alpha = theta.sin() * FRAC_PI_2 / (1.0 + OFFSET) / theta_0.cos();
        // 1 − α² as a product of sines, the first of θ(s) − θ(0) without its cancellation near t =
        // 1.
        let from_data = FRAC_PI_2 / (1.0 + OFFSET) * (1.0 - t);
        let sigma = (from_data.sin() * (theta + theta_0).sin()).max(0.0).sqrt() / theta_0.cos();
        Coefficients {
            alpha,
            sigma,
            d_alpha,
            d_sigma: -alpha * d_alpha / sigma,
        }
    }

    fn time_at_log_snr(&self, l: f64) -> f64 {
        // sin and cos of the complementary angle from α² and σ² apart: an arcsine alone loses
        // digits near t = 1.
        let (sin_0, cos_0) = angle(0.0).sin_cos();
        let alpha = (1.0 / (1.0 + (-l).exp())).sqrt();
        let sigma = (1.0 / (1.0 + l.exp())).sqrt();
        let complement = (alpha * cos_0).atan2(sin_0.hypot(sigma * cos_0));
        (complement * (1.0 + OFFSET) / FRAC_PI_2).clamp(0.0, 1.0)
    }
}
