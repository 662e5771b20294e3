//! EDM's networks: `SongUNet` (DDPM++) and `DhariwalUNet` (ADM).
//!
//! `enc.{r}x{r}_{conv, down, block{i}}` and `dec.{r}x{r}_{in0, in1, up, block{i}}` at resolution r,
//! with attention inside of the blocks.
//!
//! Source: the state_dicts of the networks of Karras et al. 2022.

use super::unet::{BlockKeys, Kind, Way, checked, heights, multiplier, numbers};
use super::unet::{side, side_if_any, sites};
use super::{Fit, Layout, Structure, Written};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::rule::{RowOrder, Rule, Step};
use crate::table::Table;
use pyroclast_models::{
    Change, ClassInput, Groups, Heads, Middle, Modulation, Normalisation, NullClass, Resample,
    ResidualConfig, Stem, TimeFeatures, UNetConfig, UpAttention,
};
use serde_json::json;

/// DDPM++.
pub(crate) const SONG: Layout = Layout {
    name: "edm-ddpmpp",
    about: "EDM's SongUNet as DDPM++; its time is ¼·ln σ",
    marks: &[
        "map_layer0.weight",
        "map_layer1.weight",
        "*_aux_norm.weight",
    ],
    fit: |tensors, config| fit(tensors, config, Network::Song),
    write: |structure, _| {
        let unet = structure.unet()?;
        Some(Written {
            table: table(unet, true),
            config: arguments(unet),
        })
    },
};

/// ADM.
pub(crate) const DHARIWAL: Layout = Layout {
    name: "edm-adm",
    about: "EDM's DhariwalUNet, ADM; its time is ¼·ln σ",
    marks: &["map_layer0.weight", "map_layer1.weight", "out_norm.weight"],
    fit: |tensors, config| fit(tensors, config, Network::Dhariwal),
    write: |structure, _| {
        let unet = structure.unet()?;
        Some(Written {
            table: table(unet, false),
            config: arguments(unet),
        })
    },
};

/// The arguments of the networks of EDM.
fn arguments(unet: &UNetConfig) -> Config {
    Config::from_iter([
        ("img_resolution", json!(unet.image_size[0])),
        ("in_channels", json!(unet.image_channels)),
        ("out_channels", json!(unet.outputs())),
        ("label_dim", json!(unet.classes)),
        ("augment_dim", json!(unet.augmentation)),
        ("model_channels", json!(unet.channels)),
        ("channel_mult", numbers(&unet.multipliers)),
        ("num_blocks", json!(unet.blocks)),
        ("attn_resolutions", json!(unet.attention)),
        ("dropout", json!(unet.dropout)),
    ])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Song,
    Dhariwal,
}

const BLOCK: BlockKeys = BlockKeys {
    norm_in: "norm0",
    conv_in: "conv0",
    modulation: "affine",
    norm_out: "norm1",
    conv_out: "conv1",
    skip: "skip",
};

/// The largest r of the keys `enc.{r}x{r}_conv.weight`.
fn resolution(tensors: &Tensors) -> Option<usize> {
    let side = |key: &String| -> Option<usize> {
        let (side, _) = key.strip_prefix("enc.")?.split_once('x')?;
        let side = side.parse().ok()?;
        (*key == format!("enc.{side}x{side}_conv.weight")).then_some(side)
    };
    tensors.keys().filter_map(side).max()
}

