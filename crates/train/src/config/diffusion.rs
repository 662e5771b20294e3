//! `[diffusion]`: a noising process and what a network learns of it. It takes the place of `[path]`.

use super::PredictionName;
use pyroclast_core::ddpm::{BetaTable, Variance};
use pyroclast_core::preconditioning::Preconditioning;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{
    AnySchedule, Cosine, Edm, SubVariancePreserving, VarianceExploding, VariancePreserving,
};
use serde::{Deserialize, Serialize};

/// `[diffusion]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Diffusion {
    /// The noising process.
    pub process: ProcessName,
    /// What the network predicts.
    pub prediction: PredictionName,
    /// What the network is shown: the state and t, or EDM's scaled state and noise level.
    pub input: InputName,
    /// Standard deviation of the data, for `prediction = "edm"` and `input = "edm"`.
    pub sigma_data: f64,
    /// Indices of the chain of `ddpm`.
    pub timesteps: usize,
    /// How β rises along that chain.
    pub betas: BetasName,
    /// The first β of the chain, or β_min of `vp` and `sub-vp`.
    pub beta_min: Option<f64>,
    /// The last β of the chain, or β_max of `vp` and `sub-vp`.
    pub beta_max: Option<f64>,
    /// Rescale the chain so that it ends without signal (Lin et al. 2024).
    pub zero_terminal_snr: bool,
    /// The variance of a reverse step of the chain.
    pub variance: VarianceName,
    /// λ of the hybrid loss `L_simple + λ·L_vlb` that a learned variance is trained with.
    pub vlb_weight: f64,
    /// The lowest noise of `ve`.
    pub sigma_min: Option<f64>,
    /// The highest noise of `ve` and `edm`.
    pub sigma_max: Option<f64>,
}

impl Default for Diffusion {
    fn default() -> Self {
        Self {
            process: ProcessName::Ddpm,
            prediction: PredictionName::Noise,
            input: InputName::Plain,
            sigma_data: 0.5,
            timesteps: 1000,
            betas: BetasName::Linear,
            beta_min: None,
            beta_max: None,
            zero_terminal_snr: false,
            variance: VarianceName::Large,
            vlb_weight: 0.001,
            sigma_min: None,
            sigma_max: None,
        }
    }
}

/// The noising processes by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessName {
    /// A chain of discrete steps, trained on its indices.
    Ddpm,
    /// Variance preserving, β linear.
    Vp,
    /// Variance preserving, cosine.
    VpCosine,
    /// Sub-VP.
    SubVp,
    /// Variance exploding.
    Ve,
    /// EDM's.
    Edm,
}

/// The tables of β by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetasName {
    /// β linear (Ho et al. 2020).
    Linear,
    /// √β linear (latent diffusion).
    ScaledLinear,
    /// ᾱ a squared cosine (Nichol & Dhariwal 2021).
    Cosine,
    /// β a sigmoid.
    Sigmoid,
}

/// The variances of a reverse step by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VarianceName {
    /// β̃.
    Small,
    /// β.
    Large,
    /// Between the two in the logarithm, by a second half of the network's output.
    Learned,
}

/// What a network is shown, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputName {
    /// x and t.
    Plain,
    /// x at unit variance and `¼ ln(σ/α)`.
    Edm,
}

impl Diffusion {
    /// The chain, where the process is one.
    pub fn table(&self) -> Option<BetaTable> {
        if self.process != ProcessName::Ddpm {
            return None;
        }
        let n = self.timesteps;
        let (first, last) = self.ends_of_beta();
        let table = match self.betas {
            BetasName::Linear => BetaTable::linear(n, first, last),
            BetasName::ScaledLinear => BetaTable::scaled_linear(n, first, last),
            BetasName::Cosine => BetaTable::cosine(n),
            BetasName::Sigmoid => BetaTable::sigmoid(n, first, last),
        };
        Some(match self.zero_terminal_snr {
            true => table.zero_terminal_snr(),
            false => table,
        })
    }

    /// The first and the last β, of the chain or of its limit.
    pub(super) fn ends_of_beta(&self) -> (f64, f64) {
        let limit = VariancePreserving::default();
        let (first, last) = match (self.process, self.betas) {
            (ProcessName::Ddpm, BetasName::ScaledLinear) => (0.000_85, 0.012),
            (ProcessName::Ddpm, _) => (1e-4, 0.02),
            _ => (limit.beta_min, limit.beta_max),
        };
        (
            self.beta_min.unwrap_or(first),
            self.beta_max.unwrap_or(last),
        )
    }

    /// The schedule.
    pub fn schedule(&self) -> AnySchedule {
        let (beta_min, beta_max) = self.ends_of_beta();
        let preserving = VariancePreserving { beta_min, beta_max };
        let exploding = VarianceExploding::default();
        match self.process {
            ProcessName::Ddpm => AnySchedule::from(self.table().expect("this process is a chain")),
            ProcessName::Vp => AnySchedule::from(preserving),
            ProcessName::VpCosine => AnySchedule::from(Cosine),
            ProcessName::SubVp => AnySchedule::from(SubVariancePreserving { signal: preserving }),
            ProcessName::Ve => AnySchedule::from(VarianceExploding {
                sigma_min: self.sigma_min.unwrap_or(exploding.sigma_min),
                sigma_max: self.sigma_max.unwrap_or(exploding.sigma_max),
            }),
            ProcessName::Edm => AnySchedule::from(Edm {
                sigma_max: self.sigma_max.unwrap_or(Edm::default().sigma_max),
            }),
        }
    }

    /// What the network predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction.with_sigma_data(self.sigma_data)
    }

    /// What the network is shown.
    pub fn preconditioning(&self) -> Preconditioning {
        match self.input {
            InputName::Plain => Preconditioning::None,
            InputName::Edm => Preconditioning::Edm {
                sigma_data: self.sigma_data,
            },
        }
    }

    /// The variance of a reverse step, where it is not learned.
    pub fn fixed_variance(&self) -> Option<Variance> {
        match self.variance {
            VarianceName::Small => Some(Variance::Small),
            VarianceName::Large => Some(Variance::Large),
            VarianceName::Learned => None,
        }
    }
}
