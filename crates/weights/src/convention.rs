//! What a network of another project means: its path, its prediction, and how it is told the time.
//!
//! `N(c_in·x_t, c_noise(t))` is the same function there and here if its sinusoids are those of
//! `τ = scale·t + offset` (of c_noise in place of t, under a preconditioning)

use pyroclast_core::objective::Objective;
use pyroclast_core::path::Path;
use pyroclast_core::prediction::Prediction;
use pyroclast_core::schedule::{AnySchedule, BetaTable, VarianceExploding};
use pyroclast_models::TimeFeatures;

/// The training that a network went through in its project.
#[derive(Debug, Clone, Copy)]
pub struct Convention {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// What that project calls the time, in terms of ours, in one line.
    pub clock: &'static str,
    /// The layouts whose networks usually have it.
    pub layouts: &'static [&'static str],
    /// The path.
    pub path: fn() -> Path,
    /// The objective.
    pub objective: fn() -> Objective,
    /// `scale` and `offset` of the time on a schedule; none where the clock is not linear in ours.
    time: fn(&AnySchedule) -> Option<TimeFeatures>,
}

/// Every convention, in the order in which they are listed.
pub const CONVENTIONS: &[Convention] = &[
    Convention {
        name: "flow-matching",
        about: "the velocity on the path x_t = t·x1 + (1 − t)·x0",
        clock: "the flow's, from 0 for noise to 1 for data, as here",
        layouts: &["torchcfm", "flow-matching", "sit"],
        path: Path::linear,
        objective: || Objective::new(Prediction::Velocity),
        time: |_| Some(TimeFeatures::raw()),
    },
    Convention {
        name: "ddpm",
        about: "the noise of a chain of 1000 steps with linear β from 1e-4 to 0.02",
        clock: "the index k of the chain, 999 for noise: here t = 1 − (k + 1)/1000",
        layouts: &["guided-diffusion", "diffusers-unet", "dit"],
        path: || Path::chain(BetaTable::default()),
        objective: || Objective::new(Prediction::Noise),
        time: index,
    },
    Convention {
        name: "iddpm",
        about: "the noise of a chain of 1000 steps with the cosine's β",
        clock: "the index k of the chain, 999 for noise: here t = 1 − (k + 1)/1000",
        layouts: &[],
        path: || Path::chain(BetaTable::cosine(1000)),
        objective: || Objective::new(Prediction::Noise),
        time: index,
    },
    Convention {
        name: "edm",
        about: "EDM's F, of x/√(σ² + σ_data²), σ_data = 0.5",
        clock: "¼·ln σ: here t = 1 − σ/80",
        layouts: &["edm-ddpmpp", "edm-adm"],
        path: Path::edm,
        objective: || Objective::edm(0.5),
        time: |_| Some(TimeFeatures::raw()),
    },
    Convention {
        name: "vp",
        about: "the noise of the variance-preserving diffusion, β from 0.1 to 20",
        clock: "999·s, s from 0 for data to 1 for noise: here t = 1 − s",
        layouts: &[],
        path: Path::variance_preserving,
        objective: || Objective::new(Prediction::Noise),
        time: |_| Some(linear([999.0, 0.0])),
    },
    Convention {
        name: "ve",
        about: "the score times σ of the variance-exploding diffusion, σ from 100 to 0.02",
        clock: "ln(σ/2): here t = ln(100/σ)/ln(5000)",
        layouts: &[],
        path: || {
            // Score SDE's, for pixels from −1 to 1 in place of 0 to 1.
            Path::new(VarianceExploding {
                sigma_min: 0.02,
                sigma_max: 100.0,
            })
        },
        objective: || Objective::new(Prediction::ScaledScore),
        time: |schedule| match schedule {
            AnySchedule::VarianceExploding(ve) => {
                let ends = [ve.sigma_max, ve.sigma_min];
                Some(linear(ends.map(|sigma| (0.5 * sigma).ln())))
            }
            _ => None,
        },
    },
];

/// The clock that has these values at t = 0 and t = 1.
fn linear([start, end]: [f64; 2]) -> TimeFeatures {
    TimeFeatures {
        scale: end - start,
        offset: start,
        ..TimeFeatures::default()
    }
}

/// The index of a chain.
fn index(schedule: &AnySchedule) -> Option<TimeFeatures> {
    schedule
        .table()
        .map(|table| TimeFeatures::index(table.steps()))
}

