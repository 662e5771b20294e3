//! `‖a − b‖²` of two points.

/// `‖a − b‖²`, in eight independent sums: a single one would wait for each
/// addition before the next.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |a: f32, b: f32| (f64::from(a) - f64::from(b)).powi(2);
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += square(*a, *b);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| square(*a, *b));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
