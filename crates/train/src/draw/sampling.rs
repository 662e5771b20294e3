//! `[sampling]`: how samples are drawn where nothing else is asked for.

use super::{GridName, MethodName, Plan, Stepping};
use pyroclast_core::ddpm::Variance;
use pyroclast_core::named::{COUNT, FINITE, Range};
use pyroclast_core::objective::{Objective, VarianceLoss};
use pyroclast_core::settings;

settings! {
    /// `[sampling]`: the defaults of `sample` and `evaluate`.
    #[derive(Clone, PartialEq)]
    pub struct Sampling {
        /// The method.
        method: MethodName = MethodName::EULER,
        /// Steps of its grid.
        steps: usize = 100 => Range {
            remedy: "take at least 1 step",
            ..COUNT
        },
        /// Where the steps are: `auto`, the name of a grid, or times from 0 to 1 with commas
        /// between.
        grid: GridName = GridName::Auto,
        /// Weight of classifier-free guidance; 1 is the conditional model.
        guidance: f64 = 1.0 => FINITE,
        /// The noise levels σ/α, low and high, between which guidance acts; everywhere where this
        /// is empty.
        guidance_interval: Vec<f64> = Vec::new() => Range {
            holds: |levels| {
                levels.is_empty() || matches!(levels[..], [low, high] if 0.0 <= low && low < high)
            },
            remedy: "give two noise levels, low and high, or none",
        },
        /// How much of a guided sample's standard deviation is brought back to the conditional's,
        /// from 0 to 1.
        guidance_rescale: f64 = 0.0 => Range {
            holds: |share| (0.0..=1.0).contains(share),
            remedy: "give a share from 0 to 1",
        },
        /// Keep the denoised data in [−1, 1].
        clip: bool = false,
        /// The variance of a chain's reverse step, where it is not learned.
        variance: Variance = Variance::Large,
    }
}

impl Sampling {
    /// How samples are drawn from a model with this objective.
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
            variance: (objective.variance == VarianceLoss::None).then_some(self.variance),
            ..defaults
        }
    }
}