impl Convention {
    /// The convention of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CONVENTIONS.iter().find(|known| known.name == name)
    }

    /// The convention that networks in this layout usually have.
    pub fn of_layout(layout: &str) -> Option<&'static Self> {
        { CONVENTIONS.iter() }.find(|known| known.layouts.contains(&layout))
    }

    /// The sinusoids of a network with this convention on this path; which come first, and their
    /// frequencies, are those of its layout. None where the clock of the convention is not linear
    /// in that of the schedule, or there is none.
    pub fn time(&self, layout: TimeFeatures, schedule: &AnySchedule) -> Option<TimeFeatures> {
        let TimeFeatures { scale, offset, .. } = (self.time)(schedule)?;
        Some(TimeFeatures {
            scale,
            offset,
            ..layout
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::LAYOUTS;
    use pyroclast_core::schedule::Schedule;
    use std::f64::consts::PI;

    /// What the network is given at a time: the scale of the state, and the number that its
    /// sinusoids are of.
    fn shown(convention: &str, t: f64) -> (f64, f64) {
        let convention = Convention::named(convention).expect("a convention");
        let (path, objective) = ((convention.path)(), (convention.objective)());
        let c = path.schedule.at(t);
        let time = convention.time(TimeFeatures::default(), &path.schedule);
        let time = time.expect("the clock of its own path");
        let input = objective.preconditioning;
        (input.scale(c), time.scale * input.time(t, c) + time.offset)
    }

    fn near(found: f64, expected: f64) {
        let unit = expected.abs().max(1.0);
        assert!((found - expected).abs() < 1e-9 * unit, "{found} {expected}");
    }

    #[test]
    fn every_layout_of_a_network_with_a_time_has_a_convention() {
        let timeless = ["autoencoder", "latent-diffusion", "taesd"];
        for layout in LAYOUTS {
            let usual = CONVENTIONS.iter();
            let usual = usual.filter(|known| known.layouts.contains(&layout.name));
            let expected = !timeless.iter().any(|part| layout.name.contains(part));
            assert_eq!(usual.count(), usize::from(expected), "{}", layout.name);
        }
    }

    #[test]
    fn flows_are_shown_their_own_time() {
        for t in [0.0, 0.3, 1.0] {
            assert_eq!(shown("flow-matching", t), (1.0, t));
            let c = Path::linear().schedule.at(t);
            assert_eq!((c.alpha, c.sigma), (t, 1.0 - t));
        }
    }

    #[test]
    fn chains_are_shown_their_index_which_grows_with_the_noise() {
        for name in ["ddpm", "iddpm"] {
            let path = (Convention::named(name).expect("a convention").path)();
            let table = path.schedule.table().expect("a chain");
            let mut alpha_bar = 1.0;
            for k in 0..1000 {
                alpha_bar *= 1.0 - table.beta(k);
                let (scale, time) = shown(name, table.time(k));
                assert_eq!(scale, 1.0);
                near(time, k as f64);
                let c = path.schedule.at(table.time(k));
                near(c.alpha * c.alpha, alpha_bar);
            }
        }
        let linear = (Convention::named("ddpm").expect("a convention").path)();
        let table = linear.schedule.table().expect("a chain");
        near(table.beta(0), 1e-4);
        near(table.beta(999), 0.02);
        // The noise levels of EDM's preconditioning for iDDPM.
        let alpha_bar = |j: f64| (0.5 * PI * j / 1000.0 / 1.008).sin().powi(2);
        let cosine = (Convention::named("iddpm").expect("a convention").path)();
        let table = cosine.schedule.table().expect("a chain");
        let mut u = 0.0_f64;
        for k in 0..1000 {
            let j = (1000 - k) as f64;
            let ratio = (alpha_bar(j - 1.0) / alpha_bar(j)).max(0.001);
            u = ((u * u + 1.0) / ratio - 1.0).sqrt();
            let c = cosine.schedule.at(table.time(k));
            near(c.sigma / c.alpha, u);
        }
    }

    #[test]
    fn edm_is_shown_its_noise_level_and_a_state_of_unit_variance() {
        let path = Path::edm();
        for sigma in [0.002_f64, 0.5, 3.0, 80.0] {
            let (scale, time) = shown("edm", 1.0 - sigma / 80.0);
            near(scale, 1.0 / (sigma * sigma + 0.25).sqrt());
            near(time, 0.25 * sigma.ln());
            near(path.schedule.at(1.0 - sigma / 80.0).sigma, sigma);
        }
    }

    #[test]
    fn vp_is_shown_999_times_the_time_of_the_score_sde() {
        let path = Path::variance_preserving();
        for s in [1e-5_f64, 0.25, 1.0] {
            // EDM: σ(s) = √(e^{½·β_d·s² + β_min·s} − 1), input x/√(σ² + 1).
            let sigma = (0.5 * 19.9 * s * s + 0.1 * s).exp_m1().sqrt();
            let (scale, time) = shown("vp", 1.0 - s);
            near(time, 999.0 * s);
            let c = path.schedule.at(1.0 - s);
            near(c.sigma / c.alpha, sigma);
            near(scale * c.alpha, 1.0 / (sigma * sigma + 1.0).sqrt());
        }
    }

    #[test]
    fn ve_is_shown_the_logarithm_of_half_its_noise_level_and_the_state_as_it_is() {
        let path = (Convention::named("ve").expect("a convention").path)();
        for sigma in [0.02_f64, 0.7, 100.0] {
            // Song et al. 2021, eq. 30: σ = σ_min·(σ_max/σ_min)^s.
            let s = (sigma / 0.02).ln() / 5000_f64.ln();
            let (scale, time) = shown("ve", 1.0 - s);
            assert_eq!(scale, 1.0);
            near(time, (0.5 * sigma).ln());
            let c = path.schedule.at(1.0 - s);
            assert_eq!(c.alpha, 1.0);
            near(c.sigma, sigma);
        }
    }

    #[test]
    fn a_clock_follows_the_values_of_its_schedule_and_is_none_on_another() {
        let time = |convention: &str, schedule: AnySchedule| {
            let convention = Convention::named(convention).expect("a convention");
            convention.time(TimeFeatures::default(), &schedule)
        };
        let narrow = VarianceExploding {
            sigma_min: 0.1,
            sigma_max: 2.0,
        };
        let ve = time("ve", narrow.into()).expect("a clock");
        near(ve.offset, 0.0);
        near(ve.offset + ve.scale, 0.05_f64.ln());
        let chain = time("ddpm", BetaTable::cosine(10).into()).expect("a clock");
        assert_eq!((chain.offset, chain.scale), (9.0, -10.0));
        let vp = Path::variance_preserving().schedule;
        for convention in ["ve", "ddpm", "iddpm"] {
            assert_eq!(time(convention, vp.clone()), None, "{convention}");
        }
    }
}
