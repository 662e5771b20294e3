//! diffusers' `UNet2DModel`.
//!
//! `down_blocks.{l}`, `mid_block` and `up_blocks.{u}`, u = 0 for the deepest, each with `resnets`,
//! `attentions` and `downsamplers` or `upsamplers`.
//!
//! Source: the state_dict and the `config.json` of diffusers' `UNet2DModel`.

use super::unet::{BlockKeys, Kind, Way, checked, heights, image_size, multiplier};
use super::unet::{side, side_if_any, sites, written_size};
use super::{Fit, Layout, Structure, Written};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::rule::RowOrder;
use crate::table::Table;
use pyroclast_models::{
    Change, Groups, Heads, Middle, Modulation, Normalisation, NullClass, Resample, TimeFeatures,
    UNetConfig,
};
use serde_json::json;

/// diffusers.
pub(crate) const UNET_2D: Layout = Layout {
    name: "diffusers-unet",
    about: "diffusers' UNet2DModel, with its config.json; its time is the index of a DDPM",
    marks: &[
        "conv_in.weight",
        "time_embedding.linear_1.weight",
        "down_blocks.0.resnets.0.time_emb_proj.weight",
        "conv_out.weight",
    ],
    fit,
    write: |structure, _| {
        let unet = structure.unet()?;
        Some(Written {
            table: table(unet, false),
            config: arguments(unet),
        })
    },
};

const BLOCK: BlockKeys = BlockKeys {
    norm_in: "norm1",
    conv_in: "conv1",
    modulation: "time_emb_proj",
    norm_out: "norm2",
    conv_out: "conv2",
    skip: "conv_shortcut",
};

/// What the blocks of one way are called.
struct BlockTypes {
    /// The key of their list.
    key: &'static str,
    /// Without attention, resampling by convolution.
    plain: &'static str,
    /// Without attention, resampling by residual blocks.
    resnet: &'static str,
    /// With attention.
    attention: &'static str,
    /// The key of how those with attention resample.
    resampler: &'static str,
}

const DOWN: BlockTypes = BlockTypes {
    key: "down_block_types",
    plain: "DownBlock2D",
    resnet: "ResnetDownsampleBlock2D",
    attention: "AttnDownBlock2D",
    resampler: "downsample_type",
};

const UP: BlockTypes = BlockTypes {
    key: "up_block_types",
    plain: "UpBlock2D",
    resnet: "ResnetUpsampleBlock2D",
    attention: "AttnUpBlock2D",
    resampler: "upsample_type",
};

/// What the blocks of a level do.
struct Level<'a> {
    attends: bool,
    /// `conv` or `resnet`.
    resampler: &'a str,
}

/// The levels of a list of block types.
fn levels_of<'a>(
    config: &'a Config,
    types: &BlockTypes,
    names: &[&str],
) -> Result<Vec<Level<'a>>, WeightsError> {
    let resampler = config.text(types.resampler)?.unwrap_or("conv");
    if !["conv", "resnet"].contains(&resampler) {
        return Err(config.refuse(types.resampler, "only conv and resnet are known"));
    }
    let level = |&name: &&str| {
        let (attends, resampler) = if name == types.attention {
            (true, resampler)
        } else if name == types.plain {
            (false, "conv")
        } else if name == types.resnet {
            (false, "resnet")
        } else {
            let remedy = format!(
                "only {}, {} and {} are known",
                types.plain, types.resnet, types.attention
            );
            return Err(config.refuse(types.key, remedy));
        };
        Ok(Level { attends, resampler })
    };
    names.iter().map(level).collect()
}