fn fit(tensors: &Tensors, config: &Config, kind: Network) -> Result<Fit, WeightsError> {
    let has = |key: &str| tensors.contains_key(key);
    if has("map_noise.freqs") || tensors.keys().any(|key| key.contains("_aux_residual")) {
        return Err(WeightsError::Impossible {
            reason: "NCSN++ has a pyramid of residual inputs; use the DDPM++ network".into(),
        });
    }
    let Some(top) = resolution(tensors) else {
        return Err(WeightsError::Impossible {
            reason: "there is no convolution enc.{r}x{r}_conv of any resolution r".into(),
        });
    };
    let base = |level: usize, part: &str| {
        let r = top >> level;
        format!("enc.{r}x{r}_{part}")
    };
    let block = |level: usize, i: usize| base(level, &format!("block{i}"));
    let levels = (0..16)
        .take_while(|&level| has(&(block(level, 0) + ".conv0.weight")))
        .count();
    let blocks = (0..)
        .take_while(|&i| has(&(block(0, i) + ".conv0.weight")))
        .count();
    let widths: Vec<usize> = (0..levels)
        .map(|level| side(tensors, &(block(level, 0) + ".conv0.weight"), 0))
        .collect::<Result<_, _>>()?;
    let channels = side(tensors, "map_layer0.weight", 1)?;
    let stem = side(tensors, &(base(0, "conv") + ".weight"), 0)?;
    let image_channels = side(tensors, &(base(0, "conv") + ".weight"), 1)?;
    let song = kind == Network::Song;
    let each = config.count("channels_per_head")?.unwrap_or(64);
    let attends = (0..levels).map(|level| has(&(block(level, 0) + ".qkv.weight")));
    let unet = checked(UNetConfig {
        channels,
        multipliers: widths.iter().map(|&w| multiplier(w, channels)).collect(),
        blocks,
        attention: heights(top, attends),
        heads: if song {
            Heads::Count(1)
        } else {
            Heads::OfChannels(each)
        },
        middle: Middle::Attends,
        up_attention: if song {
            UpAttention::Last
        } else {
            UpAttention::Every
        },
        dropout: config.number("dropout")?.unwrap_or(0.0),
        norm: Normalisation {
            groups: Groups::OfFour,
            epsilon: if song { 1e-6 } else { 1e-5 },
        },
        time: if song {
            TimeFeatures {
                sines_first: true,
                shift: 1.0,
                ..TimeFeatures::raw()
            }
        } else {
            TimeFeatures::raw()
        },
        modulation: if song {
            Modulation::Additive
        } else {
            Modulation::ScaleShift
        },
        resample: Resample::Blocks { project: song },
        stem: if stem == channels {
            Stem::Channels
        } else {
            Stem::FirstLevel
        },
        skip_scale: if song {
            std::f64::consts::FRAC_1_SQRT_2
        } else {
            1.0
        },
        classes: side_if_any(tensors, "map_label.weight", 1)?,
        class_input: if song {
            ClassInput::Features
        } else {
            ClassInput::Embedding
        },
        null_class: NullClass::Zero,
        augmentation: side_if_any(tensors, "map_augment.weight", 1)?,
        ..UNetConfig::new(image_channels, [top; 2])
    })?;
    let table = table(&unet, song);
    let mut assumed = Vec::new();
    if !song && config.get("channels_per_head").is_none() {
        assumed.push(format!("attention has a head per {each} channels"));
    }
    Ok(Fit {
        structure: Structure::UNet(unet),
        table,
        assumed,
        choices: Config::default(),
    })
}

