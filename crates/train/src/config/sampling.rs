//! `[sampling]`: how samples are drawn where nothing else is asked for.

use super::Config;
use crate::sampler::{GridName, MethodName, Plan, Stepping};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `[sampling]`: the defaults of `sample` and `evaluate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Sampling {
    /// The method.
    pub method: MethodName,
    /// Steps of its grid.
    pub steps: usize,
    /// Where the steps are: `auto`, the name of a grid, or times from 0 to 1 with commas between.
    pub grid: GridName,
    /// Weight of classifier-free guidance; 1 is the conditional model.
    pub guidance: f64,
    /// The noise levels σ/α, low and high, between which guidance acts; everywhere where this is empty.
    pub guidance_interval: Vec<f64>,
    /// How much of a guided sample's standard deviation is brought back to the conditional's, from 0 to 1.
    pub guidance_rescale: f64,
    /// Keep the denoised data in [−1, 1].
    pub clip: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            method: MethodName::Euler,
            steps: 100,
            grid: GridName::Auto,
            guidance: 1.0,
            guidance_interval: Vec::new(),
            guidance_rescale: 0.0,
            clip: false,
        }
    }
}

impl Config {
    /// How samples are drawn, as the configuration says.
    pub fn plan(&self, seed: u64) -> Plan {
        let sampling = &self.sampling;
        let defaults = Plan::new(sampling.method, sampling.steps, seed);
        Plan {
            stepping: Stepping::Fixed(sampling.steps, sampling.grid.clone()),
            guidance: sampling.guidance,
            guidance_interval: match sampling.guidance_interval[..] {
                [low, high] => (low, high),
                _ => defaults.guidance_interval,
            },
            guidance_rescale: sampling.guidance_rescale,
            clip: sampling.clip,
            table: self.table().map(Arc::new),
            variance: match &self.diffusion {
                Some(diffusion) => diffusion.fixed_variance(),
                None => defaults.variance,
            },
            ..defaults
        }
    }
}
