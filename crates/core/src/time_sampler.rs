//! Distributions of the training time.
//!
//! `t ~ p(t)` on [0, 1], optionally pressed into `[ε, 1 − ε]` by `t ← ε + (1 − 2ε)·t`

use crate::named::{FINITE, POSITIVE, Range};
use crate::noise::Draws;
use crate::schedule::Schedule;
use crate::{named, settings};

named! {
    /// The distribution of the time in training.
    #[derive(Clone, Copy, PartialEq)]
    pub enum TimeDistribution as "distribution of the time" {
        /// `t ~ U(0, 1)`; on the path of a chain, uniform over the times of its steps.
        "uniform" => Uniform,
        /// `t_i = (i + u_i)/n`, then shuffled: one time in each of n cells, for less variance.
        "stratified" => Stratified,
        /// `t = 1/(1 + e^{−(mean + std·z)})` (Esser et al. 2024, eq. 19).
        "logit-normal" => LogitNormal {
            /// Location on the logit scale; positive leans to the data.
            mean: f64 = 0.0 => FINITE,
            /// Scale on the logit scale.
            std: f64 = 1.0 => POSITIVE,
        },
        /// `ln(σ/α) ~ N(mean, std²)`: EDM's noise level, through the schedule's inverse (Karras et
        /// al. 2022, table 1).
        "log-normal-sigma" => LogNormalSigma {
            /// Mean of ln(σ/α).
            mean: f64 = -1.2 => FINITE,
            /// Standard deviation of ln(σ/α).
            std: f64 = 1.2 => POSITIVE,
        },
        /// `t ~ Beta(a, b)`.
        "beta" => Beta {
            /// First shape parameter.
            a: f64 = 1.0 => POSITIVE,
            /// Second shape parameter.
            b: f64 = 1.0 => POSITIVE,
        },
        /// `t = 1 − (k + 1)/T`, k uniform in 0 … T − 1: the steps of a table
        /// ([`BetaTable::time`](crate::schedule::BetaTable::time)). Needs a clip of 0, since any
        /// other moves the times off the table.
        "index" => Index {
            /// T.
            steps: usize = 1000 => Range {
                holds: |n| *n > 0,
                remedy: "give at least 1 step",
            },
        },
        /// `t = 1`: the data itself, for an autoencoder, which knows no noise.
        "data" => Data,
    }
}

/// Uniform.
impl Default for TimeDistribution {
    fn default() -> Self {
        Self::Uniform
    }
}

settings! {
    /// A distribution of the time, pressed away from both ends.
    ///
    /// ```
    /// use pyroclast_core::noise::{Noise, Stream};
    /// use pyroclast_core::schedule::Linear;
    /// use pyroclast_core::time_sampler::{TimeDistribution, TimeSampler};
    ///
    /// let sampler = TimeSampler { distribution: TimeDistribution::Stratified, clip: None };
    /// let mut draws = Noise::new(0).draws(Stream::Time, 0);
    /// let t = sampler.sample(4, &Linear::default(), &mut draws);
    /// assert!(t[0] < 0.25 && t[3] > 0.75); // one in each quarter
    /// ```
    #[derive(Clone, Copy, PartialEq)]
    pub struct TimeSampler {
        /// The distribution before clipping.
        distribution: TimeDistribution = TimeDistribution::Uniform,
        /// ε: times come from `[ε, 1 − ε]`. Left out, it is what the path needs: 1e-3 for a bridge,
        /// 1e-5 for vp and ve, and 0 for paths whose velocity is finite at both ends.
        clip: Option<f64> = None => Range {
            holds: |v| v.is_none_or(|v| (0.0..0.5).contains(&v)),
            remedy: "give a number in [0, 0.5)",
        },
    }
}

impl TimeSampler {
    /// `n` times in [ε, 1 − ε], where ε is 0 if it was left out: a path says what it needs
    /// ([`Path::times`](crate::path::Path::times)). Only distributions of the noise level read the
    /// schedule.
    pub fn sample(
        &self,
        n: usize,
        schedule: &(impl Schedule + ?Sized),
        draws: &mut Draws,
    ) -> Vec<f64> {
        let clip = self.clip.unwrap_or(0.0);
        let press = |t: f64| clip + (1.0 - 2.0 * clip) * t;
        let time = |i: usize, draws: &mut Draws| match self.distribution {
            TimeDistribution::Uniform => draws.uniform(),
            TimeDistribution::Stratified => (i as f64 + draws.uniform()) / n as f64,
            TimeDistribution::LogitNormal { mean, std } => {
                1.0 / (1.0 + (-(mean + std * draws.normal())).exp())
            }
            TimeDistribution::LogNormalSigma { mean, std } => {
                schedule.time_at_log_snr(-2.0 * (mean + std * draws.normal()))
            }
            TimeDistribution::Beta { a, b } => {
                let (x, y) = (gamma(a, draws), gamma(b, draws));
                x / (x + y)
            }
            TimeDistribution::Index { steps } => {
                1.0 - (draws.below(steps) + 1) as f64 / steps as f64
            }
            TimeDistribution::Data => 1.0,
        };
        (0..n).map(|i| press(time(i, draws))).collect()
    }
}