/// How these levels resample, in words.
fn resamplers_of(levels: &[Level<'_>]) -> String {
    let resamplers: Vec<&str> = levels.iter().map(|level| level.resampler).collect();
    resamplers.join(", ")
}

/// The fields of `config.json`.
fn arguments(unet: &UNetConfig) -> Config {
    let attends = |level: usize| unet.attends(level);
    let levels = unet.multipliers.len();
    let by_blocks = matches!(unet.resample, Resample::Blocks { .. });
    let kinds = |types: &BlockTypes| -> Vec<&str> {
        let plain = if by_blocks { types.resnet } else { types.plain };
        let kind = |level| {
            if attends(level) {
                types.attention
            } else {
                plain
            }
        };
        (0..levels).map(kind).collect()
    };
    let mut up = kinds(&UP);
    up.reverse();
    let widths = unet.widths();
    let attending = (0..levels).filter(|&level| attends(level) || level + 1 == levels);
    let each = match unet.heads {
        Heads::OfChannels(each) => Some(each),
        Heads::Count(1) => None,
        Heads::Count(heads) => { attending }
            .next()
            .map(|level| widths[level] / heads.max(1)),
    };
    let groups = match unet.norm.groups {
        Groups::Fixed(groups) => Some(groups),
        _ => unet.norm.groups.of(widths[0]),
    };
    let resample = if by_blocks { "resnet" } else { "conv" };
    let steps = -unet.time.scale;
    let index = unet.time.offset + 1.0 == steps && steps >= 1.0;
    Config::from_iter([
        ("_class_name", json!("UNet2DModel")),
        ("sample_size", written_size(unet.image_size)),
        ("in_channels", json!(unet.image_channels)),
        ("out_channels", json!(unet.outputs())),
        ("block_out_channels", json!(widths)),
        ("layers_per_block", json!(unet.blocks)),
        (DOWN.key, json!(kinds(&DOWN))),
        (UP.key, json!(up)),
        (
            "add_attention",
            json!(unet.plan().middle[0].heads.is_some()),
        ),
        ("attention_head_dim", each.into()),
        ("norm_num_groups", groups.into()),
        ("attn_norm_num_groups", groups.into()),
        ("norm_eps", json!(unet.norm.epsilon)),
        ("freq_shift", json!(unet.time.shift)),
        ("flip_sin_to_cos", json!(!unet.time.sines_first)),
        ("num_train_timesteps", index.then_some(steps as u64).into()),
        ("dropout", json!(unet.dropout)),
        (DOWN.resampler, json!(resample)),
        (UP.resampler, json!(resample)),
        (
            "downsample_padding",
            json!(u8::from(unet.resample != Resample::ConvolutionFromCorner)),
        ),
        (
            "resnet_time_scale_shift",
            json!(match unet.modulation {
                Modulation::ScaleShift => "scale_shift",
                _ => "default",
            }),
        ),
        (
            "num_class_embeds",
            (unet.classes > 0).then_some(unet.classes).into(),
        ),
    ])
}

/// Values of which only one is possible here, and which are the defaults.
fn check(config: &Config) -> Result<(), WeightsError> {
    for (key, possible) in [
        ("_class_name", &["UNet2DModel"][..]),
        ("time_embedding_type", &["positional"]),
        ("act_fn", &["silu", "swish"]),
        ("mid_block_type", &["UNetMidBlock2D"]),
    ] {
        if let Some(value) = config.text(key)?
            && !possible.contains(&value)
        {
            return Err(config.refuse(key, format!("only {} is known", possible[0])));
        }
    }
    if config.flag("center_input_sample")? == Some(true) {
        return Err(config.refuse("center_input_sample", "only false is known"));
    }
    if config
        .number("mid_block_scale_factor")?
        .is_some_and(|factor| factor != 1.0)
    {
        return Err(config.refuse("mid_block_scale_factor", "only 1 is known"));
    }
    if config.get("class_embed_type").is_some() {
        return Err(config.refuse("class_embed_type", "only null is known"));
    }
    Ok(())
}

fn fit(tensors: &Tensors, config: &Config) -> Result<Fit, WeightsError> {
    check(config)?;
    let down = config.texts(DOWN.key)?.filter(|down| !down.is_empty());
    let Some(down) = down else {
        return Err(WeightsError::Undetermined {
            what: "padding, groups and frequencies of diffusers' UNet",
            key: DOWN.key,
        });
    };
    let up = config.texts(UP.key)?.unwrap_or_default();
    let down = levels_of(config, &DOWN, &down)?;
    let mut up = levels_of(config, &UP, &up)?;
    up.reverse();
    let attends = |levels: &[Level]| levels.iter().map(|level| level.attends).collect::<Vec<_>>();
    if attends(&down) != attends(&up) {
        let remedy = "only the blocks of down_block_types in the opposite order are known";
        return Err(config.refuse(UP.key, remedy));
    }
    let levels = down.len();
    let size = image_size(config, "sample_size")?;
    let first = |level: usize| format!("down_blocks.{level}.resnets.0");
    let widths: Vec<usize> = (0..levels)
        .map(|level| side(tensors, &(first(level) + ".conv1.weight"), 0))
        .collect::<Result<_, _>>()?;
    let blocks = (0..)
        .take_while(|i| tensors.contains_key(&format!("down_blocks.0.resnets.{i}.conv1.weight")))
        .count();
    let channels = side(tensors, "conv_in.weight", 0)?;
    let image_channels = side(tensors, "conv_in.weight", 1)?;
    let groups = config.count("norm_num_groups")?.unwrap_or(32);
    let modulation = match config.text("resnet_time_scale_shift")?.unwrap_or("default") {
        "default" => Modulation::Additive,
        "scale_shift" => Modulation::ScaleShift,
        _ => {
            let remedy = "only default and scale_shift are known";
            return Err(config.refuse("resnet_time_scale_shift", remedy));
        }
    };
    let by_scale = modulation == Modulation::ScaleShift;
    let attends_in_the_middle = config.flag("add_attention")?.unwrap_or(true);
    match config.count("attn_norm_num_groups")? {
        Some(own) if own != groups => {
            let remedy = "only null and norm_num_groups are known";
            return Err(config.refuse("attn_norm_num_groups", remedy));
        }
        None if by_scale && attends_in_the_middle => {
            // diffusers then leaves the normalisation before that attention out.
            let remedy = "beside scale_shift only norm_num_groups is known";
            return Err(config.refuse("attn_norm_num_groups", remedy));
        }
        _ => {}
    }
    let heads = if config.is_null("attention_head_dim") {
        Heads::Count(1)
    } else {
        Heads::OfChannels(config.count("attention_head_dim")?.unwrap_or(8))
    };
    // The deepest level halves nothing, and the finest doubles nothing.
    let resamplers = down[..levels - 1].iter().chain(&up[1..]);
    let mut resamplers: Vec<&str> = resamplers.map(|level| level.resampler).collect();
    resamplers.dedup();
    let resample = match resamplers[..] {
        [] | ["conv"] => match config.count("downsample_padding")?.unwrap_or(1) {
            0 => Resample::ConvolutionFromCorner,
            1 => Resample::Convolution,
            _ => return Err(config.refuse("downsample_padding", "only 0 and 1 are known")),
        },
        ["resnet"] => Resample::Blocks { project: false },
        _ => {
            let remedy = format!(
                "levels are halved by {} and doubled by {}; only one of conv and resnet for all is \
                 known",
                resamplers_of(&down[..levels - 1]),
                resamplers_of(&up[1..])
            );
            return Err(config.refuse(DOWN.key, remedy));
        }
    };
    let mut assumed = Vec::new();
    let steps = config.count("num_train_timesteps")?.unwrap_or_else(|| {
        assumed.push("the time is the index of a DDPM of 1000 steps".to_owned());
        1000
    });
    let unet = checked(UNetConfig {
        channels,
        multipliers: widths.iter().map(|&w| multiplier(w, channels)).collect(),
        blocks,
        attention: heights(size[0], attends(&down)),
        heads,
        middle: if attends_in_the_middle {
            Middle::Attends
        } else {
            Middle::Plain
        },
        dropout: config.number("dropout")?.unwrap_or(0.0),
        norm: Normalisation {
            groups: Groups::Fixed(groups),
            epsilon: config.number("norm_eps")?.unwrap_or(1e-5),
        },
        time: TimeFeatures {
            sines_first: !config.flag("flip_sin_to_cos")?.unwrap_or(true),
            shift: config.number("freq_shift")?.unwrap_or(0.0),
            ..TimeFeatures::index(steps)
        },
        modulation,
        resample,
        classes: side_if_any(tensors, "class_embedding.weight", 0)?,
        null_class: NullClass::Absent,
        learns_variance: side(tensors, "conv_out.weight", 0)? != image_channels,
        ..UNetConfig::new(image_channels, size)
    })?;
    let old = tensors
        .keys()
        .any(|key| key.ends_with(".attentions.0.proj_attn.weight"));
    let table = table(&unet, old);
    Ok(Fit {
        structure: Structure::UNet(unet),
        table,
        assumed,
        choices: Config::default(),
    })
}

/// `old`: whether attention's layers have their names of before 2023.
fn table(unet: &UNetConfig, old: bool) -> Table {
    let mut table = Table::new();
    let (channels, embedding) = (unet.channels, unet.embedding());
    table.linear("time.first", "time_embedding.linear_1", channels, embedding);
    table.linear(
        "time.second",
        "time_embedding.linear_2",
        embedding,
        embedding,
    );
    if unet.classes > 0 {
        let keys = ("classes.table.weight", "class_embedding.weight");
        table.table(keys.0, keys.1, unet.classes, embedding);
    }
    table.conv("stem", "conv_in", unet.image_channels, channels, 3);
    let (parts, out) = if old {
        (["query", "key", "value"], "proj_attn")
    } else {
        (["to_q", "to_k", "to_v"], "to_out.0")
    };
    let deepest = unet.multipliers.len() - 1;
    for site in sites(unet) {
        let ours = &site.ours;
        let base = match site.way {
            Way::Down => format!("down_blocks.{}", site.level),
            Way::Middle => "mid_block".to_owned(),
            Way::Up => format!("up_blocks.{}", deepest - site.level),
        };
        match site.kind {
            Kind::Stage(stage, i) => {
                let block = (format!("{ours}.block"), format!("{base}.resnets.{i}"));
                BLOCK.rules(&mut table, &block.0, &block.1, &stage.block);
                if stage.heads.is_some() {
                    let channels = stage.block.outputs;
                    let our = |part: &str| format!("{ours}.attention.{part}");
                    let their = |part: &str| format!("{base}.attentions.{i}.{part}");
                    table.norm(&our("norm"), &their("group_norm"), channels);
                    table.stacked(&our("qkv"), &parts.map(their), channels, channels, 0);
                    let out = (our("out"), their(out));
                    table.rows(&out.0, &out.1, channels, channels, 0, RowOrder::Ours);
                }
            }
            Kind::Change(change) => {
                let sampler = match site.way {
                    Way::Up => "upsamplers",
                    Way::Down | Way::Middle => "downsamplers",
                };
                match change {
                    Change::Convolution(c) => {
                        let theirs = format!("{base}.{sampler}.0.conv");
                        table.conv(&format!("{ours}.resize"), &theirs, c, c, 3);
                    }
                    Change::Block(block) => {
                        let theirs = format!("{base}.{sampler}.0");
                        BLOCK.rules(&mut table, &format!("{ours}.block"), &theirs, &block);
                    }
                    Change::Plain => {}
                }
            }
        }
    }
    let finest = unet.widths()[0];
    table.norm("norm", "conv_norm_out", finest);
    table.conv("head", "conv_out", finest, unet.outputs(), 3);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::unet::tests::recovers;

    #[test]
    fn residual_blocks_between_levels_are_recovered_or_named() {
        let unet = UNetConfig {
            channels: 32,
            multipliers: vec![1.0, 2.0],
            blocks: 1,
            attention: vec![8],
            heads: Heads::OfChannels(8),
            middle: Middle::Attends,
            norm: Normalisation {
                groups: Groups::Fixed(16),
                epsilon: 1e-5,
            },
            time: TimeFeatures::index(1000),
            modulation: Modulation::ScaleShift,
            resample: Resample::Blocks { project: false },
            classes: 7,
            null_class: NullClass::Absent,
            ..UNetConfig::new(3, [16, 16])
        };
        let written = arguments(&unet);
        let text = written.to_json();
        for part in [
            r#""down_block_types":["ResnetDownsampleBlock2D","AttnDownBlock2D"]"#,
            r#""up_block_types":["AttnUpBlock2D","ResnetUpsampleBlock2D"]"#,
            r#""attn_norm_num_groups":16"#,
        ] {
            assert!(text.contains(part), "{text}");
        }
        let theirs = recovers(&UNET_2D, &unet, &table(&unet, false), &text);
        for (key, value, part) in [
            ("upsample_type", json!("conv"), "doubled by conv"),
            ("upsample_type", json!("other"), "upsample_type = \"other\""),
            ("attn_norm_num_groups", json!(null), "beside scale_shift"),
            ("up_block_types", json!([]), "opposite order"),
            ("down_block_types", json!([]), "down_block_types"),
        ] {
            let mut config = written.clone();
            config.set(key, value);
            let message = (UNET_2D.fit)(&theirs, &config).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
