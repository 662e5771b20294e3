//! The cost of transport between two clouds: `c_ij = ‖x0ᵢ − x1ⱼ‖²`, in f64.

use rayon::prelude::*;

/// Multiplications below which one thread is done before others have woken.
const PARALLEL: usize = 1 << 18;

/// All squared distances.
///
/// # Shapes
/// - x0, x1: `[n, dim]`, row-major; the result `[n, n]`
///
/// # Panics
/// If the clouds are not of the same whole number of points, or not finite.
pub(super) fn squared_distances(x0: &[f32], x1: &[f32], dim: usize) -> Vec<f64> {
    assert!(dim > 0, "points need at least one dimension");
    assert_eq!(x0.len(), x1.len(), "the clouds differ in size");
    assert_eq!(
        x0.len() % dim,
        0,
        "the clouds do not consist of points of dimension {dim}"
    );
    assert!(
        x0.iter().chain(x1).all(|x| x.is_finite()),
        "a point is NaN or infinite"
    );
    let n = x0.len() / dim;
    let mut cost = vec![0.0; n * n];
    let fill = |(i, row): (usize, &mut [f64])| {
        let a = &x0[i * dim..(i + 1) * dim];
        for (cell, b) in row.iter_mut().zip(x1.chunks_exact(dim)) {
            let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
            *cell = a.iter().zip(b).map(square).sum();
        }
    };
    if n * n * dim >= PARALLEL {
        cost.par_chunks_mut(n).enumerate().for_each(fill);
    } else {
        cost.chunks_mut(n.max(1)).enumerate().for_each(fill);
    }
    cost
}
