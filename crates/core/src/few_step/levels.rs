//! The noise levels of consistency training: between neighbours of them the model has to agree.
//!
//! `ς_i = (ς_max^{1/ρ} + i/N·(ς_min^{1/ρ} − ς_max^{1/ρ}))^ρ`, i = 0 … N, with ς = σ/α, and level i
//! drawn with `P(ς_{i+1} < ς < ς_i)`, `ln ς ~ N(−1.1, 2²)`
//!
//! Source: Karras et al. 2022, eq. 5, for the levels; Song & Dhariwal 2024 (improved consistency
//! training), section 3.5, for their distribution. Both are given for data of a standard deviation
//! of ½.

use crate::noise::Draws;
use crate::schedule::{Schedule, least_noise, noise_at};

/// ρ.
const CURVATURE: f64 = 7.0;
/// The most noise, where the schedule starts from more.
const MOST: f64 = 80.0;
/// Mean and standard deviation of ln ς.
const LOG_NORMAL: (f64, f64) = (-1.1, 2.0);

/// Levels of noise that fall from pure noise, at t = 0, to the data, at t = 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    /// ς of each.
    pub noise: Vec<f64>,
    /// The time of each.
    pub times: Vec<f64>,
}

impl Levels {
    /// `intervals` of them and one more. The outermost stand at the ends of the path, whatever its
    /// noise there is.
    ///
    /// # Panics
    /// If `intervals` is 0.
    pub fn new(intervals: usize, schedule: &dyn Schedule) -> Self {
        assert!(intervals > 0, "levels need an interval");
        let most = noise_at(schedule, 0.0).min(MOST).powf(CURVATURE.recip());
        let least = least_noise(schedule).powf(CURVATURE.recip());
        let level = |i: usize| {
            let share = i as f64 / intervals as f64;
            (most + share * (least - most)).powf(CURVATURE)
        };
        let noise: Vec<f64> = (0..=intervals).map(level).collect();
        let mut times: Vec<f64> = noise
            .iter()
            .map(|noise| schedule.time_at_log_snr(-2.0 * noise.ln()))
            .collect();
        (times[0], times[intervals]) = (0.0, 1.0);
        Self { noise, times }
    }

    /// The same, but for the last, which stands where its noise is left: for a consistency function
    /// that is the identity there.
    pub(super) fn with_noise_left(mut self, schedule: &dyn Schedule) -> Self {
        let last = self.noise.len() - 1;
        self.times[last] = schedule.time_at_log_snr(-2.0 * self.noise[last].ln());
        self
    }

    /// A level from which to step to the next.
    pub fn draw(&self, draws: &mut Draws) -> usize {
        let last = self.noise.len() - 1;
        let (mean, std) = LOG_NORMAL;
        // Most draws are inside; a range that excludes nearly all of them is served evenly.
        for _ in 0..64 {
            let noise = (mean + std * draws.normal()).exp();
            if noise < self.noise[0] && noise > self.noise[last] {
                return self.noise.partition_point(|level| *level >= noise) - 1;
            }
        }
        draws.below(last)
    }
}

#[cfg(test)]
mod tests {
    use super::Levels;
    use crate::noise::{Noise, Stream};
    use crate::schedule::{Edm, Linear};

    #[test]
    fn levels_fall_from_noise_to_data() {
        let levels = Levels::new(17, &Edm::default());
        assert_eq!((levels.times[0], levels.times[17]), (0.0, 1.0));
        // Karras et al. 2022, with 18 levels: the second of 80, 57.586, …
        assert!((levels.noise[1] - 57.586).abs() < 1e-3);
        assert!((levels.noise[17] - 0.002).abs() < 1e-12);
        assert!(levels.noise.is_sorted_by(|a, b| a > b));
        let linear = Levels::new(17, &Linear::default());
        assert!(linear.times.is_sorted_by(|a, b| a < b));
        assert!((linear.times[1] - 1.0 / (1.0 + 57.586)).abs() < 1e-5);
    }

    #[test]
    fn levels_are_drawn_by_their_noise() {
        let levels = Levels::new(4, &Edm::default());
        let mut draws = Noise::new(0).draws(Stream::Duration, 0);
        let n = 40_000;
        let mut counts = [0; 4];
        (0..n).for_each(|_| counts[levels.draw(&mut draws)] += 1);
        let below = |noise: f64| 0.5 * libm::erfc(-(noise.ln() + 1.1) / 8.0_f64.sqrt());
        let inside = below(80.0) - below(0.002);
        for (pair, count) in levels.noise.windows(2).zip(counts) {
            let share = (below(pair[0]) - below(pair[1])) / inside;
            let error = (share * (1.0 - share) / f64::from(n)).sqrt();
            let got = f64::from(count) / f64::from(n);
            assert!(
                (got - share).abs() < 5.0 * error,
                "{got} instead of {share}"
            );
        }
    }
}
