//! The sliced 2-Wasserstein distance.
//!
//! `SW2² = E_θ[W2²(θ·x, θ·y)]`, θ uniform on the sphere; in one dimension W2 is the
//! distance between sorted values
//!
//! Source: Rabin et al. 2012; Bonneel et al. 2015.

use pyroclast_core::noise::{Noise, Stream};
use rayon::prelude::*;

/// `SW2(x, y)` over `slices` random directions.
///
/// # Shapes
/// - x, y: `[n, dim]`, row-major
///
/// # Panics
/// If the clouds differ in size, or there is no point or no slice.
pub fn sliced_wasserstein(x: &[f32], y: &[f32], dim: usize, slices: usize, seed: u64) -> f64 {
    assert_eq!(
        x.len(),
        y.len(),
        "both clouds must have the same number of points"
    );
    assert!(
        !x.is_empty() && slices > 0,
        "a distance needs a point and a slice"
    );
    let noise = Noise::new(seed);
    let of_slice = |slice: usize| {
        let mut direction = noise.draws(Stream::Metric, slice as u64).normals_f64(dim);
        let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|v| *v /= norm);
        let (a, b) = (project(x, &direction), project(y, &direction));
        a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64
    };
    // Collected before they are added: the sum does not depend on the number of threads.
    let squares: Vec<f64> = (0..slices).into_par_iter().map(of_slice).collect();
    (squares.iter().sum::<f64>() / slices as f64).sqrt()
}

/// The points along a direction, sorted.
fn project(points: &[f32], direction: &[f64]) -> Vec<f64> {
    let along = |p: &[f32]| {
        p.iter()
            .zip(direction)
            .map(|(p, d)| f64::from(*p) * d)
            .sum()
    };
    let mut values: Vec<f64> = points.chunks_exact(direction.len()).map(along).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussians_have_the_mean_of_their_slices() {
        // N(0, I) against N(m, Σ): a slice compares N(0, 1) with N(θ·m, θᵀΣθ), whose W2² is
        // (θ·m)² + (1 − √θᵀΣθ)².
        let (mean, variances) = ([1.0, 0.0], [4.0_f64, 1.0]);
        let of = |angle: f64| {
            let (sin, cos) = angle.sin_cos();
            let along = cos * mean[0] + sin * mean[1];
            let deviation = (cos * cos * variances[0] + sin * sin * variances[1]).sqrt();
            along * along + (1.0 - deviation).powi(2)
        };
        // The trapezoid rule is exact for a smooth periodic function.
        let angles = (0..200).map(|i| std::f64::consts::TAU * f64::from(i) / 200.0);
        let exact = angles.map(of).sum::<f64>() / 200.0;
        assert!((exact - 0.916_071_149_619_92).abs() < 1e-13, "{exact}");
        let mut draws = Noise::new(20).draws(Stream::Metric, 0);
        let n = 10_000;
        let x = draws.normals(2 * n);
        let mut y = draws.normals(2 * n);
        for point in y.chunks_exact_mut(2) {
            point[0] = 2.0 * point[0] + 1.0;
        }
        // The slices have a variance below .6, and the estimate from n points one of about 6/n.
        let slices = 1000;
        let got = sliced_wasserstein(&x, &y, 2, slices, 5).powi(2);
        let bound = 5.0 * (0.6 / slices as f64 + 6.0 / n as f64).sqrt();
        assert!((got - exact).abs() < bound, "{got} {exact}");
    }

    #[test]
    fn scaled_clouds_score_the_square_of_their_scales() {
        // For any x, y = s·x + m has the slices of E|(s − 1)·θ·x + θ·m|²; where the mean of x is 0
        // and its covariance I, SW2² = (1 − s)² + |m|²/d.
        let x = [1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0];
        let y: Vec<f32> = x.iter().map(|v| 1.5 * v + 2.0).collect();
        let got = sliced_wasserstein(&x, &y, 2, 20_000, 3).powi(2);
        let bound = 5.0 * (8.0_f64 / 20_000.0).sqrt();
        assert!((got - (0.25 + 4.0)).abs() < bound, "{got}");
    }

    #[test]
    fn a_shift_scores_its_mean_square_over_directions() {
        // E_θ[(θ·s)²] = ‖s‖²/dim.
        let x = Noise::new(1).draws(Stream::Data, 0).normals(200 * 2);
        let y: Vec<f32> = x.iter().map(|v| v + 1.0).collect();
        let slices = 4000;
        let got = sliced_wasserstein(&x, &y, 2, slices, 0).powi(2);
        // (θ·s)² = 1 + sin 2φ has mean 1 and variance ½.
        assert!(
            (got - 1.0).abs() < 5.0 * (0.5 / slices as f64).sqrt(),
            "{got}"
        );
    }
}
