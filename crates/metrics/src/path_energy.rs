//! The normalised path energy.
//!
//! `NPE = |E∫‖v‖²dt − W2²(q0, q1)|/W2²(q0, q1)`
//!
//! Source: Tong et al. 2024, eq. 20. By Benamou & Brenier 2000 no path between two distributions
//! has less energy than W2², so NPE says how far the model's paths are from optimal transport.

/// NPE from a path energy and W2² between source and data.
pub fn normalised_path_energy(path_energy: f64, wasserstein_squared: f64) -> f64 {
    (path_energy - wasserstein_squared).abs() / wasserstein_squared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimal_paths_have_none() {
        assert_eq!(normalised_path_energy(2.5, 2.5), 0.0);
        assert_eq!(normalised_path_energy(3.0, 2.0), 0.5);
        assert_eq!(normalised_path_energy(1.0, 2.0), 0.5);
    }
}
