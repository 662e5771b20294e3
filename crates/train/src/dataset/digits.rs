//! The handwritten digits that ship with Pyroclast: 1797 images of 8×8 pixels.
//!
//! `x1 = p/16·2 − 1`, p ∈ {0, …, 16} the number of inked dots in each 4×4 block of a 32×32 scan
//!
//! Source: the test part of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998,
//! UCI Machine Learning Repository, doi 10.24432/C50P49), as bundled by scikit-learn, under CC BY
//! 4.0. The pixels are unchanged up to the map above.

use super::samples::Samples;
use super::{DataSource, Dataset, DatasetError, table};
use pyroclast_data::inflate;
use std::path::Path;

/// The csv, gzipped: `label,p0,…,p63`.
const FILE: &[u8] = include_bytes!("../../assets/digits.csv.gz");

/// The name of the file in error messages, which only a broken build could print.
const NAME: &str = "digits.csv.gz";

impl Dataset {
    /// Handwritten digits 0 to 9: 1797 images of shape `[1, 8, 8]` in [-1, 1], with their labels.
    ///
    /// Source: Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI Machine
    /// Learning Repository, as bundled by scikit-learn; CC BY 4.0.
    pub fn digits() -> Self {
        let path = Path::new(NAME);
        let mut digits = (inflate(FILE, path).map_err(DatasetError::from))
            .and_then(|text| table::read(&text, path, "digits", &DataSource::default()))
            .expect("the file is part of the program, and a test reads it");
        let pixels: Vec<f32> = digits.values().iter().map(|p| p / 8.0 - 1.0).collect();
        digits.samples = Samples::Numbers(pixels);
        digits.shape = vec![1, 8, 8];
        digits.table = None;
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_1797_labelled_images_of_8_by_8() {
        let digits = Dataset::digits();
        assert_eq!((digits.len(), digits.dim()), (1797, 64));
        assert_eq!(
            (digits.shape.as_slice(), digits.classes()),
            ([1, 8, 8].as_slice(), 10)
        );
        let mut counts = [0; 10];
        for &label in digits.labels().into_iter().flatten() {
            counts[label as usize] += 1;
        }
        // The class counts that scikit-learn documents for `load_digits`.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn pixels_fill_the_range_of_images() {
        let digits = Dataset::digits();
        let low = digits.values().iter().copied().fold(1.0, f32::min);
        let high = digits.values().iter().copied().fold(-1.0, f32::max);
        assert_eq!((low, high), (-1.0, 1.0));
        assert!(digits.values().iter().all(|x| (x * 8.0).fract() == 0.0));
        // The first image is a zero whose top row reads 0 0 5 13 9 1 0 0.
        let top = [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0].map(|p: f32| p / 16.0 * 2.0 - 1.0);
        assert_eq!(digits.row(0)[..8], top);
    }
}