fn table(unet: &UNetConfig, song: bool) -> Table {
    let mut table = Table::new();
    let (channels, embedding) = (unet.channels, unet.embedding());
    table.linear("time.first", "map_layer0", channels, embedding);
    table.linear("time.second", "map_layer1", embedding, embedding);
    if unet.classes > 0 {
        let width = if song { channels } else { embedding };
        table.add(Rule {
            ours: "classes.table.weight".into(),
            theirs: vec!["map_label.weight".into()],
            shape: vec![width, unet.classes],
            steps: vec![Step::Transpose],
        });
        if song {
            table.vector("classes.bias", "map_label.bias", width);
        }
    }
    if unet.augmentation > 0 {
        table.matrix("augmentation", "map_augment", unet.augmentation, channels);
    }
    let top = unet.image_size[0];
    let r = |level: usize| {
        let r = top >> level;
        format!("{r}x{r}")
    };
    let stem = unet.stem_width();
    let conv = format!("enc.{}_conv", r(0));
    table.conv("stem", &conv, unet.image_channels, stem, 3);
    for site in sites(unet) {
        let ours = &site.ours;
        let theirs = match (site.way, site.kind) {
            (Way::Down, Kind::Stage(_, i)) => format!("enc.{}_block{i}", r(site.level)),
            (Way::Middle, Kind::Stage(_, i)) => format!("dec.{}_in{i}", r(site.level)),
            (Way::Up, Kind::Stage(_, i)) => format!("dec.{}_block{i}", r(site.level)),
            (Way::Up, Kind::Change(_)) => format!("dec.{}_up", r(site.level - 1)),
            (_, Kind::Change(_)) => format!("enc.{}_down", r(site.level + 1)),
        };
        let block = |table: &mut Table, config: &ResidualConfig| {
            BLOCK.rules(table, &format!("{ours}.block"), &theirs, config);
        };
        match site.kind {
            Kind::Stage(stage, _) => {
                block(&mut table, &stage.block);
                if let Some(heads) = stage.heads {
                    let channels = stage.block.outputs;
                    let our = |part: &str| format!("{ours}.attention.{part}");
                    let their = |part: &str| format!("{theirs}.{part}");
                    let order = RowOrder::Interleaved { heads };
                    table.norm(&our("norm"), &their("norm2"), channels);
                    table.rows(&our("qkv"), &their("qkv"), channels, 3 * channels, 2, order);
                    let out = (our("out"), their("proj"));
                    table.rows(&out.0, &out.1, channels, channels, 2, RowOrder::Ours);
                }
            }
            Kind::Change(Change::Block(config)) => {
                block(&mut table, &config);
                for layer in ["conv0", "skip"] {
                    let filter = format!("{theirs}.{layer}.resample_filter");
                    table.constant(&filter, vec![1, 1, 2, 2], vec![0.25; 4]);
                }
            }
            Kind::Change(Change::Convolution(_) | Change::Plain) => {}
        }
    }
    let finest = unet.widths()[0];
    let (norm, conv) = if song {
        (
            format!("dec.{}_aux_norm", r(0)),
            format!("dec.{}_aux_conv", r(0)),
        )
    } else {
        ("out_norm".to_owned(), "out_conv".to_owned())
    };
    table.norm("norm", &norm, finest);
    table.conv("head", &conv, finest, unet.outputs(), 3);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::candidates;
    use crate::layout::unet::tests::recovers;

    #[test]
    fn ddpmpp_is_recovered_from_its_tensors() {
        let unet = UNetConfig {
            channels: 16,
            blocks: 2,
            classes: 3,
            ..UNetConfig::ddpmpp_cifar10()
        };
        let json = r#"{"dropout": 0.13}"#;
        let theirs = recovers(&SONG, &unet, &table(&unet, true), json);
        for (key, shape) in [
            ("map_label.weight", &[16, 3][..]),
            ("map_augment.weight", &[16, 9]),
            ("enc.32x32_conv.weight", &[16, 3, 3, 3]),
            ("enc.16x16_down.skip.weight", &[32, 32, 1, 1]),
            ("enc.16x16_block1.qkv.weight", &[96, 32, 1, 1]),
            ("dec.8x8_in0.qkv.bias", &[96]),
            ("dec.8x8_in1.affine.weight", &[32, 64]),
            ("dec.16x16_up.conv0.resample_filter", &[1, 1, 2, 2]),
            ("dec.16x16_block2.proj.weight", &[32, 32, 1, 1]),
            ("dec.32x32_block2.conv0.weight", &[32, 48, 3, 3]),
            ("dec.32x32_aux_conv.weight", &[3, 32, 3, 3]),
        ] {
            assert_eq!(theirs[key].shape, shape, "{key}");
        }
        // On the way up only the last block of a level attends.
        assert!(!theirs.contains_key("dec.16x16_block1.proj.weight"));
        assert!(!theirs.contains_key("dec.8x8_in1.qkv.weight"));
        let names: Vec<&str> = candidates(&theirs).iter().map(|l| l.name).collect();
        assert_eq!(names, [SONG.name]);
    }

    #[test]
    fn adm_is_recovered_from_its_tensors() {
        let unet = UNetConfig {
            channels: 32,
            multipliers: vec![1.0, 2.0],
            blocks: 1,
            attention: vec![8],
            heads: Heads::OfChannels(32),
            middle: Middle::Attends,
            norm: Normalisation {
                groups: Groups::OfFour,
                epsilon: 1e-5,
            },
            time: TimeFeatures::raw(),
            resample: Resample::Blocks { project: false },
            stem: Stem::Channels,
            classes: 7,
            null_class: NullClass::Zero,
            augmentation: 9,
            ..UNetConfig::new(3, [16, 16])
        };
        let json = r#"{"channels_per_head": 32}"#;
        let theirs = recovers(&DHARIWAL, &unet, &table(&unet, false), json);
        assert_eq!(theirs["map_label.weight"].shape, [128, 7]);
        assert!(!theirs.contains_key("map_label.bias"));
        assert!(!theirs.contains_key("enc.8x8_down.skip.weight"));
        assert!(theirs.contains_key("out_norm.bias"));
        let names: Vec<&str> = candidates(&theirs).iter().map(|l| l.name).collect();
        assert_eq!(names, [DHARIWAL.name]);
    }

    #[test]
    fn ncsnpp_is_refused_by_name() {
        let freqs = crate::array::Array::new(vec![1], vec![1.0]);
        let tensors = Tensors::from([("map_noise.freqs".to_owned(), freqs)]);
        let error = (SONG.fit)(&tensors, &Config::default()).expect_err("NCSN++");
        assert!(error.to_string().contains("NCSN++"), "{error}");
    }
}
