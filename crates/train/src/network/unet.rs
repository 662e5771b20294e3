//! The UNet of a configuration: all values but those that follow from the data.

use pyroclast_core::named::{COUNT, Choice, Key, Kind, POSITIVE, Range, Setting, UnknownName};
use pyroclast_core::settings;
use pyroclast_models::{
    ClassInput, Groups, Heads, Middle, Modulation, NAMED_UNETS, Normalisation, NullClass, Resample,
    Stem, TimeFeatures, UNetConfig, UpAttention,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::{Table, Value};

/// The key that stands for the values of a publication.
const LAYOUT: &str = "layout";

settings! {
    /// A UNet, for images. Whether it fits the size of the images is checked once that is known.
    #[derive(Clone, PartialEq)]
    pub struct UNetSize {
        /// Channels at full resolution.
        channels: usize = 32 => Range {
            remedy: "give at least 2 channels, and at most 2^28",
            ..COUNT
        },
        /// Channels of each level, as multiples of `channels`.
        multipliers: Vec<f64> = vec![1.0, 2.0],
        /// Residual blocks per level.
        blocks: usize = 1 => COUNT,
        /// Heights of the levels that have self-attention.
        attention: Vec<usize> = Vec::new(),
        /// Attention heads.
        heads: usize = 1,
        /// Channels of each attention head, in place of their number; 0 for `heads`.
        head_channels: usize = 0,
        /// Attention heads on the way up; 0 for as many as on the way down.
        heads_up: usize = 0,
        /// Whether the pixels in the middle attend to each other.
        middle: Middle = Middle::WithLevels,
        /// Which blocks of a level have attention on the way up.
        up_attention: UpAttention = UpAttention::Every,
        /// Dropout probability inside residual blocks.
        dropout: f64 = 0.0,
        /// How many groups the channels form in normalisations.
        groups: Groups = Groups::Divisor,
        /// What normalisations add to the variance.
        epsilon: f64 = 1e-5 => Range {
            holds: |epsilon| *epsilon > 0.0 && *epsilon <= 1.0,
            remedy: "give a number in (0, 1]",
        },
        /// The sinusoids of the time.
        time: TimeFeatures = TimeFeatures::default(),
        /// How time and class change the channels of a block.
        modulation: Modulation = Modulation::ScaleShift,
        /// How the size of an image changes between levels.
        resample: Resample = Resample::Convolution,
        /// The channels after the first convolution.
        stem: Stem = Stem::Channels,
        /// What the sum of every residual connection is multiplied by.
        skip_scale: f64 = 1.0 => POSITIVE,
        /// Where the class enters.
        class_input: ClassInput = ClassInput::Embedding,
        /// What stands for "no class".
        null_class: NullClass = NullClass::Trained,
        /// Numbers that described how an image was augmented in a training elsewhere, zero here; 0
        /// for none.
        augmentation: usize = 0 => Range {
            holds: |n| *n < 1 << 28,
            remedy: "give at most 2^28",
        },
    }
}

impl UNetSize {
    /// The values of the UNet of a publication, such as `torchcfm-cifar10`.
    ///
    /// # Errors
    /// [`UnknownName`] lists all names.
    pub fn named(name: &str) -> Result<Self, UnknownName> {
        let found = NAMED_UNETS.iter().find(|named| named.name == name);
        let named = found.ok_or_else(|| UnknownName {
            what: "layout of a UNet",
            name: name.to_owned(),
            known: NAMED_UNETS.iter().map(|named| named.name).collect(),
        })?;
        Ok(Self::of(&(named.config)()))
    }

    /// The values of a UNet.
    pub fn of(unet: &UNetConfig) -> Self {
        let (heads, head_channels) = match unet.heads {
            Heads::Count(heads) => (heads, 0),
            Heads::OfChannels(each) => (1, each),
        };
        Self {
            channels: unet.channels,
            multipliers: unet.multipliers.clone(),
            blocks: unet.blocks,
            attention: unet.attention.clone(),
            heads,
            head_channels,
            heads_up: match unet.heads_up {
                Some(Heads::Count(heads)) => heads,
                Some(Heads::OfChannels(_)) | None => 0,
            },
            middle: unet.middle,
            up_attention: unet.up_attention,
            dropout: unet.dropout,
            groups: unet.norm.groups,
            epsilon: unet.norm.epsilon,
            time: unet.time,
            modulation: unet.modulation,
            resample: unet.resample,
            stem: unet.stem,
            skip_scale: unet.skip_scale,
            class_input: unet.class_input,
            null_class: unet.null_class,
            augmentation: unet.augmentation,
        }
    }

    /// The UNet for images of these colour channels and this height and width.
    pub(super) fn config(&self, image_channels: usize, image_size: [usize; 2]) -> UNetConfig {
        UNetConfig {
            channels: self.channels,
            multipliers: self.multipliers.clone(),
            blocks: self.blocks,
            attention: self.attention.clone(),
            heads: match self.head_channels {
                0 => Heads::Count(self.heads),
                each => Heads::OfChannels(each),
            },
            heads_up: (self.heads_up > 0).then_some(Heads::Count(self.heads_up)),
            middle: self.middle,
            up_attention: self.up_attention,
            dropout: self.dropout,
            norm: Normalisation {
                groups: self.groups,
                epsilon: self.epsilon,
            },
            time: self.time,
            modulation: self.modulation,
            resample: self.resample,
            stem: self.stem,
            skip_scale: self.skip_scale,
            class_input: self.class_input,
            null_class: self.null_class,
            augmentation: self.augmentation,
            ..UNetConfig::new(image_channels, image_size)
        }
    }

    /// Whether any pixels attend to each other.
    pub fn attends(&self) -> bool {
        !self.attention.is_empty() || self.middle == Middle::Attends
    }

    /// As [`Setting::kind`], with the layouts of publications.
    pub(super) fn kind_with_layouts() -> Kind {
        let choice = |named: &pyroclast_models::NamedUNet| Choice {
            name: named.name,
            aliases: &[],
            about: named.about,
            parameters: None,
        };
        let layout = Key {
            name: LAYOUT.to_owned(),
            about: "The UNet of a publication, whose values the other keys change.",
            range: None,
            kind: Kind::Choice(NAMED_UNETS.iter().map(choice).collect()),
        };
        match Self::kind() {
            Kind::Section(mut keys) => {
                keys.insert(0, layout);
                Kind::Section(keys)
            }
            other => other,
        }
    }

    /// Reads the keys of a UNet, where `layout` names that of a publication, whose values stand for
    /// the keys that are left out.
    pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut given = Table::deserialize(deserializer)?;
        let mut all = match given.remove(LAYOUT) {
            None => Table::new(),
            Some(Value::String(name)) => {
                let named = Self::named(&name).map_err(D::Error::custom)?;
                Table::try_from(named).map_err(D::Error::custom)?
            }
            Some(other) => {
                let message = format!("{LAYOUT} = {other} is not the name of a layout");
                return Err(D::Error::custom(message));
            }
        };
        all.extend(given);
        Self::deserialize(all).map_err(|error| D::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::network::{Architecture, NetworkConfig, UNetSize};
    use pyroclast_core::objective::{Objective, VarianceLoss};
    use pyroclast_models::{NAMED_UNETS, Resample, UNetConfig};

    fn network(toml: &str, set: &[&str]) -> Result<NetworkConfig, String> {
        let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
        let text = format!("[data]\nname = \"digits\"\n[network]\nkind = \"unet\"\n{toml}");
        let config = Config::parse(&text, "test", &set).map_err(|error| error.to_string())?;
        let again = Config::parse(&config.to_toml(), "again", &[]).expect("what was written");
        assert_eq!(again, config);
        Ok(config.network)
    }

    #[test]
    fn a_layout_has_every_value_of_its_network() {
        for named in NAMED_UNETS {
            let expected = (named.config)();
            let network = network(&format!("layout = \"{}\"", named.name), &[]).expect("a layout");
            let [height, width] = expected.image_size;
            let shape = [expected.image_channels, height, width];
            let objective = Objective {
                variance: match expected.learns_variance {
                    true => VarianceLoss::Hybrid {
                        weight: 0.001,
                        decoder: None,
                    },
                    false => VarianceLoss::None,
                },
                ..Objective::default()
            };
            let built = network.architecture(&shape, expected.classes, &objective);
            assert_eq!(built, Ok(Architecture::UNet(expected)), "{}", named.name);
        }
    }

    #[test]
    fn keys_change_the_values_of_a_layout() {
        let expected = UNetSize {
            channels: 64,
            dropout: 0.0,
            ..UNetSize::of(&UNetConfig::torchcfm_cifar10())
        };
        let toml = "layout = \"torchcfm-cifar10\"\nchannels = 64\ndropout = 0.0";
        assert_eq!(
            network(toml, &[]),
            Ok(NetworkConfig::Unet(expected.clone()))
        );
        // An assignment of the layout replaces what was there.
        let set = [
            "network.layout=torchcfm-cifar10",
            "network.channels=64",
            "network.dropout=0",
        ];
        let set = network("channels = 8\nresample = \"plain\"", &set);
        assert_eq!(set, Ok(NetworkConfig::Unet(expected)));
        let blocks = network("", &["network.resample.blocks.project=true"]);
        let expected = UNetSize {
            resample: Resample::Blocks { project: true },
            ..UNetSize::default()
        };
        assert_eq!(blocks, Ok(NetworkConfig::Unet(expected)));
    }

    #[test]
    fn what_no_unet_has_is_named() {
        for (toml, part) in [
            (
                "layout = \"torchcfm-cifar\"",
                "did you mean `torchcfm-cifar10`?",
            ),
            ("layout = 3", "layout = 3 is not the name"),
            ("chanels = 3", "did you mean `channels`?"),
            ("groups = { fixed = 0 }", "network.groups.fixed = 0"),
            ("epsilon = 0.0", "network.epsilon = 0.0"),
            ("time = { shift = 2.0 }", "network.time.shift = 2.0"),
            ("resample = \"blok\"", "no resampling is called `blok`"),
        ] {
            let message = network(toml, &[]).expect_err(toml);
            assert!(
                message.contains(part) && !message.contains('\n'),
                "{message}"
            );
        }
    }

    #[test]
    fn a_unet_of_earlier_versions_is_the_one_that_it_was() {
        let old = "channels = 16\nmultipliers = [1, 2]\nblocks = 2\nattention = [4]\nheads = 2\n\
            dropout = 0.1";
        let network = network(old, &[]).expect("today's defaults");
        let expected = UNetConfig {
            channels: 16,
            blocks: 2,
            attention: vec![4],
            heads: pyroclast_models::Heads::Count(2),
            dropout: 0.1,
            classes: 10,
            ..UNetConfig::new(1, [8, 8])
        };
        let built = network.architecture(&[1, 8, 8], 10, &Objective::default());
        assert_eq!(built, Ok(Architecture::UNet(expected)));
    }
}
