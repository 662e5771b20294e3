//! DiT, and SiT, which has the same tensors.
//!
//! `x_embedder`, `t_embedder` and `y_embedder`; `blocks.{i}`, each with `adaLN_modulation`, `attn`
//! and `mlp`; `final_layer`
//!
//! Source: the state_dicts of the networks of Peebles & Xie 2023 and Ma et al. 2024.

use super::unet::{image_size, multiplier, side, side_if_any, written_size};
use super::{Fit, Layout, Structure, Written};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::rule::RowOrder;
use crate::table::Table;
use pyroclast_models::{DiTConfig, NullClass, SecondHalf, TimeFeatures, sine_positions};
use serde_json::json;

const MARKS: &[&str] = &[
    "x_embedder.proj.weight",
    "t_embedder.mlp.0.weight",
    "blocks.0.adaLN_modulation.1.weight",
    "final_layer.linear.weight",
];

/// DiT.
pub(crate) const DIT: Layout = Layout {
    name: "dit",
    about: "DiT, the diffusion transformer; its time is the index of a DDPM",
    marks: MARKS,
    fit: |tensors, config| {
        let steps = config.count("diffusion_steps")?.unwrap_or(1000);
        fit(
            tensors,
            config,
            TimeFeatures::index(steps),
            SecondHalf::Variance,
        )
    },
    write: |structure, _| {
        let mut written = write(structure)?;
        let Structure::DiT(dit) = structure else {
            return None;
        };
        let steps = -dit.time.scale;
        if dit.time == TimeFeatures::index(steps as usize) {
            written.config.set("diffusion_steps", steps as usize);
        }
        Some(written)
    },
};

/// SiT.
pub(crate) const SIT: Layout = Layout {
    name: "sit",
    about: "SiT, the same transformer for flows; its time is the flow's, 1 for data",
    marks: MARKS,
    fit: |tensors, config| {
        let time = TimeFeatures::raw();
        fit(tensors, config, time, SecondHalf::Dropped)
    },
    write: |structure, _| write(structure),
};

/// The rules, and the arguments of `DiT` or `SiT`.
fn write(structure: &Structure) -> Option<Written> {
    let Structure::DiT(dit) = structure else {
        return None;
    };
    let null_row = dit.null_class == NullClass::Trained;
    let config = Config::from_iter([
        ("input_size", written_size(dit.image_size)),
        ("patch_size", json!(dit.patch)),
        ("in_channels", json!(dit.image_channels)),
        ("hidden_size", json!(dit.width)),
        ("depth", json!(dit.depth)),
        ("num_heads", json!(dit.heads)),
        ("mlp_ratio", json!(dit.mlp_ratio)),
        (
            "class_dropout_prob",
            json!(if null_row { 0.1 } else { 0.0 }),
        ),
        ("num_classes", json!(dit.classes)),
        ("learn_sigma", json!(dit.second_half != SecondHalf::Absent)),
    ]);
    Some(Written {
        table: table(dit),
        config,
    })
}

/// The most numbers in a table of sines that a file does not hold itself.
const MOST: usize = 1 << 24;
/// The heads of the published widths.
const HEADS: [(usize, usize); 4] = [(384, 6), (768, 12), (1024, 16), (1152, 16)];

