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
