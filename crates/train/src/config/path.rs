//! `[path]`: the schedule, the pairing, the noise between the ends, the prediction.

use pyroclast_core::coupling::{Coupling, Regularisation};
use pyroclast_core::path::Gamma;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{
    AnySchedule, Cosine, Edm, Linear, Polynomial, SubVariancePreserving, Trigonometric,
    VarianceExploding, VariancePreserving,
};
use serde::{Deserialize, Serialize};

/// ε of `sinkhorn` as a share of the mean squared distance, where the path is no bridge that tells it.
const SHARE_OF_MEAN_COST: f64 = 0.05;

/// `[path]`: x_t between source and data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Path {
    /// α and σ.
    pub schedule: ScheduleName,
    /// Noise left at t = 1 by the linear path, or the lowest noise of `ve`.
    pub sigma_min: Option<f64>,
    /// The highest noise of `ve` and `edm`.
    pub sigma_max: Option<f64>,
    /// The degree of the polynomial path.
    pub degree: f64,
    /// How x0 and x1 are paired.
    pub coupling: CouplingName,
    /// The regularisation ε of `sinkhorn`, a squared distance: 2·gamma-scale² unless set where gamma is the bridge, and a
    /// twentieth of a batch's mean squared distance elsewhere.
    pub coupling_epsilon: Option<f64>,
    /// Noise between the ends.
    pub gamma: GammaName,
    /// The scale s of that noise.
    pub gamma_scale: f64,
    /// What the network predicts.
    pub prediction: PredictionName,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            schedule: ScheduleName::Linear,
            sigma_min: None,
            sigma_max: None,
            degree: 2.0,
            coupling: CouplingName::Independent,
            coupling_epsilon: None,
            gamma: GammaName::None,
            gamma_scale: 0.1,
            prediction: PredictionName::Velocity,
        }
    }
}

/// The schedules by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// `α = t, σ = 1 − (1 − σ_min)t`.
    Linear,
    /// `α = tⁿ, σ = 1 − tⁿ`.
    Polynomial,
    /// `α = sin(πt/2), σ = cos(πt/2)`.
    Trigonometric,
    /// Variance preserving, β from 0.1 to 20.
    Vp,
    /// Variance preserving, cosine.
    Cosine,
    /// Sub-VP.
    SubVp,
    /// Variance exploding.
    Ve,
    /// EDM's: σ linear in t.
    Edm,
}

impl std::str::FromStr for ScheduleName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let word: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            serde::de::IntoDeserializer::into_deserializer(name);
        Self::deserialize(word).map_err(|error| error.to_string())
    }
}

/// The couplings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CouplingName {
    /// As they come.
    Independent,
    /// Exact optimal transport within the batch.
    OptimalTransport,
    /// Exact optimal transport within each class of the batch.
    ClassOptimalTransport,
    /// Draws from the entropic transport plan of the batch.
    Sinkhorn,
}

/// The noise between the ends by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GammaName {
    /// `γ = 0`.
    None,
    /// `γ = s`.
    Constant,
    /// `γ = s√(t(1 − t))`.
    Bridge,
}

/// The predictions by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionName {
    /// `α̇x1 + σ̇x0`.
    Velocity,
    /// x1.
    Data,
    /// x0.
    Noise,
    /// `−x0/σ`.
    Score,
    /// `αx0 − σx1`.
    V,
    /// EDM's F.
    Edm,
}

impl PredictionName {
    /// The prediction, for data of this standard deviation.
    pub fn with_sigma_data(self, sigma_data: f64) -> Prediction {
        match self {
            Self::Velocity => Prediction::Velocity,
            Self::Data => Prediction::Data,
            Self::Noise => Prediction::Noise,
            Self::Score => Prediction::Score,
            Self::V => Prediction::V,
            Self::Edm => Prediction::Edm { sigma_data },
        }
    }
}

impl Path {
    /// The schedule.
    pub fn schedule(&self) -> AnySchedule {
        match self.schedule {
            ScheduleName::Linear => AnySchedule::from(Linear {
                sigma_min: self.sigma_min.unwrap_or(0.0),
            }),
            ScheduleName::Polynomial => AnySchedule::from(Polynomial {
                degree: self.degree,
            }),
            ScheduleName::Trigonometric => AnySchedule::from(Trigonometric),
            ScheduleName::Vp => AnySchedule::from(VariancePreserving::default()),
            ScheduleName::Cosine => AnySchedule::from(Cosine),
            ScheduleName::SubVp => AnySchedule::from(SubVariancePreserving::default()),
            ScheduleName::Ve => {
                let default = VarianceExploding::default();
                AnySchedule::from(VarianceExploding {
                    sigma_min: self.sigma_min.unwrap_or(default.sigma_min),
                    sigma_max: self.sigma_max.unwrap_or(default.sigma_max),
                })
            }
            ScheduleName::Edm => AnySchedule::from(Edm {
                sigma_max: self.sigma_max.unwrap_or(Edm::default().sigma_max),
            }),
        }
    }

    /// The pairing.
    pub fn coupling(&self) -> Coupling {
        match self.coupling {
            CouplingName::Independent => Coupling::Independent,
            CouplingName::OptimalTransport => Coupling::OptimalTransport,
            CouplingName::ClassOptimalTransport => Coupling::ClassOptimalTransport,
            CouplingName::Sinkhorn => Coupling::Sinkhorn(self.regularisation()),
        }
    }

    /// The regularisation of `sinkhorn`: what is set, the bridge's own, or a share of the mean cost.
    pub fn regularisation(&self) -> Regularisation {
        match (self.coupling_epsilon, self.gamma) {
            (Some(epsilon), _) => Regularisation::Fixed(epsilon),
            (None, GammaName::Bridge) => Regularisation::of_bridge(self.gamma_scale),
            (None, _) => Regularisation::OfMeanCost(SHARE_OF_MEAN_COST),
        }
    }

    /// The noise between the ends.
    pub fn gamma(&self) -> Gamma {
        match self.gamma {
            GammaName::None => Gamma::None,
            GammaName::Constant => Gamma::Constant(self.gamma_scale),
            GammaName::Bridge => Gamma::Bridge(self.gamma_scale),
        }
    }
}
