//! guided-diffusion's UNet, and its copies in torchcfm and flow_matching.
//!
//! `input_blocks.{i}`: the stem, then each level's blocks and what halves the size; `middle_block`;
//! `output_blocks.{j}`: each level's blocks, of which the last one has what doubles the size.
//!
//! Source: the state_dict of guided-diffusion's `UNetModel` (Dhariwal & Nichol 2021).

use super::unet::{BlockKeys, Kind, Way, checked, heights, image_size, multiplier, numbers};
use super::unet::{side, side_if_any, sites, written_size};
use super::{Fit, Layout, Structure, Written};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::rule::{RowOrder, Rule, Step};
use crate::table::Table;
use pyroclast_models::{
    Change, Heads, Modulation, NullClass, Resample, StagePlan, TimeFeatures, UNetConfig,
};
use serde_json::json;

const MARKS: &[&str] = &[
    "time_embed.0.weight",
    "input_blocks.0.0.weight",
    "middle_block.1.qkv.weight",
    "out.2.weight",
];

/// guided-diffusion.
pub(crate) const GUIDED_DIFFUSION: Layout = Layout {
    name: "guided-diffusion",
    about: "ADM's UNet of guided-diffusion; its time is the index of a DDPM",
    marks: MARKS,
    fit: |tensors, config| {
        let steps = config.count("diffusion_steps")?.unwrap_or(1000);
        let habits = Habits {
            time: TimeFeatures::index(steps),
            heads_first: true,
            null_row: false,
        };
        fit(tensors, config, &habits)
    },
    write: |structure, choices| {
        let unet = structure.unet()?;
        let steps = -unet.time.scale;
        let heads_first = heads_first(choices).unwrap_or(true);
        let mut config = arguments(unet, heads_first);
        if unet.time == TimeFeatures::index(steps as usize) {
            config.set("diffusion_steps", steps as usize);
        }
        Some(Written {
            table: table(unet, heads_first, unet.classes),
            config,
        })
    },
};

/// torchcfm.
pub(crate) const TORCHCFM: Layout = Layout {
    name: "torchcfm",
    about: "the UNet of torchcfm; its time is the flow's, 1 for data",
    marks: MARKS,
    fit: |tensors, config| {
        let habits = Habits {
            time: TimeFeatures::raw(),
            heads_first: true,
            null_row: false,
        };
        fit(tensors, config, &habits)
    },
    write: |structure, choices| {
        let unet = structure.unet()?;
        let [height, width] = unet.image_size;
        let heads_first = heads_first(choices).unwrap_or(true);
        let mut config = arguments(unet, heads_first);
        // The names of `UNetModelWrapper`, which takes heights of attention, not factors.
        config.set("dim", vec![unet.image_channels, height, width]);
        config.set("num_channels", unet.channels);
        config.set("learn_sigma", unet.learns_variance);
        config.set("class_cond", unet.classes > 0);
        let heights: Vec<String> = unet.attention.iter().map(usize::to_string).collect();
        config.set("attention_resolutions", heights.join(","));
        Some(Written {
            table: table(unet, heads_first, unet.classes),
            config,
        })
    },
};

/// flow_matching.
pub(crate) const FLOW_MATCHING: Layout = Layout {
    name: "flow-matching",
    about: "the UNet of flow_matching's example with images; its time is the flow's, 1 for data",
    marks: MARKS,
    fit: |tensors, config| {
        let habits = Habits {
            time: TimeFeatures::raw(),
            heads_first: false,
            null_row: true,
        };
        fit(tensors, config, &habits)
    },
    write: |structure, choices| {
        let unet = structure.unet()?;
        let rows = if unet.classes > 0 {
            unet.classes + 1
        } else {
            0
        };
        let heads_first = heads_first(choices).unwrap_or(false);
        Some(Written {
            table: table(unet, heads_first, rows),
            config: arguments(unet, heads_first),
        })
    },
};

/// The argument that says how the rows of queries, keys and values are ordered.
const NEW_ORDER: &str = "use_new_attention_order";

/// Whether these rows are in the legacy order, as far as a configuration says.
fn heads_first(config: &Config) -> Option<bool> {
    config.flag(NEW_ORDER).ok().flatten().map(|new| !new)
}

