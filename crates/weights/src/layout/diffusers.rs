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
    write: |structure| {
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

/// The fields of `config.json`.
fn arguments(unet: &UNetConfig) -> Config {
    let attends = |level: usize| unet.attends(level);
    let levels = unet.multipliers.len();
    let kinds = |plain: &str, attention: &str| -> Vec<String> {
        let kind = |level| if attends(level) { attention } else { plain };
        (0..levels).map(|level| kind(level).to_owned()).collect()
    };
    let mut up = kinds("UpBlock2D", "AttnUpBlock2D");
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
    let resample = match unet.resample {
        Resample::Blocks { .. } => "resnet",
        _ => "conv",
    };
    let steps = -unet.time.scale;
    let index = unet.time.offset + 1.0 == steps && steps >= 1.0;
    Config::from_iter([
        ("layout", json!(UNET_2D.name)),
        ("_class_name", json!("UNet2DModel")),
        ("sample_size", written_size(unet.image_size)),
        ("in_channels", json!(unet.image_channels)),
        ("out_channels", json!(unet.outputs())),
        ("block_out_channels", json!(widths)),
        ("layers_per_block", json!(unet.blocks)),
        (
            "down_block_types",
            json!(kinds("DownBlock2D", "AttnDownBlock2D")),
        ),
        ("up_block_types", json!(up)),
        (
            "add_attention",
            json!(unet.plan().middle[0].heads.is_some()),
        ),
        ("attention_head_dim", each.into()),
        ("norm_num_groups", groups.into()),
        ("norm_eps", json!(unet.norm.epsilon)),
        ("freq_shift", json!(unet.time.shift)),
        ("flip_sin_to_cos", json!(!unet.time.sines_first)),
        ("num_train_timesteps", index.then_some(steps as u64).into()),
        ("dropout", json!(unet.dropout)),
        ("downsample_type", json!(resample)),
        ("upsample_type", json!(resample)),
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
    let Some(down) = config.texts("down_block_types")? else {
        return Err(WeightsError::Undetermined {
            what: "padding, groups and frequencies of diffusers' UNet",
            key: "down_block_types",
        });
    };
    let up = config.texts("up_block_types")?.unwrap_or_default();
    let attends = |key: &str, names: &[&str], plain: &str, attention: &str| {
        let attends = |&name: &&str| match name {
            name if name == plain => Ok(false),
            name if name == attention => Ok(true),
            _ => Err(config.refuse(key, format!("only {plain} and {attention} are known"))),
        };
        names.iter().map(attends).collect::<Result<Vec<bool>, _>>()
    };
    let on_way_down = attends("down_block_types", &down, "DownBlock2D", "AttnDownBlock2D")?;
    let mut on_way_up = attends("up_block_types", &up, "UpBlock2D", "AttnUpBlock2D")?;
    on_way_up.reverse();
    if on_way_down != on_way_up {
        let remedy = "only the blocks of down_block_types in the opposite order are known";
        return Err(config.refuse("up_block_types", remedy));
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
    if config
        .count("attn_norm_num_groups")?
        .is_some_and(|own| own != groups)
    {
        return Err(config.refuse("attn_norm_num_groups", "only null is known"));
    }
    let heads = if config.is_null("attention_head_dim") {
        Heads::Count(1)
    } else {
        Heads::OfChannels(config.count("attention_head_dim")?.unwrap_or(8))
    };
    let resamplers = ["downsample_type", "upsample_type"].map(|key| config.text(key));
    let [downsample, upsample] = resamplers;
    let resample = match (downsample?.unwrap_or("conv"), upsample?.unwrap_or("conv")) {
        ("conv", "conv") => match config.count("downsample_padding")?.unwrap_or(1) {
            0 => Resample::ConvolutionFromCorner,
            1 => Resample::Convolution,
            _ => return Err(config.refuse("downsample_padding", "only 0 and 1 are known")),
        },
        ("resnet", "resnet") => Resample::Blocks { project: false },
        _ => {
            let remedy = "only conv and resnet are known, the same for both";
            return Err(config.refuse("downsample_type", remedy));
        }
    };
    let modulation = match config.text("resnet_time_scale_shift")?.unwrap_or("default") {
        "default" => Modulation::Additive,
        "scale_shift" => Modulation::ScaleShift,
        _ => {
            let remedy = "only default and scale_shift are known";
            return Err(config.refuse("resnet_time_scale_shift", remedy));
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
        attention: heights(size[0], on_way_down),
        heads,
        middle: if config.flag("add_attention")?.unwrap_or(true) {
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
