//! The picture of samples with many columns: each column against each other.

use crate::say::fixed;
use pyroclast_plot::{PairAxis, RgbImage, pairs};
use pyroclast_train::dataset::{Content, Dataset, Scaling};

/// The most columns that are drawn.
const MOST: usize = 6;
/// The most words that are written beside an axis.
const WORDS: usize = 6;
/// How far the points of a word are strewn, as a share of the distance to the next word.
const STREWN: f64 = 0.7;

/// Roots of primes. Their multiples are spread evenly, and over the square by any two of them: the
/// points of two columns of words fill their cells.
const STRIDES: [f64; MOST] = [
    4.123_105_626,
    1.732_050_808,
    2.236_067_977,
    2.645_751_311,
    3.316_624_790,
    3.605_551_275,
];

/// The distance of the marks from the ends of an axis, as a share of its length: about the extreme
/// values.
const MARGIN: f64 = 0.05;

/// How a column of the picture follows from the values of a sample.
struct Place<'a> {
    name: String,
    /// The first value.
    at: usize,
    /// The words, of which the largest value tells one; none for a number.
    words: Option<&'a [String]>,
}

impl Place<'_> {
    /// The columns of a dataset that can differ between samples.
    fn all(dataset: &Dataset) -> Vec<Place<'_>> {
        let Some(table) = &dataset.table else {
            let name = |i: usize| match dataset.columns.get(i) {
                Some(name) => name.clone(),
                None => format!("x{i}"),
            };
            return (0..dataset.dim())
                .map(|at| Place {
                    name: name(at),
                    at,
                    words: None,
                })
                .collect();
        };
        (table.places())
            .filter(|(_, column)| !matches!(column.content, Content::Constant(..)))
            .map(|(at, column)| Place {
                name: column.name.clone(),
                at,
                words: match &column.content {
                    Content::Words(words) => Some(words),
                    _ => None,
                },
            })
            .collect()
    }

    /// The number that stands for sample `i` in the picture: for a word its place among the words,
    /// strewn a little so that points do not hide each other.
    fn value(&self, i: usize, stride: f64, sample: &[f32]) -> f32 {
        let Some(words) = self.words else {
            return sample[self.at];
        };
        let values = &sample[self.at..self.at + words.len()];
        let best = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]));
        let strewn = ((i as f64 * stride).fract() - 0.5) * STREWN;
        (best.unwrap_or(0) as f64 + strewn) as f32
    }

    fn axis(
        &self,
        behind: &[f32],
        samples: &[f32],
        dataset: &Dataset,
        scaling: &Scaling,
    ) -> PairAxis {
        if let Some(words) = self.words {
            let marks = words.iter().enumerate();
            let marks = marks.step_by(words.len().div_ceil(WORDS).max(1));
            return PairAxis {
                name: self.name.clone(),
                ends: [-0.6, words.len() as f64 - 0.4],
                marks: marks.map(|(i, word)| (i as f64, word.clone())).collect(),
            };
        }
        let dim = dataset.dim();
        let shown = if behind.is_empty() { samples } else { behind };
        let own = shown.iter().skip(self.at).step_by(dim);
        let ends = PairAxis::around(own.map(|&value| f64::from(value)));
        let margin = (ends[1] - ends[0]) * MARGIN;
        let marked = [ends[0] + margin, ends[1] - margin];
        // The numbers of the data, and not those of the model's scale.
        let in_units = marked.map(|value| {
            let mut sample = vec![0.0; dim];
            sample[self.at] = value as f32;
            scaling.to_data(&sample).map_or(f64::NAN, |x| x[self.at])
        });
        PairAxis {
            name: self.name.clone(),
            ends,
            marks: marked.into_iter().zip(written(in_units)).collect(),
        }
    }
}

/// Two numbers with as many digits as tell them apart.
fn written([low, high]: [f64; 2]) -> [String; 2] {
    let largest = low.abs().max(high.abs());
    let gap = high - low;
    if !(gap > 0.0 && largest < 1e15 && gap > 1e-9 * largest && gap > 1e-4) {
        return [low, high].map(|x| format!("{x:.1e}"));
    }
    let decimals = (1.0 - gap.log10().floor()).max(0.0) as usize;
    [low, high].map(|x| fixed(x, decimals))
}

/// The picture of samples on the model's scale above the data behind them; `None` where a scatter
/// shows as much.
pub(crate) fn pair_plot(
    samples: &[f32],
    behind: &[f32],
    dataset: &Dataset,
    scaling: &Scaling,
    title: &str,
) -> Option<RgbImage> {
    let mut places = Place::all(dataset);
    let has_words = places.iter().any(|place| place.words.is_some());
    if places.len() < 2 || (places.len() < 4 && !has_words) {
        return None;
    }
    let all = places.len();
    places.truncate(MOST);
    let title = if all > MOST {
        format!("{title} (the first {MOST} of {all} columns)")
    } else {
        title.to_owned()
    };
    let axes: Vec<PairAxis> = (places.iter())
        .map(|place| place.axis(behind, samples, dataset, scaling))
        .collect();
    let rows = |values: &[f32]| -> Vec<f32> {
        let rows = values.chunks_exact(dataset.dim()).enumerate();
        let of_row = |(i, sample)| {
            let places = places.iter().zip(STRIDES);
            places.map(move |(place, stride)| place.value(i, stride, sample))
        };
        rows.flat_map(of_row).collect()
    };
    // As they stand in a table: whole numbers are whole.
    let snapped = dataset.in_units(samples, scaling);
    let snapped = snapped.map(|values| scaling.to_model(&values));
    let samples = snapped.as_deref().unwrap_or(samples);
    Some(pairs(&axes, &rows(behind), &rows(samples), &title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_tell_them_apart() {
        assert_eq!(written([0.0, 1.0]), ["0.0", "1.0"]);
        assert_eq!(written([-3.25, 120.7]), ["-3", "121"]);
        assert_eq!(written([1.7e9, 1.7e9 + 30.0]), ["1700000000", "1700000030"]);
        assert_eq!(written([0.0, 0.02]), ["0.000", "0.020"]);
        assert_eq!(written([-0.02, 1.0]), ["0.0", "1.0"]);
        assert_eq!(written([0.0, 1e20]), ["0.0e0", "1.0e20"]);
    }

    #[test]
    fn a_word_is_the_place_of_its_largest_value() {
        let words = ["a", "b", "c"].map(str::to_owned);
        let place = Place {
            name: "word".to_owned(),
            at: 1,
            words: Some(&words),
        };
        for i in 0..100 {
            let value = place.value(i, STRIDES[0], &[9.0, -1.0, 0.3, 0.2]);
            assert!((value - 1.0).abs() < 0.351, "{value}");
        }
    }

    #[test]
    fn few_numbers_are_left_to_the_scatter() {
        let dataset = |k: usize| Dataset::new("x", vec![0.0; 2 * k], vec![k]);
        let drawn = |k: usize| {
            let values = vec![0.5; 3 * k];
            pair_plot(&values, &[], &dataset(k), &Scaling::identity(), "")
        };
        assert!(drawn(3).is_none());
        assert!(drawn(4).is_some_and(|picture| picture.width() > 500));
        assert_eq!(
            drawn(9).map(|picture| picture.width()),
            drawn(6).map(|picture| picture.width())
        );
    }
}