/// The arguments of `UNetModel`, and the size of the images.
fn arguments(unet: &UNetConfig, heads_first: bool) -> Config {
    let [height, _] = unet.image_size;
    let (heads, each) = match unet.heads {
        Heads::Count(heads) => (heads, None),
        Heads::OfChannels(each) => (1, Some(each)),
    };
    let up = match unet.heads_up {
        Some(Heads::Count(heads)) => Some(heads),
        Some(Heads::OfChannels(_)) | None => None,
    };
    let or_negative = |n: Option<usize>| n.map_or(json!(-1), |n| json!(n));
    let factor = |at: &usize| height / at;
    let factors: Vec<usize> = unet.attention.iter().map(factor).collect();
    Config::from_iter([
        (NEW_ORDER, json!(!heads_first)),
        ("image_size", written_size(unet.image_size)),
        ("in_channels", json!(unet.image_channels)),
        ("out_channels", json!(unet.outputs())),
        ("model_channels", json!(unet.channels)),
        ("channel_mult", numbers(&unet.multipliers)),
        ("num_res_blocks", json!(unet.blocks)),
        ("attention_resolutions", json!(factors)),
        ("num_heads", json!(heads)),
        ("num_head_channels", or_negative(each)),
        ("num_heads_upsample", or_negative(up)),
        (
            "num_classes",
            (unet.classes > 0).then_some(unet.classes).into(),
        ),
        ("dropout", json!(unet.dropout)),
        ("conv_resample", json!(unet.resample != Resample::Plain)),
        (
            "resblock_updown",
            json!(matches!(unet.resample, Resample::Blocks { .. })),
        ),
        (
            "use_scale_shift_norm",
            json!(unet.modulation == Modulation::ScaleShift),
        ),
    ])
}

/// In what the projects differ.
struct Habits {
    time: TimeFeatures,
    /// Whether the rows of queries, keys and values are in the legacy order, if the configuration
    /// does not say.
    heads_first: bool,
    /// Whether the last row of the classes stands for "no class"; it is never trained.
    null_row: bool,
}

const BLOCK: BlockKeys = BlockKeys {
    norm_in: "in_layers.0",
    conv_in: "in_layers.2",
    modulation: "emb_layers.1",
    norm_out: "out_layers.0",
    conv_out: "out_layers.3",
    skip: "skip_connection",
};

