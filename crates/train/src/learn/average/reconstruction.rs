//! The average of any width, reconstructed from snapshots of averages of a few widths.
//!
//! `p_target ≈ Σ_i x_i·p_i: A·x = b + μ·1, A_ij = ⟨p_i, p_j⟩, b_i = ⟨p_i, p_target⟩, Σ x_i = 1`
//!
//! Averages are linear in their weights, so `θ̂_target ≈ Σ_i x_i·θ̂_i`. Every profile integrates to
//! one, and because of μ the combination does too: constant parameters are reproduced exactly, and
//! the error is at most `‖p_target − Σ x_i·p_i‖·‖θ − c‖` for any constant c, in the norms of
//! `L²(0, t)`. The paper has μ = 0, which lets the sum of x differ from one and so scales the
//! parameters.
//!
//! Profiles of neighbouring snapshots are almost parallel, so A is close to singular. It is scaled
//! to a diagonal of ones and inverted through its eigenvalues, without those that are too small for
//! the precision of the snapshots.
//!
//! Source: Karras et al. 2024, section 3.2 and appendix C.

use super::Profile;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The least eigenvalue that is used, as a share of the largest. Snapshots have the relative error
/// ε of single precision, which grows by up to 1/√λ along an eigenvector of λ. Below ε² the error
/// outweighs the gain.
const RESOLVED: f64 = f32::EPSILON as f64 * f32::EPSILON as f64;

/// The coefficients of the combination of profiles that is nearest to a target.
///
/// `x = argmin ‖p_target − Σ x_i·p_i‖², Σ x_i = 1`
///
/// The result has one coefficient per profile.
///
/// Source: Karras et al. 2024, appendix C, to which the condition on the sum is added.
///
/// # Panics
/// If there is no profile to combine.
pub fn coefficients(profiles: &[Profile], target: &Profile) -> Vec<f64> {
    assert!(!profiles.is_empty(), "a combination has terms");
    let n = profiles.len();
    let norms: Vec<f64> = profiles.iter().map(|p| p.inner(p).sqrt()).collect();
    let a = DMatrix::from_fn(n, n, |i, j| {
        profiles[i].inner(&profiles[j]) / (norms[i] * norms[j])
    });
    let eigen = SymmetricEigen::new(a);
    let least = RESOLVED * eigen.eigenvalues.max();
    let solve = |right: &DVector<f64>| {
        let mut along = eigen.eigenvectors.tr_mul(right);
        for (c, &lambda) in along.iter_mut().zip(eigen.eigenvalues.iter()) {
            *c = if lambda > least { *c / lambda } else { 0.0 };
        }
        &eigen.eigenvectors * along
    };
    let ones = DVector::from_fn(n, |i, _| 1.0 / norms[i]);
    let b = DVector::from_fn(n, |i, _| profiles[i].inner(target) / norms[i]);
    let (free, along_ones) = (solve(&b), solve(&ones));
    let mu = (1.0 - ones.dot(&free)) / ones.dot(&along_ones);
    let x = free + along_ones * mu;
    x.iter().zip(&norms).map(|(x, norm)| x / norm).collect()
}

