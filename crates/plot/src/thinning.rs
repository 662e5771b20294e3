//! Lines with no more points than can be seen.

/// Keeps the first, the extremes and the last of each run of points in one column of pixels.
///
/// The line looks the same, and its cost no longer grows with the number of points.
pub(crate) fn thinned(places: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let same_column = |a: &[f32; 2], b: &[f32; 2]| a[0].floor() == b[0].floor();
    places
        .chunk_by(same_column)
        .flat_map(|run| {
            let height = |index: &usize| run[*index][1];
            let by_height = |a: &usize, b: &usize| height(a).total_cmp(&height(b));
            let last = run.len() - 1;
            let top = (0..run.len()).min_by(by_height).unwrap_or(0);
            let bottom = (0..run.len()).max_by(by_height).unwrap_or(last);
            let mut kept = vec![0, top.min(bottom), top.max(bottom), last];
            kept.dedup();
            kept.into_iter().map(|index| run[index])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_thinned_and_keeps_its_extremes() {
        let places: Vec<_> = (0..10_000)
            .map(|i| [i as f32 / 100.0, (i * 37 % 100) as f32])
            .collect();
        let thin = thinned(&places);
        assert!(thin.len() <= 400);
        assert!(thin.iter().any(|place| place[1] == 99.0));
        assert_eq!(thin.first(), places.first());
        assert_eq!(thin.last(), places.last());
    }
}
