//! Which states of a motion an animation shows.

/// The share of the frames that is spread evenly over the states, whatever moves: a motion that
/// rests is seen to rest.
const EVEN: f64 = 0.2;

/// At most `frames` of the states of a motion, in order, with about the same motion between each
/// two: an animation shows most frames where most happens. The first and the last state are always
/// among them.
///
/// `motion[i]` is how far state i + 1 is from state i, in any unit; what is not a positive number
/// counts as no motion.
///
/// ```
/// use pyroclast_plot::pace;
///
/// // Nothing moves in the first half.
/// let motion = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
/// assert_eq!(pace(&motion, 5), [0, 5, 6, 7, 8]);
/// assert_eq!(pace(&motion[..3], 9), [0, 1, 2, 3]);
/// ```
pub fn pace(motion: &[f64], frames: usize) -> Vec<usize> {
    let steps = motion.len();
    if steps < frames {
        return (0..=steps).collect();
    }
    let moved = |i: usize| match motion[i] {
        motion if motion > 0.0 && motion.is_finite() => motion,
        _ => 0.0,
    };
    let total: f64 = (0..steps).map(moved).sum();
    let share = |i: usize| match total > 0.0 {
        true => (1.0 - EVEN) * moved(i) / total + EVEN / steps as f64,
        false => 1.0 / steps as f64,
    };
    let gaps = frames.saturating_sub(1).max(1);
    let mut shown = vec![0];
    let (mut done, mut last) = (0.0, 0.0);
    for i in 0..steps {
        done += share(i);
        let left = (gaps + 1).saturating_sub(shown.len());
        // Equal gaps over what is left, with room for rounding; the last state ends the last gap.
        let completes = left > 1 && done >= last + (1.0 - last) / left as f64 - 1e-9;
        if completes || i + 1 == steps {
            shown.push(i + 1);
            last = done;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_motion_is_shown_evenly() {
        assert_eq!(pace(&[2.0; 100], 5), [0, 25, 50, 75, 100]);
        assert_eq!(pace(&[0.0; 100], 5), [0, 25, 50, 75, 100]);
    }

    #[test]
    fn most_frames_are_where_most_moves() {
        let motion: Vec<f64> = (0..160).map(|i| if i < 120 { 0.01 } else { 1.0 }).collect();
        let shown = pace(&motion, 41);
        assert_eq!(shown.len(), 41);
        let late = shown.iter().filter(|&&i| i > 120).count();
        assert!((30..40).contains(&late), "{shown:?}");
        assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");
    }

    #[test]
    fn both_ends_are_shown_whatever_the_motion_is() {
        for motion in [
            vec![f64::NAN; 90],
            vec![f64::INFINITY; 90],
            (0..90).map(|i| if i == 0 { 1e9 } else { 1e-9 }).collect(),
            (0..90).map(|i| if i == 89 { 1e9 } else { 0.0 }).collect(),
        ] {
            let shown = pace(&motion, 7);
            assert_eq!((shown[0], shown[shown.len() - 1]), (0, 90), "{shown:?}");
            assert!(
                shown.len() <= 7 && shown.is_sorted_by(|a, b| a < b),
                "{shown:?}"
            );
        }
        assert_eq!(pace(&[], 5), [0]);
        assert_eq!(pace(&[1.0, 1.0], 1), [0, 2]);
    }
}
