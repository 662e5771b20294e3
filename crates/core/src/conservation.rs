//! The equations of a density, checked on a grid of the plane.
//!
//! `r = ∂_t p + ∇·(p·u) − ½g²·Δp`, which is 0 where p is the density of `dX = u_t(X) dt + g_t dW`
//!
//! With g = 0 it is the continuity equation of an ODE, otherwise that of Fokker and Planck.
//! Derivatives are central differences, so the residual of an exact field is O(spacing² + τ²): it
//! falls fourfold when both are halved. That of a wrong field stays.
//!
//! Source: Lipman et al. 2023, appendix B (continuity); Risken 1989 (Fokker–Planck).

/// A grid of the plane with square cells.
///
/// Nodes are listed row after row from the lowest y up, and from the lowest x on within a row: node
/// `j·columns + i` lies at `low + spacing·(i, j)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneGrid {
    /// The lowest x and the lowest y.
    pub low: [f64; 2],
    /// From one node to the next, above 0.
    pub spacing: f64,
    /// Nodes along x.
    pub columns: usize,
    /// Nodes along y.
    pub rows: usize,
}

impl PlaneGrid {
    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.columns * self.rows
    }

    /// The coordinates of the nodes, `[nodes, 2]` row-major: what a field is evaluated at.
    pub fn points(&self) -> Vec<f64> {
        let ([x, y], h) = (self.low, self.spacing);
        (0..self.nodes())
            .map(|k| (k % self.columns, k / self.columns))
            .flat_map(|(i, j)| [x + h * i as f64, y + h * j as f64])
            .collect()
    }

    /// The nodes that have a neighbour on each side.
    ///
    /// # Panics
    /// If there are fewer than 3 rows or columns.
    pub fn inner(&self) -> Self {
        assert!(
            self.columns > 2 && self.rows > 2,
            "a grid of {} by {} nodes has no inner node",
            self.columns,
            self.rows
        );
        Self {
            low: self.low.map(|low| low + self.spacing),
            columns: self.columns - 2,
            rows: self.rows - 2,
            ..*self
        }
    }

    /// `∂_t p + ∇·(p·u) − ½g²·Δp` at the inner nodes.
    ///
    /// # Shapes
    /// - densities: p at t − τ, t and t + τ, each `[nodes]`; velocity: u at t, `[nodes, 2]`
    ///   row-major
    /// - result: a number a node of [`PlaneGrid::inner`]
    ///
    /// # Panics
    /// If τ or the spacing is not above 0, there is no inner node, or a slice has another length.
    pub fn residual(&self, densities: [&[f64]; 3], tau: f64, velocity: &[f64], g: f64) -> Vec<f64> {
        let (h, width) = (self.spacing, self.columns);
        let inner = self.inner();
        assert!(
            tau > 0.0 && h > 0.0,
            "differences over τ = {tau} and h = {h}; both are above 0"
        );
        for p in densities {
            assert_eq!(p.len(), self.nodes(), "one density a node");
        }
        assert_eq!(velocity.len(), 2 * self.nodes(), "two velocities a node");
        let [before, p, after] = densities;
        let flux = |k: usize, axis: usize| p[k] * velocity[2 * k + axis];
        (0..inner.nodes())
            .map(|k| (k / inner.columns + 1) * width + k % inner.columns + 1)
            .map(|k| {
                let d_t = (after[k] - before[k]) / (2.0 * tau);
                let d_x = flux(k + 1, 0) - flux(k - 1, 0);
                let d_y = flux(k + width, 1) - flux(k - width, 1);
                let around = p[k + 1] + p[k - 1] + p[k + width] + p[k - width];
                let laplacian = (around - 4.0 * p[k]) / (h * h);
                d_t + (d_x + d_y) / (2.0 * h) - 0.5 * g * g * laplacian
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytic::GaussianMixture;
    use crate::field::{Sde, VectorField};
    use crate::per_sample::from_host;
    use crate::reverse_sde::{NoiseLevel, ReverseSde};
    use crate::schedule::{Schedule, Trigonometric, VariancePreserving};
    use burn::tensor::{DType, Tensor};
    use burn_ndarray::NdArray;

    type B = NdArray<f64>;

    fn tensor(values: Vec<f64>) -> Tensor<B, 2> {
        let n = values.len() / 2;
        from_host(values, [n, 2], &Default::default(), DType::F64)
    }

    fn host<const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
        x.into_data().into_vec().expect("f64")
    }

    #[test]
    fn differences_are_exact_for_polynomials_of_second_degree() {
        // p = 3t + x² + xy − 2y² and u = (2, −1): ∂_t p = 3, ∇·(pu) = 2(2x + y) − (x − 4y), Δp =
        // −2.
        let grid = PlaneGrid {
            low: [-0.4, 0.3],
            spacing: 0.2,
            columns: 7,
            rows: 4,
        };
        let points = grid.points();
        assert_eq!(points[2 * 6..2 * 8], [-0.4 + 0.2 * 6.0, 0.3, -0.4, 0.5]);
        let p = |t: f64| -> Vec<f64> {
            let at = |c: &[f64]| 3.0 * t + c[0] * c[0] + c[0] * c[1] - 2.0 * c[1] * c[1];
            points.chunks(2).map(at).collect()
        };
        let velocity = [2.0, -1.0].repeat(grid.nodes());
        for g in [0.0, 1.5] {
            let densities = [&p(0.6)[..], &p(0.7), &p(0.8)];
            let got = grid.residual(densities, 0.1, &velocity, g);
            let inner = grid.inner().points();
            assert_eq!((got.len(), inner.len()), (5 * 2, 2 * 5 * 2));
            for (got, c) in got.iter().zip(inner.chunks(2)) {
                let expected = 3.0 + 3.0 * c[0] + 6.0 * c[1] + g * g;
                assert!((got - expected).abs() < 1e-12, "{got} {expected}");
            }
        }
    }

    #[test]
    fn a_rotation_keeps_a_round_density_and_moves_another() {
        // ∇·(pu) = u·∇p for u = (−y, x): 0 for p = e^{−(x² + y²)/2}, and xy·p/2 for p = e^{−x²/2 −
        // y²/4}.
        let residual = |of_y: f64, n: usize| {
            let h = 4.0 / n as f64;
            let grid = PlaneGrid {
                low: [-2.0; 2],
                spacing: h,
                columns: n + 1,
                rows: n + 1,
            };
            let at = |c: &[f64]| (-0.5 * (c[0] * c[0] + of_y * c[1] * c[1])).exp();
            let p: Vec<f64> = grid.points().chunks(2).map(at).collect();
            let u: Vec<f64> = (grid.points().chunks(2))
                .flat_map(|c| [-c[1], c[0]])
                .collect();
            let got = grid.residual([&p, &p, &p], 1.0, &u, 0.0);
            let inner = grid.inner().points();
            let off = got.iter().zip(inner.chunks(2)).map(|(r, c)| {
                let exact = (1.0 - of_y) * c[0] * c[1] * at(c);
                (r - exact).abs()
            });
            off.fold(0.0, f64::max)
        };
        for of_y in [1.0, 0.5] {
            let ratio = residual(of_y, 40) / residual(of_y, 80);
            assert!((ratio - 4.0).abs() < 0.1, "{of_y}: {ratio}");
        }
    }

    fn mixture<S: Schedule>(schedule: S) -> GaussianMixture<B, S, 2> {
        let means = tensor(vec![-1.5, 0.4, 1.0, 1.2, 0.6, -1.3]);
        GaussianMixture::new(means, &[0.3, 0.5, 0.2], &[0.5, 0.4, 0.6], schedule)
    }

    /// The largest residual of a drift at t = 0.6 on n cells of [−5, 5]².
    fn largest<S: Schedule>(
        field: &GaussianMixture<B, S, 2>,
        drift: impl Fn(f64, Tensor<B, 2>) -> Tensor<B, 2>,
        g: f64,
        n: usize,
    ) -> f64 {
        let (t, tau) = (0.6, 0.4 / n as f64);
        let grid = PlaneGrid {
            low: [-5.0; 2],
            spacing: 10.0 / n as f64,
            columns: n + 1,
            rows: n + 1,
        };
        let points = tensor(grid.points());
        let p = |t: f64| host(field.log_density(t, points.clone()).exp());
        let densities = [&p(t - tau)[..], &p(t), &p(t + tau)];
        let residual = grid.residual(densities, tau, &host(drift(t, points.clone())), g);
        residual.iter().fold(0.0, |most, r| r.abs().max(most))
    }

    fn exact_fields_converge<S: Schedule + Copy>(schedule: S) {
        let field = mixture(schedule);
        let falls = |sizes: [f64; 3]| {
            for pair in sizes.windows(2) {
                let ratio = pair[0] / pair[1];
                // The next term of the expansion is some (h/s)² of this one.
                assert!((ratio - 4.0).abs() < 0.2, "{schedule:?}: {sizes:?}");
            }
        };
        falls([80, 160, 320].map(|n| largest(&field, |t, x| field.velocity(t, x), 0.0, n)));
        for level in [0.5, 1.2] {
            let sde = ReverseSde {
                field: field.clone(),
                noise_level: NoiseLevel::Constant(level),
            };
            falls([80, 160, 320].map(|n| largest(&field, |t, x| sde.drift(t, x), level, n)));
        }
    }

    #[test]
    fn the_residual_of_an_exact_field_falls_fourfold_with_the_spacing() {
        exact_fields_converge(Trigonometric);
        exact_fields_converge(VariancePreserving::default());
    }

    #[test]
    fn a_drift_without_its_score_term_leaves_the_diffusion() {
        // What is left is −½g²Δp, here of a density whose largest is far from 0.
        let (field, g) = (mixture(Trigonometric), 0.8);
        let [coarse, fine] = [160, 320].map(|n| largest(&field, |t, x| field.velocity(t, x), g, n));
        assert!((coarse / fine - 1.0).abs() < 0.01, "{coarse} {fine}");
        let exact = largest(&field, |t, x| field.velocity(t, x), 0.0, 320);
        assert!(fine > 100.0 * exact, "{fine} {exact}");
        // Of N(0, v·I) at rest it is known: at the centre −½g²·Δp = g²/(2πv²).
        let grid = PlaneGrid {
            low: [-1e-3; 2],
            spacing: 1e-3,
            columns: 3,
            rows: 3,
        };
        let v = 0.7;
        let p: Vec<f64> = (grid.points().chunks(2))
            .map(|c| (-0.5 * (c[0] * c[0] + c[1] * c[1]) / v).exp() / (std::f64::consts::TAU * v))
            .collect();
        let got = grid.residual([&p, &p, &p], 0.1, &[0.0; 18], g)[0];
        let expected = g * g / (std::f64::consts::TAU * v * v);
        assert!((got / expected - 1.0).abs() < 1e-5, "{got} {expected}");
    }

    #[test]
    #[should_panic(expected = "one density a node")]
    fn densities_of_another_grid_are_refused() {
        let grid = PlaneGrid {
            low: [0.0; 2],
            spacing: 1.0,
            columns: 3,
            rows: 3,
        };
        let _ = grid.residual([&[0.0; 9], &[0.0; 8], &[0.0; 9]], 1.0, &[0.0; 18], 0.0);
    }

    #[test]
    #[should_panic(expected = "no inner node")]
    fn a_grid_without_inner_nodes_is_refused() {
        let grid = PlaneGrid {
            low: [0.0; 2],
            spacing: 1.0,
            columns: 2,
            rows: 5,
        };
        let _ = grid.inner();
    }
}
