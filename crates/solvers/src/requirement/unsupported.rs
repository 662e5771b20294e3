//! Why a sampler cannot run.
//!
//! Each message says what would work.

/// Why a sampler cannot run on a schedule and a grid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// The grid runs from data to noise, and the sampler adds noise.
    #[error(
        "{sampler} adds noise, so it cannot run back from t = {start} to {end}; use a sampler \
         without noise (ddim or euler-ancestral with eta = 0, heun-edm without churn, dpmpp), or a \
         grid towards the data"
    )]
    Backward {
        /// The sampler.
        sampler: &'static str,
        /// The first time of the grid.
        start: f64,
        /// The last time of the grid.
        end: f64,
    },
    /// The grid starts without noise.
    #[error(
        "{sampler} divides by the noise, and the schedule has none at t = {t}; start the grid at a \
         time with noise (t = 0.999, say), or integrate the velocity by an ODE method such as rk4"
    )]
    NoNoise {
        /// The sampler.
        sampler: &'static str,
        /// The time.
        t: f64,
    },
    /// The chain is not variance preserving.
    #[error(
        "{sampler} needs α² + σ² = 1, and this schedule has {} at t = {t}, where it is farthest \
         from it; use ddim or euler-ancestral, which work on any schedule, heun-edm or dpmpp-2m, \
         which work on any from a time with signal, or train with vp, vp-cosine or ddpm",
        apart_from_one(*power)
    )]
    NotVariancePreserving {
        /// The sampler.
        sampler: &'static str,
        /// α² + σ² at that time.
        power: f64,
        /// The time of the grid at which it is farthest from 1.
        t: f64,
    },
    /// The grid starts without signal.
    #[error(
        "{sampler} divides by the signal, and the schedule has none at t = {t}; start the grid \
         later (at t = 0.001, say), or use ddim or euler-ancestral, or ddpm if α² + σ² = 1"
    )]
    NoSignal {
        /// The sampler.
        sampler: &'static str,
        /// The time.
        t: f64,
    },
    /// The prediction of the model does not determine the data.
    #[error(
        "at t = {t} the model's output does not determine the data: noise and score do not where \
         the schedule has no signal (SNR 0), and the velocity does not where the SNR does not \
         grow; train with prediction v, data or edm, or start the grid later"
    )]
    Undefined {
        /// The time.
        t: f64,
    },
}

/// A number with as many decimals as its difference from 1 needs for three digits.
fn apart_from_one(power: f64) -> String {
    let magnitude = (power - 1.0).abs().log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 17.0) as usize;
    let text = format!("{power:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_from_one_shows() {
        for (power, expected) in [
            (2501.0, "2501"),
            (0.5, "0.5"),
            (0.75, "0.75"),
            (1.0 - 4.32e-5, "0.9999568"),
            (1.000_002, "1.000002"),
        ] {
            assert_eq!(apart_from_one(power), expected);
        }
    }
}
