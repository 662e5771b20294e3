//! `[sampling]`: the default way to draw samples.

use super::{GridName, Plan, Stepping, Thresholding};
use pyroclast_core::ddpm::Variance;
use pyroclast_core::named::{COUNT, FINITE, Range};
use pyroclast_core::objective::{Objective, VarianceLoss};
use pyroclast_core::settings;
use pyroclast_solvers::table::MethodName;

settings! {
    /// `[sampling]`: the default way to draw samples.
    #[derive(Clone, PartialEq)]
    pub struct Sampling {
        /// Method.
        method: MethodName = MethodName::EULER,
        /// Number of steps.
        steps: usize = 100 => Range {
            remedy: "take at least 1 step, and at most 2^28",
            ..COUNT
        },
        /// Times of the steps: `auto`, the name of a grid, or times from 0 to 1 separated by
        /// commas.
        grid: GridName = GridName::Auto,
        /// Weight of classifier-free guidance; 1 is the conditional model.
        guidance: f64 = 1.0 => FINITE,
        /// Noise levels σ/α, low and high, between which guidance acts; empty for all levels.
        guidance_interval: Vec<f64> = Vec::new() => Range {
            holds: |levels| {
                levels.is_empty() || matches!(levels[..], [low, high] if 0.0 <= low && low < high)
            },
            remedy: "give two noise levels, low and high, or none",
        },
        /// Share φ by which the standard deviation of guided samples is brought back to that of the
        /// conditional model, from 0 to 1.
        guidance_rescale: f64 = 0.0 => Range {
            holds: |share| (0.0..=1.0).contains(share),
            remedy: "give a share from 0 to 1",
        },
        /// Whether to keep the denoised data in [−1, 1].
        clip: bool = false,
        /// Whether to bring the denoised data of images into [−1, 1] by dynamic thresholding
        /// (Saharia et al. 2022).
        thresholding: bool = false,
        /// Quantile p of |x̂1| that dynamic thresholding scales to 1.
        dynamic_thresholding_ratio: f64 = Thresholding::RATIO => Range {
            holds: |p| (0.0..=1.0).contains(p),
            remedy: "give a quantile from 0 to 1, such as 0.995",
        },
        /// Largest number that dynamic thresholding divides by; left out, there is no bound.
        sample_max_value: Option<f64> = None => Range {
            holds: |most| most.is_none_or(|most| most >= 1.0),
            remedy: "give 1 or more",
        },
        /// Variance of a chain's reverse step, unless it is learned.
        variance: Variance = Variance::Large,
    }
}

impl Sampling {
    /// The plan for a model with this objective, with noise of this seed.
    pub fn plan(&self, objective: &Objective, seed: u64) -> Plan {
        let defaults = Plan::new(self.method, self.steps, seed);
        Plan {
            stepping: Stepping::Fixed(self.steps, self.grid.clone()),
            guidance: self.guidance,
            guidance_interval: match self.guidance_interval[..] {
                [low, high] => (low, high),
                _ => defaults.guidance_interval,
            },
            guidance_rescale: self.guidance_rescale,
            clip: self.clip,
            thresholding: self.thresholding.then_some(Thresholding {
                ratio: self.dynamic_thresholding_ratio,
                most: self.sample_max_value.unwrap_or(f64::INFINITY),
            }),
            variance: (objective.variance == VarianceLoss::None).then_some(self.variance),
            ..defaults
        }
    }
}
