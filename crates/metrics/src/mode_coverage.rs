//! Mode coverage: which modes of a known mixture the samples hit, how well, and how often.
//!
//! `hit = |{k : n_k > 0}|`, `high quality = |{y : min_k ‖y − c_k‖ ≤ 3·std}|/n`,
//! `KL = Σ_k p_k·ln(p_k/w_k)`, with p the shares of the samples whose nearest centre is k, and n_k
//! the samples of high quality among them
//!
//! Source: Srivastava et al. 2017 (VEEGAN), §4.1.

use crate::estimate::Estimate;
use pyroclast_core::toy::Modes;

/// Standard deviations around a centre within which a sample is of high quality.
const NEAR: f64 = 3.0;

/// How samples cover the modes of a mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeCoverage {
    /// The modes that a sample of high quality belongs to: about [`expected_modes`] for a perfect
    /// sampler, of whose samples all but 1.1 % are of high quality.
    pub hit: usize,
    /// The share of the samples within three standard deviations of a centre. A perfect sampler has
    /// `1 − e^{−9/2}` = .9889, and a little more where modes overlap.
    pub high_quality: Estimate,
    /// The Kullback–Leibler divergence of the shares of the modes from their weights, in nats. A
    /// perfect sampler has `(K − 1)/(2n)` on average: [`expected_divergence`].
    pub divergence: f64,
}

/// The coverage of modes by samples of the plane.
///
/// # Shapes
/// - samples: `[n, 2]`, row-major, in the units of the modes
///
/// # Panics
/// If there is no sample.
pub fn mode_coverage(samples: &[f32], modes: &Modes) -> ModeCoverage {
    let n = samples.len() / 2;
    assert!(n > 0, "samples");
    let (mut counts, mut near) = (vec![0_usize; modes.weights.len()], 0);
    let mut hit = vec![false; counts.len()];
    for point in samples.chunks_exact(2) {
        let distance = |[x, y]: &[f64; 2]| {
            let (dx, dy) = (f64::from(point[0]) - x, f64::from(point[1]) - y);
            dx * dx + dy * dy
        };
        let distances = modes.centres.iter().map(distance).enumerate();
        let (nearest, square) = distances
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("a mixture has modes");
        counts[nearest] += 1;
        if square <= (NEAR * modes.std).powi(2) {
            near += 1;
            hit[nearest] = true;
        }
    }
    let terms = counts.iter().zip(&modes.weights).map(|(&count, weight)| {
        let share = count as f64 / n as f64;
        match count {
            0 => 0.0,
            _ => share * (share / weight).ln(),
        }
    });
    ModeCoverage {
        hit: hit.into_iter().filter(|&hit| hit).count(),
        high_quality: Estimate::share(f64::from(near) / n as f64, n),
        divergence: terms.sum(),
    }
}

/// The expected number of modes that `n` independent samples of the mixture hit:
/// `K − Σ_k (1 − w_k)^n`.
pub fn expected_modes(modes: &Modes, n: usize) -> f64 {
    let missed = modes
        .weights
        .iter()
        .map(|weight| (1.0 - weight).powf(n as f64));
    modes.weights.len() as f64 - missed.sum::<f64>()
}

/// The expected divergence of `n` independent samples of the mixture, `(K − 1)/(2n)`, to the first
/// order in 1/n (Miller 1955).
pub fn expected_divergence(modes: &Modes, n: usize) -> f64 {
    (modes.weights.len() - 1) as f64 / (2.0 * n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spread;
    use pyroclast_core::noise::{Draws, Noise, Stream};
    use pyroclast_core::toy::Toy;

    /// Twenty-five modes on a grid.
    fn grid() -> Modes {
        let centre = |k: usize| [(k % 5) as f64 * 4.0, (k / 5) as f64 * 4.0];
        Modes {
            centres: (0..25).map(centre).collect(),
            weights: vec![0.04; 25],
            std: 0.1,
        }
    }

    fn sample(modes: &Modes, n: usize, draws: &mut Draws) -> Vec<f32> {
        (0..n)
            .flat_map(|_| {
                let centre = modes.centres[draws.below(modes.centres.len())];
                centre.map(|c| (c + modes.std * draws.normal()) as f32)
            })
            .collect()
    }

    #[test]
    fn independent_samples_miss_as_many_modes_as_expected() {
        let modes = grid();
        let missed = 25.0 - expected_modes(&modes, 100);
        assert!((missed - 0.421_757_983_971_239_7).abs() < 1e-13, "{missed}");
        let found: Vec<ModeCoverage> = (0..400)
            .map(|k| {
                let mut draws = Noise::new(21).draws(Stream::Metric, k);
                mode_coverage(&sample(&modes, 100, &mut draws), &modes)
            })
            .collect();
        let check = |of: &dyn Fn(&ModeCoverage) -> f64, expected: f64, slack: f64| {
            let spread = Spread::of(&found.iter().map(of).collect::<Vec<_>>());
            let error = spread.std.expect("several") / 20.0;
            let gap = (spread.mean - expected).abs();
            assert!(gap < 5.0 * error + slack, "{spread:?} {expected}");
        };
        // A mode is also missed if none of its samples is of high quality: about 4·1.1 % of times
        // e⁻⁴, in 25.
        check(&|found| found.hit as f64, 25.0 - missed, 0.025);
        check(
            &|found| found.high_quality.value,
            1.0 - (-4.5_f64).exp(),
            0.0,
        );
        // The second order is (Σ 1/w − 1)/(12·n²) = 624/120000, and those above make .003.
        let bias = expected_divergence(&modes, 100);
        assert_eq!(bias, 0.12);
        check(&|found| found.divergence, bias + 624.0 / 120_000.0, 0.004);
    }

    #[test]
    fn a_lost_mode_shows_in_every_number() {
        let modes = Toy::EightGaussians.modes().expect("eight of them");
        let mut draws = Noise::new(22).draws(Stream::Data, 0);
        let all = Toy::EightGaussians.sample(8000, &mut draws);
        let found = mode_coverage(&all, &modes);
        assert_eq!(found.hit, 8);
        // Neighbouring discs overlap, so a little more than 1 − e^{−9/2}.
        assert!((0.985..0.999).contains(&found.high_quality.value));
        assert!(found.divergence < 1e-3, "{found:?}");
        let right: Vec<f32> = (all.chunks_exact(2))
            .filter(|point| point[0] > 0.0)
            .flat_map(|point| point.iter().map(|v| v * 1.5))
            .collect();
        let found = mode_coverage(&right, &modes);
        assert!(found.hit < 8 && found.high_quality.value < 0.9, "{found:?}");
        assert!(found.divergence > 0.45, "{found:?}");
        let interval = found.high_quality.interval.expect("of a share");
        assert!(interval.contains(found.high_quality.value));
        assert_eq!(Toy::Moons.modes(), None);
    }
}
