//! Rules that relate several values of a configuration. The range of a single value is declared
//! with that value.
//!
//! Every setting acts or is refused: who sets a key expects that it does something. A key at its
//! default is never refused, since stored configurations are complete.

use super::{Config, Training};
use crate::dataset::{ConditionKind, Conditions};
use crate::draw::GridName;
use crate::network::NetworkConfig;
use pyroclast_core::coupling::Coupling;
use pyroclast_core::few_step::FewStep;
use pyroclast_core::jvp::Derivative;
use pyroclast_core::named::{OutOfRange, Setting};
use pyroclast_core::objective::VarianceLoss;
use pyroclast_core::path::Gamma;
use pyroclast_core::preconditioning::Preconditioning;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{AnySchedule, Schedule, least_noise, noise_at};
use pyroclast_core::shown::shown;
use pyroclast_core::time_sampler::TimeDistribution;
use pyroclast_core::toy::Toy;
use pyroclast_core::weighting::Weighting;
use std::fmt::Display;

/// The most that the time may be multiplied by in sinusoids whose difference is taken.
const SMOOTH: f64 = 20.0;

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
            ("few-step", &self.few_step),
            ("network", &self.network),
            ("training", &self.training),
            ("sampling", &self.sampling),
        ] {
            setting.check(section)?;
        }
        let Training {
            batch,
            micro_batch,
            checkpoint,
            ..
        } = self.training;
        let part = micro_batch.unwrap_or(batch);
        rule(
            (1..=batch).contains(&part),
            "training.micro-batch",
            part,
            &format!("it is a part of a batch; give 1 to {batch}, or leave it out"),
        )?;
        rule(
            !checkpoint || matches!(self.network, NetworkConfig::Unet(_) | NetworkConfig::Dit(_)),
            "training.checkpoint",
            checkpoint,
            "only the blocks of a unet or a dit are computed again; leave it out",
        )?;
        let (path, objective) = (&self.path, &self.objective);
        let prediction = objective.prediction;
        rule(
            path.gamma == Gamma::None || prediction.is_velocity(),
            "path.gamma",
            path.gamma,
            "only a velocity learns the noise between the endpoints; set \
             objective.prediction=velocity, or velocity-and-score",
        )?;
        rule(
            path.gamma.scale() > 0.0 || !prediction.learns_score(),
            "objective.prediction",
            prediction,
            "a score is learned of the noise between the endpoints, and there is none; set \
             path.gamma=bridge",
        )?;
        rule(
            objective.variance == VarianceLoss::None || !prediction.learns_score(),
            "objective.variance",
            objective.variance,
            "the second half of the output is the score; leave it out, or predict velocity",
        )?;
        let chain = path.schedule.table();
        let has_signal = path.schedule.at(0.0).alpha > 0.0;
        rule(
            chain.is_none() || has_signal || !prediction.is_of_noise(),
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
            chain.is_none() || (at_indices && path.clip() == 0.0),
            "path.times",
            path.times.distribution,
            "a chain is trained on its own times, drawn uniformly; leave \
             path.times.distribution=uniform and path.times.clip=0",
        )?;
        self.check_autoencoder()?;
        self.check_few_step()?;
        self.check_effects()
    }

    /// Refuses what does not go with the training of an average velocity.
    fn check_few_step(&self) -> Result<(), OutOfRange> {
        let (few_step, objective, usual) = (&self.few_step, &self.objective, Self::default());
        let is_trained = few_step.method != FewStep::None;
        rule(
            is_trained || few_step.teacher.is_empty(),
            "few-step.teacher",
            shown(&few_step.teacher),
            "only a model of few steps learns from a teacher; set few-step.method too",
        )?;
        rule(
            self.path.coupling != Coupling::Given || !few_step.teacher.is_empty(),
            "path.coupling",
            &self.path.coupling,
            "only a teacher gives pairs; set path.coupling=independent",
        )?;
        if !is_trained {
            return Ok(());
        }
        rule(
            !few_step.method.needs_teacher() || !few_step.teacher.is_empty(),
            "few-step.method",
            few_step.method,
            "it learns what another model makes; give --teacher MODEL",
        )?;
        if let FewStep::ConsistencyTraining { first, last, .. } = few_step.method {
            rule(
                first <= last,
                "few-step.method",
                few_step.method,
                "the intervals are halved in training: give at least as many at last as at first",
            )?;
            rule(
                self.path.coupling != Coupling::Given,
                "path.coupling",
                &self.path.coupling,
                "consistency training follows the pairs and not the teacher; set the coupling that \
                 the teacher learned from, or few-step.method=consistency-distillation",
            )?;
        }
        if few_step.method.pairs().is_some() {
            rule(
                self.path.coupling == Coupling::Given,
                "path.coupling",
                &self.path.coupling,
                "the teacher makes the pairs; set path.coupling=given",
            )?;
            rule(
                !self.data.flip,
                "data.flip",
                self.data.flip,
                "the teacher makes the pairs, and none is mirrored; set data.flip=false",
            )?;
        }
        let trained = few_step.method.trained(objective.prediction);
        let learns_score = trained.learns_score();
        let of_clock = matches!(trained, Prediction::Consistency { .. });
        rule(
            of_clock
                || (objective.prediction.is_velocity()
                    && (learns_score || !objective.prediction.learns_score())),
            "objective.prediction",
            objective.prediction,
            "few-step.method learns an average velocity, or a bridge; leave it out, or set \
             few-step.method=consistency-training for consistency",
        )?;
        let is_scaled = matches!(objective.preconditioning, Preconditioning::Edm { .. });
        rule(
            is_scaled || !of_clock,
            "objective.preconditioning",
            objective.preconditioning,
            "consistency on the clock of EDM needs its inputs too; set \
             objective.preconditioning=edm",
        )?;
        for (key, value, is_usual) in [
            (
                "objective.preconditioning",
                objective.preconditioning.to_string(),
                of_clock || objective.preconditioning == usual.objective.preconditioning,
            ),
            (
                "objective.weighting",
                objective.weighting.to_string(),
                objective.weighting == usual.objective.weighting,
            ),
            (
                "objective.variance",
                objective.variance.to_string(),
                objective.variance == usual.objective.variance,
            ),
        ] {
            let remedy = "few-step.method has a loss of its own; leave it out";
            rule(is_usual, key, value, remedy)?;
        }
        let path = &self.path;
        let is_brownian = matches!(path.gamma, Gamma::Bridge(s) if s > 0.0)
            && path.schedule == AnySchedule::default();
        rule(
            is_brownian || !learns_score,
            "few-step.method",
            few_step.method,
            "it fits Brownian bridges; set path.gamma=bridge and leave path.schedule=linear",
        )?;
        let regular = [0.0, 1.0].map(|t| Prediction::Velocity.is_regular(path.schedule.at(t)));
        rule(
            regular == [true, true] && path.schedule.table().is_none(),
            "path.schedule",
            &path.schedule,
            "a step from noise to data needs a velocity that is finite at both ends; use linear or \
             trigonometric",
        )?;
        rule(
            of_clock || path.schedule.at(0.0).sigma <= 1.0,
            "path.schedule",
            &path.schedule,
            "few-step.method shows the network each state as it is, and here states are much wider \
             than the data; use linear or trigonometric, or for consistency set \
             objective.prediction=consistency and objective.preconditioning=edm",
        )?;
        let (most, least) = (noise_at(&path.schedule, 0.0), least_noise(&path.schedule));
        rule(
            !of_clock || most > least,
            "path.schedule",
            &path.schedule,
            "it has no more noise than counts as none; start from more, such as sigma-max=80",
        )?;
        let derivative = few_step.method.derivative();
        let differenced = derivative.is_some_and(|way| way != Derivative::Auto);
        if let (NetworkConfig::Mlp(mlp), true) = (&self.network, differenced) {
            rule(
                mlp.sinusoids == 0,
                "network.sinusoids",
                mlp.sinusoids,
                "they are too fast for a difference in the time; leave the derivative at auto, or \
                 set network.sinusoids=0",
            )?;
        }
        // A difference over 4·10⁻³ does not see a wave of a period of 6·10⁻³.
        let sinusoids = self.network.time().filter(|_| differenced);
        let scale = sinusoids.map_or(0.0, |time| time.scale.abs());
        rule(
            scale <= SMOOTH,
            "network.time.scale",
            scale,
            "the sinusoids are too fast for a difference in the time; leave the derivative at \
             auto, or set network.time.scale=10",
        )
    }

    /// Refuses what is set and would do nothing, whatever the data holds.
    fn check_effects(&self) -> Result<(), OutOfRange> {
        let usual = Self::default();
        let (data, training, sampling) = (&self.data, &self.training, &self.sampling);
        let is_toy = data.name.parse::<Toy>().is_ok();
        rule(
            is_toy || data.size == usual.data.size,
            "data.size",
            data.size,
            "only a toy distribution draws as many points as it is asked for; leave it out",
        )?;
        rule(
            !is_toy || data.validation == usual.data.validation,
            "data.validation",
            data.validation,
            "a toy distribution draws points of its own for the validation; leave it out",
        )?;
        rule(
            !is_toy || data.condition.is_empty(),
            "data.condition",
            shown(&data.condition),
            "a toy distribution draws its points, and none has a row; leave it out",
        )?;
        rule(
            !is_toy || data.labels,
            "data.labels",
            data.labels,
            "a toy distribution has no labels; leave it out",
        )?;
        let reads_pictures = !is_toy && data.name != "digits";
        for (key, value, is_usual) in [
            (
                "data.resolution",
                data.resolution.to_string(),
                data.resolution == 0,
            ),
            (
                "data.background",
                data.background.clone(),
                data.background == usual.data.background,
            ),
            (
                "data.skip-broken",
                data.skip_broken.to_string(),
                !data.skip_broken,
            ),
        ] {
            let remedy = "only pictures from files are decoded; leave it out";
            rule(reads_pictures || is_usual, key, value, remedy)?;
        }
        rule(
            data.resolution > 0 || data.filter == usual.data.filter,
            "data.filter",
            &data.filter,
            "pictures are resized only if data.resolution is set; set it, or leave this out",
        )?;
        if let NetworkConfig::Unet(unet) = &self.network {
            for (key, value, usual) in [
                ("network.heads", unet.heads, 1),
                ("network.head-channels", unet.head_channels, 0),
                ("network.heads-up", unet.heads_up, 0),
            ] {
                rule(
                    value == usual || unet.attends(),
                    key,
                    value,
                    "heads are those of attention, and there is none; set network.attention, or \
                     leave it out",
                )?;
            }
        }
        rule(
            training.snapshot_every == 0 || !training.ema_power.is_empty(),
            "training.snapshot-every",
            training.snapshot_every,
            "snapshots are of power-function averages, and none is kept; set training.ema-power, \
             or leave it out",
        )?;
        rule(
            is_toy
                || data.validation > 0.0
                || training.validate_every == usual.training.validate_every,
            "training.validate-every",
            training.validate_every,
            "no data is held out to validate on; set data.validation, or leave it out",
        )?;
        rule(
            !matches!(sampling.grid, GridName::Given(_)) || sampling.steps == usual.sampling.steps,
            "sampling.steps",
            sampling.steps,
            "the times of sampling.grid are the steps; leave it out",
        )?;
        rule(
            !(sampling.clip && sampling.thresholding),
            "sampling.thresholding",
            sampling.thresholding,
            "sampling.clip keeps the denoised data in [-1, 1] already; set one of them",
        )?;
        for (key, value, is_usual) in [
            (
                "sampling.dynamic-thresholding-ratio",
                sampling.dynamic_thresholding_ratio,
                sampling.dynamic_thresholding_ratio == usual.sampling.dynamic_thresholding_ratio,
            ),
            (
                "sampling.sample-max-value",
                sampling.sample_max_value.unwrap_or_default(),
                sampling.sample_max_value.is_none(),
            ),
        ] {
            let remedy = "it is part of dynamic thresholding; set sampling.thresholding=true too";
            rule(sampling.thresholding || is_usual, key, value, remedy)?;
        }
        let is_asked = self.objective.variance == VarianceLoss::None;
        rule(
            sampling.variance == usual.sampling.variance
                || (is_asked && self.path.schedule.table().is_some()),
            "sampling.variance",
            sampling.variance,
            "it is that of a chain whose network has not learned one; leave it out",
        )
    }

    /// Refuses what is set and would do nothing on samples of this shape with these conditions; a
    /// number is one of classes, 0 for none.
    ///
    /// # Errors
    /// [`ConfigError::Value`](super::ConfigError::Value) with the first such key.
    pub fn check_data(
        &self,
        shape: &[usize],
        conditions: impl Into<Conditions>,
    ) -> Result<(), OutOfRange> {
        let conditions = conditions.into();
        let usual = Self::default();
        let (training, sampling) = (&self.training, &self.sampling);
        let is_autoencoder = self.network.is_autoencoder();
        let has_classes = conditions.classes > 0 && !is_autoencoder;
        let is_given = conditions.any() && !is_autoencoder;
        let (data, is_image) = (&self.data, shape.len() == 3);
        rule(
            !self.objective.prediction.takes_duration() || self.few_step.method != FewStep::None,
            "objective.prediction",
            self.objective.prediction,
            "it is what few-step.method trains; set that, to mean-flow or shortcut for example",
        )?;
        let guided =
            |method| matches!(method, FewStep::MeanFlow { guidance, .. } if guidance != 1.0);
        rule(
            is_given || !guided(self.few_step.method),
            "few-step.method.mean-flow.guidance",
            self.few_step.method,
            "the data has no classes to guide towards; leave it out",
        )?;
        rule(
            is_image || data.resolution == 0,
            "data.resolution",
            data.resolution,
            "the samples are no pictures; leave it out",
        )?;
        rule(
            data.resolution == 0 || shape[1..].iter().all(|&side| side == data.resolution),
            "data.resolution",
            data.resolution,
            "only pictures of 8 bits are brought to another size; bring the array to it before, or \
             leave this out",
        )?;
        rule(
            is_image || !data.flip,
            "data.flip",
            data.flip,
            "only pictures are mirrored; leave it out",
        )?;
        rule(
            is_image || data.latents.is_empty(),
            "data.latents",
            shown(&data.latents),
            "only pictures have latents; leave it out",
        )?;
        rule(
            !data.latents.is_empty() || training.posterior == usual.training.posterior,
            "training.posterior",
            training.posterior,
            "without latents there is none; set data.latents, or leave it out",
        )?;
        rule(
            !data.flip || !matches!(conditions.beside, Some(ConditionKind::Images { .. })),
            "data.flip",
            data.flip,
            "an image beside a picture is not mirrored with it; leave it out",
        )?;
        rule(
            is_given || training.label_dropout == usual.training.label_dropout,
            "training.label-dropout",
            training.label_dropout,
            "the data has no labels to drop; leave it out",
        )?;
        rule(
            !has_classes || !self.network.needs_class() || training.label_dropout == 0.0,
            "training.label-dropout",
            training.label_dropout,
            "nothing stands for a label that was dropped; set it to 0, or another \
             network.null-class",
        )?;
        rule(
            has_classes || self.path.coupling != Coupling::ClassOptimalTransport,
            "path.coupling",
            &self.path.coupling,
            "the data has no classes to pair within; set path.coupling=optimal-transport",
        )?;
        rule(
            is_given || sampling.guidance == usual.sampling.guidance,
            "sampling.guidance",
            sampling.guidance,
            "the data has no classes to guide towards; leave it out",
        )?;
        rule(
            is_given || sampling.guidance_interval.is_empty(),
            "sampling.guidance-interval",
            format!("{:?}", sampling.guidance_interval),
            "the data has no classes to guide towards; leave it out",
        )?;
        rule(
            (is_given && shape.len() == 3) || sampling.guidance_rescale == 0.0,
            "sampling.guidance-rescale",
            sampling.guidance_rescale,
            "only guided images are rescaled; leave it out",
        )?;
        rule(
            is_image || !sampling.thresholding,
            "sampling.thresholding",
            sampling.thresholding,
            "it takes a quantile over the pixels of an image; set sampling.clip, or leave it out",
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
