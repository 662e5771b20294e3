//! Rules that relate several values of a configuration. The range of a single value is declared
//! with that value.

use super::Config;
use pyroclast_core::named::{OutOfRange, Setting};
use pyroclast_core::objective::VarianceLoss;
use pyroclast_core::path::Gamma;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::Schedule;
use pyroclast_core::time_sampler::TimeDistribution;
use pyroclast_core::weighting::Weighting;
use std::fmt::Display;

/// An error with the key, its value and a remedy, unless the rule holds.
fn rule(holds: bool, key: &str, value: impl Display, remedy: &str) -> Result<(), OutOfRange> {
    if holds {
        return Ok(());
    }
    Err(OutOfRange {
        key: key.to_owned(),
        value: value.to_string(),
        remedy: remedy.to_owned(),
    })
}

impl Config {
    /// Checks the range of every value, then the rules between them.
    pub(super) fn check_all(&self) -> Result<(), OutOfRange> {
        for (section, setting) in [
            ("data", &self.data as &dyn Check),
            ("path", &self.path),
            ("objective", &self.objective),
            ("network", &self.network),
            ("training", &self.training),
            ("sampling", &self.sampling),
        ] {
            setting.check(section)?;
        }
        let (path, objective) = (&self.path, &self.objective);
        let prediction = objective.prediction;
        rule(
            path.gamma == Gamma::None || prediction == Prediction::Velocity,
            "path.gamma",
            path.gamma,
            "only a velocity learns the noise between the endpoints; set \
             objective.prediction=velocity",
        )?;
        let chain = path.schedule.table();
        let has_signal = path.schedule.at(0.0).alpha > 0.0;
        let from_noise = matches!(prediction, Prediction::Noise | Prediction::Score);
        rule(
            chain.is_none() || has_signal || !from_noise,
            "objective.prediction",
            prediction,
            "where the SNR is zero, noise and score say nothing about the data; predict v, \
             velocity, data or edm",
        )?;
        rule(
            chain.is_some() || objective.variance == VarianceLoss::None,
            "objective.variance",
            objective.variance,
            "only a chain's reverse step has a variance to learn; set path.schedule=ddpm",
        )?;
        rule(
            chain.is_none() || has_signal || objective.weighting != Weighting::Likelihood,
            "objective.weighting",
            objective.weighting,
            "where the SNR is zero, the weight of the likelihood is not a number; use uniform or \
             min-snr",
        )?;
        let at_indices = matches!(
            path.times.distribution,
            TimeDistribution::Uniform | TimeDistribution::Index { .. }
        );
        rule(
            chain.is_none() || (at_indices && path.times.clip == 0.0),
            "path.times",
            path.times.distribution,
            "a chain is trained on its own times, drawn uniformly; leave \
             path.times.distribution=uniform and path.times.clip=0",
        )
    }
}

/// [`Setting::check`] as a trait with dynamic dispatch, so that a list can hold every section.
trait Check {
    fn check(&self, key: &str) -> Result<(), OutOfRange>;
}

impl<T: Setting> Check for T {
    fn check(&self, key: &str) -> Result<(), OutOfRange> {
        Setting::check(self, key)
    }
}
