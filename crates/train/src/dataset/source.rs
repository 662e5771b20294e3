//! `[data]`: the data to learn, by name.

use pyroclast_core::named::Range;
use pyroclast_core::settings;

settings! {
    /// `[data]`: the data to learn, by name.
    #[derive(Clone, PartialEq)]
    pub struct DataSource {
        /// `digits`, the name of a toy distribution, or the path of a `.csv`, `.csv.gz` or `.npy`
        /// file.
        name: String = String::new() => Range {
            holds: |name| !name.is_empty(),
            remedy: "name a toy distribution such as moons, digits, or a .csv or .npy file",
        },
        /// Number of training points drawn from a toy distribution.
        size: usize = 10_000 => Range {
            holds: |n| (2..=1 << 28).contains(n),
            remedy: "draw at least 2 points",
        },
        /// Share of a finite dataset that is held out for validation.
        validation: f64 = 0.1 => Range {
            holds: |share| (0.0..1.0).contains(share),
            remedy: "give a share in [0, 1)",
        },
        /// Whether to use the labels, if the data has any.
        labels: bool = true,
    }
}