fn fit(tensors: &Tensors, config: &Config, habits: &Habits) -> Result<Fit, WeightsError> {
    let has = |key: &str| tensors.contains_key(key);
    let channels = side(tensors, "time_embed.0.weight", 1)?;
    let outputs = (0..)
        .take_while(|j| has(&format!("output_blocks.{j}.0.in_layers.0.weight")))
        .count();
    // What doubles the size stands behind the last block of a level, and its attention.
    let doubles = |j: &usize, part: &str| {
        (1..=2).any(|k| has(&format!("output_blocks.{j}.{k}.{part}.weight")))
    };
    let conv = (0..outputs).find(|j| doubles(j, "conv"));
    let block = (0..outputs).find(|j| doubles(j, "in_layers.0"));
    // Without it, what halves the size is a number without keys.
    let gap = (1..outputs).find(|i| !has(&format!("input_blocks.{i}.0.in_layers.0.weight")));
    let (per_level, resample) = match (conv, block, gap) {
        (Some(j), _, _) => (j + 1, Resample::Convolution),
        (None, Some(j), _) => (j + 1, Resample::Blocks { project: false }),
        (None, None, Some(i)) => (i, Resample::Plain),
        (None, None, None) => (outputs, Resample::Convolution),
    };
    if per_level < 2 || !outputs.is_multiple_of(per_level) {
        return Err(WeightsError::Impossible {
            reason: format!("{outputs} blocks on the way up are not levels of {per_level}"),
        });
    }
    let levels = outputs / per_level;
    let first = |level: usize| format!("input_blocks.{}", 1 + level * per_level);
    let image_channels = side(tensors, "input_blocks.0.0.weight", 1)?;
    let widths: Vec<usize> = (0..levels)
        .map(|level| side(tensors, &(first(level) + ".0.out_layers.3.weight"), 0))
        .collect::<Result<_, _>>()?;
    let modulations = side(tensors, "input_blocks.1.0.emb_layers.1.weight", 0)?;
    let size = if config.get("dim").is_some() {
        image_size(config, "dim")?
    } else {
        image_size(config, "image_size")?
    };
    let attends = (0..levels).map(|level| has(&(first(level) + ".1.qkv.weight")));
    let each = config.count_or_negative("num_head_channels")?;
    let count = config.count_or_negative("num_heads")?;
    let heads = match (each, count) {
        (Some(each), _) => Heads::OfChannels(each),
        (None, Some(count)) => Heads::Count(count),
        (None, None) => {
            return Err(WeightsError::Undetermined {
                what: "the number of attention heads",
                key: "num_heads",
            });
        }
    };
    let up = config.count_or_negative("num_heads_upsample")?;
    let mut assumed = Vec::new();
    let heads_first = match config.flag(NEW_ORDER)? {
        Some(new) => !new,
        None => {
            let order = if habits.heads_first { "legacy" } else { "new" };
            assumed.push(format!("queries, keys and values are in the {order} order"));
            habits.heads_first
        }
    };
    let rows = side_if_any(tensors, "label_emb.weight", 0)?;
    let unet = checked(UNetConfig {
        channels,
        multipliers: widths.iter().map(|&w| multiplier(w, channels)).collect(),
        blocks: per_level - 1,
        attention: heights(size[0], attends),
        heads,
        heads_up: up.filter(|_| each.is_none()).map(Heads::Count),
        dropout: config.number("dropout")?.unwrap_or(0.0),
        time: habits.time,
        modulation: if modulations == widths[0] {
            Modulation::Additive
        } else {
            Modulation::ScaleShift
        },
        resample,
        classes: rows.saturating_sub(usize::from(habits.null_row)),
        null_class: if habits.null_row {
            NullClass::Zero
        } else {
            NullClass::Absent
        },
        learns_variance: side(tensors, "out.2.weight", 0)? != image_channels,
        ..UNetConfig::adm(image_channels, size)
    })?;
    let table = table(&unet, heads_first, rows);
    Ok(Fit {
        structure: Structure::UNet(unet),
        table,
        assumed,
        choices: Config::from_iter([(NEW_ORDER, json!(!heads_first))]),
    })
}

