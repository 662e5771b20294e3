//! Values that no run could use, refused before there is one.

use super::{
    Config, ConfigError, CouplingName, GammaName, Network, Path, PredictionName, ProcessName,
    ScheduleName, TimeName, VarianceName,
};
use crate::ema::WIDTHS;
use pyroclast_core::coupling::Regularisation;
use pyroclast_core::path::Source;
use std::fmt::Debug;

/// The most points, pairs, units or steps of anything: beyond it, memory is what fails.
const LARGEST: usize = 1 << 28;

fn positive(v: f64) -> bool {
    v > 0.0 && v.is_finite()
}

fn not_negative(v: f64) -> bool {
    v >= 0.0 && v.is_finite()
}

fn some(n: usize) -> bool {
    (1..=LARGEST).contains(&n)
}

/// `Err` with the key, the value and what would do, unless it holds.
fn rule(
    holds: bool,
    key: &'static str,
    value: &dyn Debug,
    remedy: &str,
) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::Value {
        key,
        value: format!("{value:?}"),
        remedy: remedy.to_owned(),
    })
}

impl Config {
    /// Refuses values that no run could use.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_data()?;
        self.check_path()?;
        self.check_diffusion()?;
        self.check_training()?;
        self.check_network()?;
        let sampling = &self.sampling;
        rule(
            some(sampling.steps),
            "sampling.steps",
            &sampling.steps,
            "take at least 1 step",
        )?;
        let guidance = sampling.guidance;
        rule(
            guidance.is_finite(),
            "sampling.guidance",
            &guidance,
            "give a finite number",
        )?;
        let interval = &sampling.guidance_interval;
        rule(
            interval.is_empty() || matches!(interval[..], [low, high] if 0.0 <= low && low < high),
            "sampling.guidance-interval",
            interval,
            "give two noise levels, low and high, or none",
        )?;
        let rescale = sampling.guidance_rescale;
        rule(
            (0.0..=1.0).contains(&rescale),
            "sampling.guidance-rescale",
            &rescale,
            "give a share from 0 to 1",
        )
    }

    fn check_diffusion(&self) -> Result<(), ConfigError> {
        let Some(d) = &self.diffusion else {
            let known = self.path.prediction != PredictionName::Edm;
            let remedy = "EDM's F belongs to [diffusion]; set diffusion.process=edm diffusion.prediction=edm";
            return rule(known, "path.prediction", &self.path.prediction, remedy);
        };
        rule(
            self.path == Path::default(),
            "path",
            &"set beside [diffusion]",
            "a run has one or the other; leave out [path] and its keys, or [diffusion]",
        )?;
        let normal = self.data.source == Source::Normal;
        let remedy = "a diffusion starts from the normal distribution; set data.source=normal";
        rule(normal, "data.source", &self.data.source, remedy)?;
        let steps = d.timesteps;
        let remedy = "give 2 to 1000000 indices";
        rule(
            (2..=1_000_000).contains(&steps),
            "diffusion.timesteps",
            &steps,
            remedy,
        )?;
        let (first, last) = d.ends_of_beta();
        let is_chain = d.process == ProcessName::Ddpm;
        let most = if is_chain { 1.0 } else { f64::INFINITY };
        let remedy = "β is positive, does not fall, and of a chain stays below 1";
        rule(
            positive(first) && first < most,
            "diffusion.beta-min",
            &first,
            remedy,
        )?;
        rule(
            positive(last) && (first..most).contains(&last),
            "diffusion.beta-max",
            &last,
            remedy,
        )?;
        // Beyond this ᾱ would not be a number above 0.
        let decay = -(steps as f64) * (-last).ln_1p();
        let remedy = "no signal would be left after so many steps of so much noise; give fewer, or a smaller diffusion.beta-max";
        rule(
            !is_chain || decay < 700.0,
            "diffusion.timesteps",
            &steps,
            remedy,
        )?;
        let remedy = "only a chain of indices has one; set diffusion.process=ddpm";
        rule(
            !d.zero_terminal_snr || is_chain,
            "diffusion.zero-terminal-snr",
            &true,
            remedy,
        )?;
        let from_noise = matches!(d.prediction, PredictionName::Noise | PredictionName::Score);
        let remedy = "where the SNR is zero, noise and score say nothing about the data; predict v, velocity, data or edm";
        rule(
            !(d.zero_terminal_snr && from_noise),
            "diffusion.prediction",
            &d.prediction,
            remedy,
        )?;
        let learned = d.variance == VarianceName::Learned;
        let remedy =
            "only the chain's reverse step has a variance to learn; set diffusion.process=ddpm";
        rule(
            !learned || is_chain,
            "diffusion.variance",
            &d.variance,
            remedy,
        )?;
        let remedy = "give a number of at least 0";
        rule(
            not_negative(d.vlb_weight),
            "diffusion.vlb-weight",
            &d.vlb_weight,
            remedy,
        )?;
        rule(
            positive(d.sigma_data),
            "diffusion.sigma-data",
            &d.sigma_data,
            "give a positive number",
        )?;
        let (low, high) = (d.sigma_min.unwrap_or(0.01), d.sigma_max.unwrap_or(50.0));
        rule(
            positive(high),
            "diffusion.sigma-max",
            &high,
            "give a positive number",
        )?;
        let holds = d.process != ProcessName::Ve || (positive(low) && low < high);
        rule(
            holds,
            "diffusion.sigma-min",
            &low,
            "give a number in (0, sigma-max)",
        )?;
        let uniform = self.training.time == TimeName::Uniform && self.training.time_clip == 0.0;
        let remedy = "a chain is trained on its indices, all alike; leave training.time=uniform and training.time-clip=0";
        rule(
            !is_chain || uniform,
            "training.time",
            &self.training.time,
            remedy,
        )
    }

    fn check_data(&self) -> Result<(), ConfigError> {
        let (size, share) = (self.data.size, self.data.validation);
        rule(
            size >= 2 && some(size),
            "data.size",
            &size,
            "draw at least 2 points",
        )?;
        rule(
            (0.0..1.0).contains(&share),
            "data.validation",
            &share,
            "give a share in [0, 1)",
        )
    }

    fn check_path(&self) -> Result<(), ConfigError> {
        let path = &self.path;
        let (low, high) = (
            path.sigma_min.unwrap_or(0.01),
            path.sigma_max.unwrap_or(50.0),
        );
        let low_holds = match path.schedule {
            ScheduleName::Linear => not_negative(low) && low < 1.0,
            ScheduleName::Ve => positive(low) && low < high,
            _ => true,
        };
        let remedy = "give a number in [0, 1) for linear, and in (0, sigma-max) for ve";
        rule(low_holds, "path.sigma-min", &low, remedy)?;
        rule(
            positive(high),
            "path.sigma-max",
            &high,
            "give a positive number",
        )?;
        rule(
            positive(path.degree),
            "path.degree",
            &path.degree,
            "give a positive number",
        )?;
        let scale = path.gamma_scale;
        rule(
            not_negative(scale),
            "path.gamma-scale",
            &scale,
            "give a number of at least 0",
        )?;
        let regularised =
            path.coupling == CouplingName::Sinkhorn || path.coupling_epsilon.is_some();
        if let (true, Regularisation::Fixed(epsilon)) = (regularised, path.regularisation()) {
            let remedy =
                "give a positive number; a bridge with path.gamma-scale above 0 has one of its own";
            rule(positive(epsilon), "path.coupling-epsilon", &epsilon, remedy)?;
        }
        let learnable =
            path.gamma == GammaName::None || path.prediction == PredictionName::Velocity;
        let remedy =
            "noise between the ends is learned by a velocity alone; set path.prediction=velocity";
        rule(learnable, "path.gamma", &path.gamma, remedy)
    }

    fn check_training(&self) -> Result<(), ConfigError> {
        let t = &self.training;
        rule(
            t.steps > 0,
            "training.steps",
            &t.steps,
            "train for at least 1 step",
        )?;
        rule(
            some(t.batch),
            "training.batch",
            &t.batch,
            "a batch holds at least 1 pair",
        )?;
        let rate = t.learning_rate;
        rule(
            positive(rate),
            "training.learning-rate",
            &rate,
            "give a positive number",
        )?;
        let decay = t.weight_decay;
        rule(
            not_negative(decay),
            "training.weight-decay",
            &decay,
            "give a number of at least 0",
        )?;
        rule(
            not_negative(t.clip),
            "training.clip",
            &t.clip,
            "give a bound, or 0 for none",
        )?;
        rule(
            (0.0..1.0).contains(&t.ema),
            "training.ema",
            &t.ema,
            "give a decay in [0, 1)",
        )?;
        let distinct =
            |values: &[f64]| (1..values.len()).all(|i| !values[..i].contains(&values[i]));
        rule(
            t.ema_rates.iter().all(|d| (0.0..1.0).contains(d)) && distinct(&t.ema_rates),
            "training.ema-rates",
            &t.ema_rates,
            "give different decays in [0, 1), such as [0.999,0.9999]",
        )?;
        rule(
            t.ema_power.iter().all(|w| WIDTHS.contains(w)) && distinct(&t.ema_power),
            "training.ema-power",
            &t.ema_power,
            "give different relative widths from 0.01 to 0.3, such as [0.05,0.1]",
        )?;
        let dropped = t.label_dropout;
        let share = (0.0..=1.0).contains(&dropped);
        rule(
            share,
            "training.label-dropout",
            &dropped,
            "give a probability",
        )?;
        let clipped = (0.0..0.5).contains(&t.time_clip);
        rule(
            clipped,
            "training.time-clip",
            &t.time_clip,
            "give a number in [0, 0.5)",
        )?;
        let located = match t.time {
            TimeName::Beta => positive(t.time_location),
            _ => t.time_location.is_finite(),
        };
        let remedy = "give a finite number; the beta law takes positive ones, such as 1";
        rule(located, "training.time-location", &t.time_location, remedy)?;
        let scale = t.time_scale;
        rule(
            positive(scale),
            "training.time-scale",
            &scale,
            "give a positive number",
        )?;
        let parameter = t.weighting_parameter;
        let remedy = "give a positive number";
        rule(
            positive(parameter),
            "training.weighting-parameter",
            &parameter,
            remedy,
        )?;
        for (key, every) in [
            ("training.log-every", t.log_every),
            ("training.validate-every", t.validate_every),
            ("training.save-every", t.save_every),
        ] {
            rule(every > 0, key, &every, "give at least 1 step")?;
        }
        Ok(())
    }

    fn check_network(&self) -> Result<(), ConfigError> {
        match self.network {
            Network::Mlp {
                width,
                depth,
                sinusoids,
                ..
            } => {
                rule(some(width), "network.width", &width, "give at least 1 unit")?;
                rule(
                    some(depth),
                    "network.depth",
                    &depth,
                    "give at least 1 hidden layer",
                )?;
                let even = sinusoids.is_multiple_of(2) && sinusoids <= LARGEST;
                rule(even, "network.sinusoids", &sinusoids, "give an even number")
            }
            // The rest depends on the images, and is checked once they are known.
            Network::Unet { channels, .. } => rule(
                some(channels),
                "network.channels",
                &channels,
                "give at least 2 channels",
            ),
        }
    }
}