/// A draw of the Gamma(shape, 1) distribution by rejection (Marsaglia & Tsang 2000); below shape 1
/// through `Γ(a) = Γ(a + 1)·u^{1/a}`.
fn gamma(shape: f64, draws: &mut Draws) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, draws) * draws.uniform().powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = draws.normal();
        let v = (1.0 + c * z).powi(3);
        if v > 0.0 && draws.uniform().ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Stream};
    use crate::schedule::{Edm, Linear};

    const N: usize = 100_000;

    fn times(distribution: TimeDistribution, clip: f64) -> Vec<f64> {
        let mut draws = Noise::new(5).draws(Stream::Time, 0);
        let clip = Some(clip);
        TimeSampler { distribution, clip }.sample(N, &Linear::default(), &mut draws)
    }

    /// Checks the sample's mean and the mean of its square against the exact ones, within five
    /// standard errors.
    fn has_moments(times: &[f64], first: f64, second: f64) {
        let n = times.len() as f64;
        let mean = |f: &dyn Fn(f64) -> f64| times.iter().map(|&t| f(t)).sum::<f64>() / n;
        let (m1, m2, m4) = (mean(&|t| t), mean(&|t| t * t), mean(&|t| t.powi(4)));
        assert!(
            (m1 - first).abs() < 5.0 * ((m2 - m1 * m1) / n).sqrt(),
            "{m1} {first}"
        );
        assert!(
            (m2 - second).abs() < 5.0 * ((m4 - m2 * m2) / n).sqrt(),
            "{m2} {second}"
        );
    }

    #[test]
    fn uniform_times_are_uniform() {
        has_moments(&times(TimeDistribution::Uniform, 0.0), 1.0 / 2.0, 1.0 / 3.0);
    }

    #[test]
    fn beta_times_have_beta_moments() {
        for (a, b) in [(2.0, 1.0), (0.5, 0.5), (1.5, 4.0)] {
            let first: f64 = a / (a + b);
            let second = first * (a + 1.0) / (a + b + 1.0);
            has_moments(&times(TimeDistribution::Beta { a, b }, 0.0), first, second);
        }
    }

    #[test]
    fn stratified_times_fall_one_in_each_cell() {
        for (i, t) in times(TimeDistribution::Stratified, 0.0).iter().enumerate() {
            assert_eq!((t * N as f64) as usize, i);
        }
    }

    #[test]
    fn logit_normal_times_have_the_median_of_their_location() {
        let below = times(
            TimeDistribution::LogitNormal {
                mean: 0.7,
                std: 1.0,
            },
            0.0,
        )
        .iter()
        .filter(|&&t| t < 1.0 / (1.0 + (-0.7_f64).exp()))
        .count();
        assert!((below as f64 / N as f64 - 0.5).abs() < 5.0 * 0.5 / (N as f64).sqrt());
    }

    #[test]
    fn log_normal_sigma_reaches_the_level_it_names() {
        let schedule = Edm::default();
        let distribution = TimeDistribution::LogNormalSigma {
            mean: -1.2,
            std: 1.2,
        };
        let mut draws = Noise::new(5).draws(Stream::Time, 0);
        let sampler = TimeSampler {
            distribution,
            clip: None,
        };
        let logs: Vec<f64> = sampler
            .sample(N, &schedule, &mut draws)
            .iter()
            .map(|&t| schedule.at(t).sigma.ln())
            .collect();
        let mean = logs.iter().sum::<f64>() / N as f64;
        assert!((mean + 1.2).abs() < 5.0 * 1.2 / (N as f64).sqrt(), "{mean}");
    }

    #[test]
    fn times_of_an_index_are_those_of_a_table_and_all_alike() {
        use crate::ddpm::BetaTable;
        let steps = 10;
        let table = BetaTable::linear(steps, 0.1, 0.2);
        let mut counts = vec![0_u32; steps];
        for t in times(TimeDistribution::Index { steps }, 0.0) {
            let k = table.index(t).expect("no time is that of clean data");
            assert_eq!(t, table.time(k));
            counts[k] += 1;
        }
        // Binomial counts: N·p with a deviation of √(N·p·(1 − p)).
        let (n, p) = (N as f64, 0.1);
        for count in counts {
            let off = f64::from(count) - n * p;
            assert!(off.abs() < 5.0 * (n * p * (1.0 - p)).sqrt(), "{count}");
        }
    }

    #[test]
    fn clipped_times_keep_off_the_ends() {
        let times = times(TimeDistribution::Beta { a: 0.2, b: 0.2 }, 0.01);
        assert!(times.iter().all(|t| (0.01..=0.99).contains(t)));
    }
}
