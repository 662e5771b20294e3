//! The transformer of a configuration: all values but those that follow from the data.

use pyroclast_core::named::{COUNT, POSITIVE, Range};
use pyroclast_core::settings;
use pyroclast_models::{DiTConfig, NullClass, SecondHalf, TimeFeatures};

settings! {
    /// A diffusion transformer, for images. Whether it fits the size of the images is checked once
    /// that is known.
    #[derive(Clone, PartialEq)]
    pub struct DiTSize {
        /// The side of a patch, in pixels.
        patch: usize = 2 => COUNT,
        /// Numbers in a token, divisible by 4 and by the number of heads.
        width: usize = 128 => Range {
            remedy: "give a multiple of 4, and at most 2^28",
            ..COUNT
        },
        /// Blocks.
        depth: usize = 4 => COUNT,
        /// Attention heads.
        heads: usize = 4 => COUNT,
        /// Units between the two layers of a block, as a multiple of `width`.
        mlp_ratio: f64 = 4.0 => POSITIVE,
        /// The sinusoids of the time.
        time: TimeFeatures = TimeFeatures::default(),
        /// What stands for "no class".
        null_class: NullClass = NullClass::Trained,
        /// Whether the last layer computes as many channels again, which are dropped, as SiT's
        /// does.
        unused_half: bool = false,
    }
}

impl DiTSize {
    /// The values of a transformer; none if it is conditioned on more than classes.
    pub fn of(dit: &DiTConfig) -> Option<Self> {
        let is_plain = dit.attributes == 0 && dit.beside == 0 && dit.sequence == 0;
        is_plain.then(|| Self {
            patch: dit.patch,
            width: dit.width,
            depth: dit.depth,
            heads: dit.heads,
            mlp_ratio: dit.mlp_ratio,
            time: dit.time,
            null_class: dit.null_class,
            unused_half: dit.second_half == SecondHalf::Dropped,
        })
    }

    /// The transformer for images of these colour channels and this height and width.
    pub(super) fn config(
        &self,
        image_channels: usize,
        image_size: [usize; 2],
        learns_variance: bool,
    ) -> DiTConfig {
        DiTConfig {
            patch: self.patch,
            width: self.width,
            depth: self.depth,
            heads: self.heads,
            mlp_ratio: self.mlp_ratio,
            time: self.time,
            null_class: self.null_class,
            second_half: match (learns_variance, self.unused_half) {
                (true, _) => SecondHalf::Variance,
                (false, true) => SecondHalf::Dropped,
                (false, false) => SecondHalf::Absent,
            },
            ..DiTConfig::new(image_channels, image_size)
        }
    }
}