fn fit(
    tensors: &Tensors,
    config: &Config,
    time: TimeFeatures,
    second_half: SecondHalf,
) -> Result<Fit, WeightsError> {
    const PATCHES: &str = "x_embedder.proj.weight";
    let mut assumed = Vec::new();
    let [width, image_channels, patch] = [
        side(tensors, PATCHES, 0)?,
        side(tensors, PATCHES, 1)?,
        side(tensors, PATCHES, 2)?,
    ];
    let depth = (0..)
        .take_while(|i| tensors.contains_key(&format!("blocks.{i}.attn.qkv.weight")))
        .count();
    let hidden = side(tensors, "blocks.0.mlp.fc1.weight", 0)?;
    let heads = match config.count("num_heads")? {
        Some(heads) => heads,
        None => {
            let known = HEADS.iter().find(|(known, _)| *known == width);
            let Some((_, heads)) = known else {
                return Err(WeightsError::Undetermined {
                    what: "the number of attention heads",
                    key: "num_heads",
                });
            };
            assumed.push(format!("tokens of {width} numbers have {heads} heads"));
            *heads
        }
    };
    let tokens = side_if_any(tensors, "pos_embed", 1)?;
    let rows = tokens.isqrt();
    let size = if config.get("input_size").is_none() && tokens > 0 && rows * rows == tokens {
        assumed.push("the images are square".to_owned());
        [rows.saturating_mul(patch); 2]
    } else {
        image_size(config, "input_size")?
    };
    let labels = side_if_any(tensors, "y_embedder.embedding_table.weight", 0)?;
    let null_row = match (
        config.count("num_classes")?,
        config.number("class_dropout_prob")?,
    ) {
        (Some(classes), _) => labels != classes,
        (None, Some(dropout)) => dropout > 0.0,
        (None, None) => {
            if labels > 0 {
                assumed.push("the last of the labels stands for no class".to_owned());
            }
            true
        }
    };
    let outputs = side(tensors, "final_layer.linear.weight", 0)?;
    let plain = patch.saturating_mul(patch).saturating_mul(image_channels);
    let dit = DiTConfig {
        patch,
        width,
        depth,
        heads,
        mlp_ratio: multiplier(hidden, width),
        time,
        classes: labels.saturating_sub(usize::from(null_row)),
        null_class: if null_row {
            NullClass::Trained
        } else {
            NullClass::Absent
        },
        second_half: if outputs == plain {
            SecondHalf::Absent
        } else {
            second_half
        },
        ..DiTConfig::new(image_channels, size)
    };
    let places = dit.grid()[0].saturating_mul(dit.grid()[1]);
    let sines = places.saturating_mul(width);
    let given = tensors
        .get("pos_embed")
        .map_or(0, |table| table.values.len());
    let reason = dit.problem().or_else(|| {
        if tokens > 0 && places != tokens {
            return Some(format!(
                "images of {size:?} have {places} patches, and pos_embed has {tokens}"
            ));
        }
        (sines > given.max(MOST)).then(|| {
            format!("{places} patches of {width} numbers are more than {MOST}; use smaller images")
        })
    });
    if let Some(reason) = reason {
        return Err(WeightsError::Impossible { reason });
    }
    Ok(Fit {
        table: table(&dit),
        structure: Structure::DiT(dit),
        assumed,
        choices: Config::default(),
    })
}

