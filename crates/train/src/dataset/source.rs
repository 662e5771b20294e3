//! `[data]`: the data to learn, by name.

use super::{ColumnKinds, Missing};
use pyroclast_core::named::Range;
use pyroclast_core::settings;
use pyroclast_core::toy::Toy;
use pyroclast_data::{Background, Filter};

settings! {
    /// `[data]`: the data to learn, by name.
    #[derive(Clone, PartialEq)]
    pub struct DataSource {
        /// `digits`, `emoji`, the name of a toy distribution, or the path of a folder of pictures, an
        /// archive, an array or a table.
        name: String = String::new() => Range {
            holds: |name| !name.is_empty(),
            remedy: "name a toy distribution such as moons, digits, emoji, or a file or folder",
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
        /// A file with a condition of each sample, in the order of the samples, training set first:
        /// a table of numbers, or a .npy file of vectors [n, d], sequences such as encoded text
        /// [n, tokens, width], or images beside the samples [n, channels, height, width]; a .npz
        /// file with x and mask says which tokens count. A table may name the pictures in its first
        /// column instead. Empty for none.
        condition: String = String::new(),
        /// Whether to use the labels, if the data has any.
        labels: bool = true,
        /// The name of a table's column of labels; empty for one that is called label or class.
        label: String = String::new(),
        /// The side of the square that pictures are cropped and resized to; 0 leaves them.
        resolution: usize = 0 => Range {
            holds: |side| *side <= 1 << 13,
            remedy: "give at most 8192 pixels, or 0 for pictures as they are",
        },
        /// The filter that pictures are resized with: box, bilinear, bicubic, lanczos, or adm,
        /// which halves by means first.
        filter: String = Filter::default().to_string() => Range {
            holds: |filter| filter.parse::<Filter>().is_ok(),
            remedy: "give box, bilinear, bicubic, lanczos or adm",
        },
        /// The colour behind transparent pixels: white, black or #rrggbb.
        background: String = Background::default().to_string() => Range {
            holds: |colour| colour.parse::<Background>().is_ok(),
            remedy: "give white, black or #rrggbb",
        },
        /// Whether to leave out pictures that cannot be read.
        skip_broken: bool = false,
        /// Whether half of the pictures are mirrored, anew in every batch: not for text or digits.
        flip: bool = false,
        /// The autoencoder whose latents are learned in place of pictures: a model file, or the
        /// folder of its run. Empty for the pictures themselves.
        latents: String = String::new(),
        /// What stands between the cells of a table: auto, or `,`, `;`, `|` or tab.
        separator: String = "auto".to_owned() => Range {
            holds: |separator| ["auto", ",", ";", "|", "tab"].contains(&separator.as_str()),
            remedy: "give auto, tab, or one of , ; |",
        },
        /// What stands before the decimals of a table: auto, a point or a comma.
        decimal: String = "auto".to_owned() => Range {
            holds: |decimal| ["auto", ".", ","].contains(&decimal.as_str()),
            remedy: "give auto, or one of . ,",
        },
        /// What to do about a table's cells without a value.
        missing: Missing = Missing::Refuse,
        /// How columns of a table are learned, by their names, where what is in them does not tell:
        /// `{ income = "heavy-tailed", id = "drop" }`.
        columns: ColumnKinds = ColumnKinds::default(),
    }
}

impl DataSource {
    /// Whether the name is that of a path, and not of a distribution or of data that ships with the
    /// library, whatever lies in the current folder.
    pub fn is_path(&self) -> bool {
        let ships = ["digits", "emoji"].contains(&self.name.as_str());
        !ships && self.name.parse::<Toy>().is_err()
    }
}