fn table(unet: &UNetConfig, heads_first: bool, rows: usize) -> Table {
    let mut table = Table::new();
    let (channels, embedding) = (unet.channels, unet.embedding());
    table.linear("time.first", "time_embed.0", channels, embedding);
    table.linear("time.second", "time_embed.2", embedding, embedding);
    if rows > 0 {
        let null = unet.null_class == NullClass::Zero;
        table.add(Rule {
            ours: "classes.table.weight".into(),
            theirs: vec!["label_emb.weight".into()],
            shape: vec![rows, embedding],
            steps: null.then_some(Step::DropZeroRow).into_iter().collect(),
        });
    }
    let stem = unet.stem_width();
    table.conv("stem", "input_blocks.0.0", unet.image_channels, stem, 3);
    let stage = |table: &mut Table, ours: &str, theirs: [String; 2], stage: &StagePlan| {
        let [block, attention] = theirs;
        BLOCK.rules(table, &format!("{ours}.block"), &block, &stage.block);
        let Some(heads) = stage.heads else {
            return;
        };
        let channels = stage.block.outputs;
        let our = |part: &str| format!("{ours}.attention.{part}");
        let their = |part: &str| format!("{attention}.{part}");
        let order = if heads_first {
            RowOrder::HeadsFirst { heads }
        } else {
            RowOrder::Ours
        };
        table.norm(&our("norm"), &their("norm"), channels);
        table.rows(&our("qkv"), &their("qkv"), channels, 3 * channels, 1, order);
        let out = (our("out"), their("proj_out"));
        table.rows(&out.0, &out.1, channels, channels, 1, RowOrder::Ours);
    };
    let (mut input, mut output) = (1, 0);
    for site in sites(unet) {
        let ours = &site.ours;
        match (site.way, site.kind) {
            (Way::Down, Kind::Stage(plan, _)) => {
                let keys = [0, 1].map(|k| format!("input_blocks.{input}.{k}"));
                stage(&mut table, ours, keys, &plan);
                input += 1;
            }
            (Way::Middle, Kind::Stage(plan, i)) => {
                let keys = [2 * i, 1].map(|k| format!("middle_block.{k}"));
                stage(&mut table, ours, keys, &plan);
            }
            (Way::Up, Kind::Stage(plan, _)) => {
                let keys = [0, 1].map(|k| format!("output_blocks.{output}.{k}"));
                stage(&mut table, ours, keys, &plan);
                output += 1;
            }
            (way, Kind::Change(change)) => {
                let (base, conv) = if way == Way::Down {
                    input += 1;
                    (format!("input_blocks.{}.0", input - 1), "op")
                } else {
                    let place = 1 + usize::from(unet.attends(site.level));
                    (format!("output_blocks.{}.{place}", output - 1), "conv")
                };
                match change {
                    Change::Convolution(c) => {
                        let (ours, theirs) = (format!("{ours}.resize"), format!("{base}.{conv}"));
                        table.conv(&ours, &theirs, c, c, 3);
                    }
                    Change::Block(block) => {
                        BLOCK.rules(&mut table, &format!("{ours}.block"), &base, &block);
                    }
                    Change::Plain => {}
                }
            }
        }
    }
    let finest = unet.widths()[0];
    table.norm("norm", "out.0", finest);
    table.conv("head", "out.2", finest, unet.outputs(), 3);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::unet::tests::recovers;

    #[test]
    fn every_kind_of_resampling_and_number_of_blocks_is_recovered() {
        let small = UNetConfig {
            channels: 32,
            multipliers: vec![1.0, 3.0, 2.0],
            blocks: 2,
            attention: vec![8],
            heads: Heads::OfChannels(16),
            modulation: Modulation::Additive,
            ..UNetConfig::adm(3, [16, 16])
        };
        let json = r#"{"image_size": 16, "num_head_channels": 16}"#;
        for (resample, blocks) in [
            (Resample::Convolution, 1),
            (Resample::Plain, 2),
            (Resample::Blocks { project: false }, 3),
        ] {
            let unet = UNetConfig {
                resample,
                blocks,
                ..small.clone()
            };
            recovers(&TORCHCFM, &unet, &table(&unet, true, 0), json);
        }
        let flat = UNetConfig {
            multipliers: vec![2.0],
            attention: vec![16],
            ..small.clone()
        };
        recovers(&TORCHCFM, &flat, &table(&flat, true, 0), json);
        // Multipliers that are no whole numbers, and other heads on the way up.
        let odd = UNetConfig {
            channels: 96,
            multipliers: vec![multiplier(32, 96), multiplier(64, 96)],
            heads: Heads::Count(2),
            heads_up: Some(Heads::Count(4)),
            time: TimeFeatures::index(1000),
            classes: 5,
            learns_variance: true,
            ..small
        };
        let json = r#"{"image_size": [16, 16], "num_heads": 2, "num_head_channels": -1,
            "num_heads_upsample": 4}"#;
        assert_eq!(odd.widths(), [32, 64]);
        recovers(&GUIDED_DIFFUSION, &odd, &table(&odd, true, 5), json);
    }

    #[test]
    fn the_row_for_no_class_of_flow_matching_is_zero_and_not_ours() {
        let unet = UNetConfig {
            dropout: 0.3,
            classes: 4,
            channels: 32,
            multipliers: vec![1.0, 1.0],
            blocks: 1,
            ..UNetConfig::flow_matching_cifar10()
        };
        let json = r#"{"image_size": 32, "num_heads": 1, "dropout": 0.3}"#;
        let theirs = recovers(&FLOW_MATCHING, &unet, &table(&unet, false, 5), json);
        let table = &theirs["label_emb.weight"];
        assert_eq!(table.shape, [5, 128]);
        assert!(table.values[4 * 128..].iter().all(|v| *v == 0.0));
    }
}
