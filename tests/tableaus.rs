//! The algebra of Runge–Kutta tableaus: every rooted tree up to the claimed order, and a failure beyond it.
//!
//! `Σ_i b_i·Φ_i(τ) = 1/γ(τ)` for every rooted tree τ of at most p nodes (Butcher 1963; Hairer, Nørsett & Wanner 1993, II.2)

use pyroclast::solvers::tableau::Tableau;
use pyroclast::solvers::{
    BOGACKI_SHAMPINE, DOPRI5, EULER, EmbeddedRk, ExplicitRk, HEUN, MIDPOINT, RALSTON, RK4,
};

/// A rooted tree: the subtrees at its root, sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tree(Vec<Tree>);

impl Tree {
    fn nodes(&self) -> usize {
        1 + self.0.iter().map(Tree::nodes).sum::<usize>()
    }

    /// γ: the product over all nodes of the size of the subtree that hangs there.
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

/// The largest violation of the conditions of exactly `order` nodes.
fn residual(tableau: &Tableau, b: &[f64], order: usize) -> f64 {
    let violation = |tree: &Tree| {
        let phi = tree.weights(tableau.a);
        let sum: f64 = b.iter().zip(phi).map(|(b, phi)| b * phi).sum();
        (sum - 1.0 / tree.density()).abs()
    };
    trees(order).iter().map(violation).fold(0.0, f64::max)
}

fn has_order(tableau: &Tableau, b: &[f64], order: usize, what: &str) {
    for p in 1..=order {
        let worst = residual(tableau, b, p);
        assert!(worst < 1e-14, "{what} violates order {p} by {worst:e}");
    }
    let beyond = residual(tableau, b, order + 1);
    assert!(
        beyond > 1e-6,
        "{what} is of order {} too ({beyond:e})",
        order + 1
    );
}

fn all() -> Vec<(ExplicitRk, Option<EmbeddedRk>)> {
    let embedded = [HEUN, RALSTON, BOGACKI_SHAMPINE, DOPRI5];
    let plain = [EULER, MIDPOINT, RK4];
    (plain.into_iter().map(|method| (method, None)))
        .chain(embedded.into_iter().map(|pair| (pair.method, Some(pair))))
        .collect()
}

#[test]
fn there_are_as_many_rooted_trees_as_cayley_counted() {
    let counts: Vec<usize> = (1..=7).map(|n| trees(n).len()).collect();
    assert_eq!(counts, [1, 1, 2, 4, 9, 20, 48]);
}

#[test]
fn every_method_has_its_order_and_no_more() {
    for (ExplicitRk(tableau), pair) in all() {
        has_order(tableau, tableau.b, tableau.order, tableau.name);
        if let Some(pair) = pair {
            let what = format!("the embedded {}", tableau.name);
            has_order(tableau, pair.embedded, pair.embedded_order, &what);
        }
    }
}

#[test]
fn stages_stand_where_their_rows_sum_to() {
    for (ExplicitRk(tableau), _) in all() {
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
    for (ExplicitRk(tableau), pair) in all() {
        if let Some(pair) = pair {
            let sum: f64 = tableau
                .b
                .iter()
                .zip(pair.embedded)
                .map(|(b, b_hat)| b - b_hat)
                .sum();
            assert!(sum.abs() < 1e-15, "{}: {sum:e}", tableau.name);
        }
    }
}

#[test]
fn the_last_stage_is_the_step_where_it_is_first_of_the_next() {
    for (ExplicitRk(tableau), _) in all() {
        let stages = tableau.a.len();
        let row = tableau.a[stages - 1];
        let same = row == &tableau.b[..stages - 1]
            && tableau.b[stages - 1] == 0.0
            && tableau.c[stages - 1] == 1.0;
        assert_eq!(same, tableau.first_same_as_last, "{}", tableau.name);
    }
}