/// The distance of a combination of profiles from a target profile, as a share of the target's
/// norm.
///
/// `‖q − Σ x_i·p_i‖/‖q‖, ‖q − Σ x_i·p_i‖² = ⟨q, q⟩ − 2·Σ_i x_i·⟨p_i, q⟩ + Σ_ij x_i·x_j·⟨p_i, p_j⟩`
///
/// The error of the reconstructed parameters is at most this share of `‖q‖·‖θ − c‖`, for any
/// constant c.
///
/// # Panics
/// If there is not one coefficient per profile.
pub fn relative_error(profiles: &[Profile], x: &[f64], target: &Profile) -> f64 {
    assert_eq!(profiles.len(), x.len(), "a term has a profile and a factor");
    let own = target.inner(target);
    let mut square = own;
    for (p, a) in profiles.iter().zip(x) {
        let others = profiles.iter().zip(x).map(|(q, b)| b * p.inner(q));
        square += a * (others.sum::<f64>() - 2.0 * p.inner(target));
    }
    // For an exact combination, rounding may make the square negative.
    (square.max(0.0) / own).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::Law;
    use super::*;

    const STEPS: u64 = 2000;
    const EVERY: u64 = 100;
    const KEPT: [f64; 2] = [0.05, 0.1];

    /// The profiles of the snapshots of a run.
    fn kept() -> Vec<Profile> {
        let times = (1..=STEPS / EVERY).map(|i| i * EVERY);
        times
            .flat_map(|t| KEPT.map(|width| Profile::of_width(width, t)))
            .collect()
    }

    /// Parameters in training: decay, oscillation that fades, slow drift, and random walks.
    fn trajectory() -> Vec<[f64; 6]> {
        use pyroclast_core::noise::{Noise, Stream};
        let mut draws = Noise::new(7).draws(Stream::Init, 0);
        let mut walks = [0.0; 3];
        (1..=STEPS)
            .map(|k| {
                let t = k as f64 / STEPS as f64;
                walks.iter_mut().for_each(|w| *w += 0.03 * draws.normal());
                let smooth = [
                    (-7.0 * t).exp(),
                    (30.0 * t).sin() * (-2.0 * t).exp(),
                    t.sqrt(),
                ];
                [
                    smooth[0], smooth[1], smooth[2], walks[0], walks[1], walks[2],
                ]
            })
            .collect()
    }

    /// The average by its recursion, after every step.
    fn tracked(path: &[[f64; 6]], width: f64) -> Vec<[f64; 6]> {
        let mut average = [0.0; 6];
        let mut after = Vec::with_capacity(path.len());
        for (k, theta) in path.iter().enumerate() {
            let decay = Law::Power(width).decay(k as u64);
            for (a, x) in average.iter_mut().zip(theta) {
                *a += (1.0 - decay) * (x - *a);
            }
            after.push(average);
        }
        after
    }

    fn distance(a: &[f64; 6], b: &[f64; 6]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    fn reconstructed(path: &[[f64; 6]], width: f64) -> [f64; 6] {
        let averages = KEPT.map(|width| tracked(path, width));
        let x = coefficients(&kept(), &Profile::of_width(width, STEPS));
        let mut sum = [0.0; 6];
        for (i, x) in x.iter().enumerate() {
            let (snapshot, which) = (i / KEPT.len() + 1, i % KEPT.len());
            let values = &averages[which][snapshot * EVERY as usize - 1];
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += x * v);
        }
        sum
    }

    #[test]
    fn a_width_that_was_not_kept_is_the_one_that_would_have_been() {
        let path = trajectory();
        let mut mean = [0.0; 6];
        for theta in &path {
            mean.iter_mut()
                .zip(theta)
                .for_each(|(m, v)| *m += v / path.len() as f64);
        }
        let spread: f64 = path
            .iter()
            .map(|theta| distance(theta, &mean).powi(2))
            .sum();
        for (width, share) in [(0.04, 40.0), (0.07, 300.0), (0.12, 300.0), (0.2, 100.0)] {
            let direct = tracked(&path, width)[STEPS as usize - 1];
            let error = distance(&reconstructed(&path, width), &direct);
            // By the inequality of Cauchy and Schwarz, since the error is the inner product of the
            // profile's residual and θ.
            let target = Profile::of_width(width, STEPS);
            let x = coefficients(&kept(), &target);
            let residual = relative_error(&kept(), &x, &target) * target.inner(&target).sqrt();
            let bound = residual * spread.sqrt();
            assert!(error <= bound, "{width}: {error} > {bound}");
            let apart = |kept| distance(&tracked(&path, kept)[STEPS as usize - 1], &direct);
            let nearest = KEPT.map(apart).into_iter().fold(f64::INFINITY, f64::min);
            assert!(error < nearest / share, "{width}: {error} of {nearest}");
        }
    }

    #[test]
    fn a_width_that_was_kept_is_what_was_kept() {
        let path = trajectory();
        for width in KEPT {
            let direct = tracked(&path, width)[STEPS as usize - 1];
            let error = distance(&reconstructed(&path, width), &direct);
            assert!(error < 1e-6, "{width}: {error}");
        }
    }

    #[test]
    fn coefficients_sum_to_one_however_few_the_snapshots() {
        for snapshots in 1..=kept().len() {
            for width in [0.01, 0.1, 0.3] {
                let x = coefficients(&kept()[..snapshots], &Profile::of_width(width, STEPS));
                let sum: f64 = x.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{snapshots} {width}: {sum}");
            }
        }
    }

    #[test]
    fn widths_far_from_those_kept_are_told_from_those_near() {
        // The errors of the least-squares combination, computed with 60 digits.
        for (width, expected) in [
            (0.01, 0.3000),
            (0.02, 0.0867),
            (0.03, 0.0264),
            (0.05, 0.0),
            (0.07, 0.0025),
            (0.12, 0.0022),
            (0.2, 0.0155),
            (0.25, 0.0603),
            (0.28, 0.1812),
            (0.3, 0.6363),
        ] {
            let target = Profile::of_width(width, STEPS);
            let error = relative_error(&kept(), &coefficients(&kept(), &target), &target);
            assert!((error - expected).abs() < 1e-3, "{width}: {error}");
        }
        // An empty combination misses all of the target.
        let target = Profile::of_width(0.1, STEPS);
        assert_eq!(relative_error(&[], &[], &target), 1.0);
    }
}