fn table(dit: &DiTConfig) -> Table {
    let mut table = Table::new();
    let (width, hidden, patch) = (dit.width, dit.hidden(), dit.patch);
    table.linear("time.first", "t_embedder.mlp.0", 256, width);
    table.linear("time.second", "t_embedder.mlp.2", width, width);
    if dit.classes > 0 {
        let rows = dit.classes + usize::from(dit.null_class == NullClass::Trained);
        let theirs = "y_embedder.embedding_table.weight";
        table.table("classes.table.weight", theirs, rows, width);
    }
    let patches = ("patches", "x_embedder.proj");
    table.conv(patches.0, patches.1, dit.image_channels, width, patch);
    let grid = dit.grid();
    let sines = sine_positions(grid, width)
        .iter()
        .map(|v| *v as f32)
        .collect();
    table.constant("pos_embed", vec![1, grid[0] * grid[1], width], sines);
    for i in 0..dit.depth {
        let mut layer = |ours: &str, theirs: &str, inputs: usize, outputs: usize| {
            let (ours, theirs) = (format!("blocks.{i}.{ours}"), format!("blocks.{i}.{theirs}"));
            table.rows(&ours, &theirs, inputs, outputs, 0, RowOrder::Ours);
        };
        layer("modulation", "adaLN_modulation.1", width, 6 * width);
        layer("qkv", "attn.qkv", width, 3 * width);
        layer("out", "attn.proj", width, width);
        layer("first", "mlp.fc1", width, hidden);
        layer("second", "mlp.fc2", hidden, width);
    }
    let modulation = ("modulation", "final_layer.adaLN_modulation.1");
    table.linear(modulation.0, modulation.1, width, 2 * width);
    let outputs = patch * patch * dit.computed();
    table.linear("head", "final_layer.linear", width, outputs);
    // REPA's heads, which only its training needs.
    table.ignore("projectors.*");
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::unet::tests::recovers_structure;

    fn recovers(layout: &Layout, dit: &DiTConfig, json: &str) -> Tensors {
        let structure = Structure::DiT(dit.clone());
        recovers_structure(layout, &structure, &table(dit), json, dit.size())
    }

    #[test]
    fn transformers_are_recovered_from_their_shapes() {
        let dit = DiTConfig {
            patch: 4,
            width: 32,
            depth: 3,
            heads: 2,
            mlp_ratio: 2.5,
            time: TimeFeatures::index(1000),
            classes: 5,
            second_half: SecondHalf::Variance,
            ..DiTConfig::new(4, [8, 8])
        };
        recovers(&DIT, &dit, r#"{"num_heads": 2}"#);
        let flow = DiTConfig {
            time: TimeFeatures::raw(),
            second_half: SecondHalf::Dropped,
            ..dit.clone()
        };
        recovers(&SIT, &flow, r#"{"num_heads": 2, "input_size": 8}"#);
        let plain = DiTConfig {
            image_size: [8, 16],
            classes: 0,
            second_half: SecondHalf::Absent,
            ..dit.clone()
        };
        recovers(&DIT, &plain, r#"{"num_heads": 2, "input_size": [8, 16]}"#);
        let known = DiTConfig {
            null_class: NullClass::Absent,
            ..dit
        };
        let json = r#"{"num_heads": 2, "num_classes": 5}"#;
        recovers(&DIT, &known, json);
        let json = r#"{"num_heads": 2, "class_dropout_prob": 0}"#;
        recovers(&DIT, &known, json);
    }

    #[test]
    fn heads_are_known_by_the_published_widths_alone() {
        let dit = DiTConfig {
            depth: 1,
            time: TimeFeatures::index(1000),
            second_half: SecondHalf::Variance,
            classes: 2,
            ..DiTConfig::small(4, [4, 4], 2)
        };
        let theirs = recovers(&DIT, &dit, "{}");
        let fit = (DIT.fit)(&theirs, &Config::default()).expect("DiT-S");
        assert_eq!(fit.assumed.len(), 3);
        let other = DiTConfig { width: 380, ..dit };
        let ours = crate::layout::unet::tests::numbered(&table(&other));
        let theirs = table(&other).export(&ours).expect("all parameters");
        let error = (DIT.fit)(&theirs, &Config::default()).expect_err("which heads");
        assert!(error.to_string().contains("`num_heads`"), "{error}");
    }

    #[test]
    fn other_positions_are_refused_and_heads_of_repa_ignored() {
        let dit = DiTConfig {
            width: 8,
            heads: 2,
            depth: 1,
            time: TimeFeatures::raw(),
            ..DiTConfig::new(1, [4, 4])
        };
        for (size, part) in [
            ("6", "9 patches, and pos_embed has 4"),
            ("[40000000, 2]", "patches"),
        ] {
            let json = format!(r#"{{"num_heads": 2, "input_size": {size}}}"#);
            let config = Config::parse(&json).expect("an object");
            let mut theirs = recovers(&SIT, &dit, r#"{"num_heads": 2}"#);
            if size.starts_with('[') {
                theirs.remove("pos_embed");
            }
            let error = (SIT.fit)(&theirs, &config).expect_err("another size");
            assert!(error.to_string().contains(part), "{error}");
        }
        let mut theirs = recovers(&SIT, &dit, r#"{"num_heads": 2}"#);
        let projector = theirs["final_layer.linear.bias"].clone();
        theirs.insert("projectors.0.0.bias".into(), projector);
        let import = |theirs: &Tensors| table(&dit).import(theirs);
        import(&theirs).expect("the projectors do not matter");
        let positions = theirs.get_mut("pos_embed").expect("exported");
        positions.values[3] += 0.1;
        let misfit = import(&theirs).expect_err("other positions");
        assert_eq!(misfit.values[0].0, "pos_embed");
    }
}
