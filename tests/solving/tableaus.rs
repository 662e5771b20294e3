//! The algebra of Runge–Kutta tableaus: the conditions of every rooted tree hold up to the claimed
//! order, and fail beyond it.
//!
//! `Σ_i b_i·Φ_i(τ) = 1/γ(τ)` for every rooted tree τ of at most p nodes (Butcher 1963; Hairer,
//! Nørsett & Wanner 1993, II.2)

use pyroclast::solvers::{
    BOGACKI_SHAMPINE, DOPRI5, DenseWeights, EmbeddedRk, ExplicitRk, TSIT5, Tableau,
};

/// A rooted tree: the subtrees at its root, sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tree(Vec<Tree>);

impl Tree {
    fn nodes(&self) -> usize {
        1 + self.0.iter().map(Tree::nodes).sum::<usize>()
    }

    /// γ: the product over all nodes of the size of their subtrees.
    fn density(&self) -> f64 {
        self.nodes() as f64 * self.0.iter().map(Tree::density).product::<f64>()
    }

    /// Φ_i for each stage: the product over the subtrees of Σ_j a_ij·Φ_j.
    fn weights(&self, a: &[&[f64]]) -> Vec<f64> {
        let branches: Vec<Vec<f64>> = self.0.iter().map(|tree| tree.weights(a)).collect();
        let sum = |i: usize, phi: &[f64]| a[i].iter().zip(phi).map(|(a, phi)| a * phi).sum::<f64>();
        (0..a.len())
            .map(|i| branches.iter().map(|phi| sum(i, phi)).product())
            .collect()
    }
}

/// All rooted trees of n nodes, by adding a leaf everywhere to those of n − 1.
fn trees(n: usize) -> Vec<Tree> {
    fn grown(tree: &Tree) -> Vec<Tree> {
        let mut at_root = tree.0.clone();
        at_root.insert(0, Tree(vec![]));
        let mut all = vec![Tree(at_root)];
        for (i, branch) in tree.0.iter().enumerate() {
            for larger in grown(branch) {
                let mut branches = tree.0.clone();
                branches[i] = larger;
                all.push(Tree(branches));
            }
        }
        all.iter_mut().for_each(|tree| tree.0.sort());
        all
    }
    if n == 1 {
        return vec![Tree(vec![])];
    }
    let mut all: Vec<Tree> = trees(n - 1).iter().flat_map(grown).collect();
    all.sort();
    all.dedup();
    all
}

/// The largest violation of the conditions of exactly `order` nodes, and the violation that
/// rounding the coefficients to f64 may cause.
fn residual(tableau: &Tableau, b: &[f64], order: usize) -> (f64, f64) {
    let absolute: Vec<Vec<f64>> = (tableau.a.iter())
        .map(|row| row.iter().map(|a| a.abs()).collect())
        .collect();
    let absolute: Vec<&[f64]> = absolute.iter().map(Vec::as_slice).collect();
    let violation = |tree: &Tree| {
        let sum = |a: &[&[f64]], size: fn(f64) -> f64| -> f64 {
            b.iter()
                .zip(tree.weights(a))
                .map(|(b, phi)| size(*b) * phi)
                .sum()
        };
        let left = (sum(tableau.a, |b| b) - 1.0 / tree.density()).abs();
        (
            left,
            2.0 * order as f64 * f64::EPSILON * sum(&absolute, f64::abs),
        )
    };
    let worse = |a: (f64, f64), b: (f64, f64)| if a.0 - a.1 > b.0 - b.1 { a } else { b };
    trees(order).iter().map(violation).fold((0.0, 1.0), worse)
}

fn has_order(tableau: &Tableau, b: &[f64], order: usize, what: &str) {
    for p in 1..=order {
        let (worst, rounding) = residual(tableau, b, p);
        assert!(worst <= rounding, "{what} violates order {p} by {worst:e}");
        assert!(
            rounding < 1e-11 || worst == 0.0,
            "{what}: {rounding:e} is no bound"
        );
    }
    let (beyond, _) = residual(tableau, b, order + 1);
    assert!(
        beyond > 1e-6,
        "{what} is of order {} too ({beyond:e})",
        order + 1
    );
}

#[test]
fn there_are_as_many_rooted_trees_as_cayley_counted() {
    let counts: Vec<usize> = (1..=9).map(|n| trees(n).len()).collect();
    assert_eq!(counts, [1, 1, 2, 4, 9, 20, 48, 115, 286]);
}

#[test]
fn every_method_has_its_order_and_no_more() {
    for ExplicitRk(tableau) in ExplicitRk::ALL {
        has_order(tableau, tableau.b, tableau.order, tableau.name);
    }
    for &pair in EmbeddedRk::ALL {
        let what = format!("the embedded {}", pair.method.0.name);
        has_order(pair.method.0, pair.embedded, pair.embedded_order, &what);
    }
}

#[test]
fn stages_lie_where_their_rows_sum_to() {
    for ExplicitRk(tableau) in ExplicitRk::ALL {
        for (row, c) in tableau.a.iter().zip(tableau.c) {
            assert!(
                (row.iter().sum::<f64>() - c).abs() < 1e-14,
                "{}",
                tableau.name
            );
        }
        assert_eq!(tableau.a.len(), tableau.b.len());
        assert!(tableau.a.iter().enumerate().all(|(i, row)| row.len() == i));
    }
}

#[test]
fn error_weights_sum_to_zero() {
    for &pair in EmbeddedRk::ALL {
        let tableau = pair.method.0;
        let differences = (tableau.b.iter().zip(pair.embedded)).map(|(b, b_hat)| b - b_hat);
        let sum: f64 = differences.sum();
        assert!(sum.abs() < 1e-15, "{}: {sum:e}", tableau.name);
    }
}

#[test]
fn the_last_stage_is_the_step_where_it_is_first_of_the_next() {
    for ExplicitRk(tableau) in ExplicitRk::ALL {
        let stages = tableau.a.len();
        let row = tableau.a[stages - 1];
        let same = row == &tableau.b[..stages - 1]
            && tableau.b[stages - 1] == 0.0
            && tableau.c[stages - 1] == 1.0;
        assert_eq!(same, tableau.first_same_as_last, "{}", tableau.name);
    }
}

/// `b_i(θ)`. Hermite's cubic has such weights too, if the slope at the end is the last stage.
fn dense_weights(pair: &EmbeddedRk, theta: f64) -> Vec<f64> {
    let b = pair.method.0.b;
    match pair.dense {
        DenseWeights::Line => b.iter().map(|b| theta * b).collect(),
        DenseWeights::Quartic(rows) => (rows.iter())
            .map(|row| (1..).zip(row).map(|(n, c)| c * theta.powi(n)).sum())
            .collect(),
        DenseWeights::Hermite => {
            let rest = 1.0 - theta;
            let to_end = theta * theta * (3.0 - 2.0 * theta);
            let mut weights: Vec<f64> = b.iter().map(|b| to_end * b).collect();
            weights[0] += theta * rest * rest;
            *weights.last_mut().expect("a stage") -= theta * theta * rest;
            weights
        }
        DenseWeights::Septic => unreachable!("its weights are those of two more steps"),
    }
}

#[test]
fn dense_output_has_its_continuous_order_and_no_more() {
    for (pair, order) in [(BOGACKI_SHAMPINE, 3), (DOPRI5, 4), (TSIT5, 4)] {
        let tableau = pair.method.0;
        let residual = |p: usize, theta: f64| {
            let weights = dense_weights(&pair, theta);
            let violation = |tree: &Tree| {
                let sum: f64 = (weights.iter().zip(tree.weights(tableau.a)))
                    .map(|(b, phi)| b * phi)
                    .sum();
                (sum - theta.powi(p as i32) / tree.density()).abs()
            };
            trees(p).iter().map(violation).fold(0.0, f64::max)
        };
        for theta in [0.1, 0.3, 0.5, 0.75, 0.9, 1.0] {
            for p in 1..=order {
                let worst = residual(p, theta);
                assert!(worst < 1e-13, "{} at {theta}: {worst:e}", tableau.name);
            }
        }
        assert!(residual(order + 1, 0.5) > 1e-6, "{}", tableau.name);
        for (b, dense) in tableau.b.iter().zip(dense_weights(&pair, 1.0)) {
            assert!((b - dense).abs() < 1e-13, "{}", tableau.name);
        }
    }
}
