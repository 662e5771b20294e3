//! The autoencoder of latent diffusion, as diffusers and as CompVis name it.
//!
//! `encoder` and `decoder`, each with its levels and a middle; `quant_conv`, `post_quant_conv`.
//! diffusers counts the decoder's levels from the deepest, CompVis from the finest.
//!
//! Source: the state_dicts of diffusers' `AutoencoderKL` and of latent-diffusion's.

use super::unet::{BlockKeys, side};
use super::{Fit, Layout, Structure, Written};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::rule::RowOrder;
use crate::table::Table;
use pyroclast_models::{AutoencoderConfig, Groups, Normalisation};
use serde_json::json;

/// diffusers.
pub(crate) const DIFFUSERS: Layout = Layout {
    name: "diffusers-autoencoder-kl",
    about: "diffusers' AutoencoderKL, with its config.json; Stable Diffusion's autoencoder",
    marks: &[
        "encoder.down_blocks.0.resnets.0.conv1.weight",
        "decoder.up_blocks.0.resnets.0.conv1.weight",
    ],
    fit: |tensors, config| {
        check(config)?;
        fit(tensors, config, Project::Diffusers)
    },
    write: |structure, _| write(structure, Project::Diffusers),
};

/// CompVis.
pub(crate) const COMPVIS: Layout = Layout {
    name: "latent-diffusion",
    about: "the same autoencoder as latent-diffusion has it, alone or in a whole checkpoint",
    marks: &[
        "*encoder.down.0.block.0.conv1.weight",
        "*decoder.up.0.block.0.conv1.weight",
    ],
    fit: |tensors, config| fit(tensors, config, Project::CompVis),
    write: |structure, _| write(structure, Project::CompVis),
};

/// The rules, and the arguments of diffusers' `AutoencoderKL`, which latent-diffusion has in
/// another form.
fn write(structure: &Structure, project: Project) -> Option<Written> {
    let Structure::Autoencoder(autoencoder) = structure else {
        return None;
    };
    let compvis = project == Project::CompVis;
    let keys = Keys {
        project,
        prefix: "",
        old: false,
        trailing: if compvis { 2 } else { 0 },
    };
    let widths = &autoencoder.widths;
    // If they are not the same everywhere, reading this again shows it.
    let groups = widths.first().and_then(|&w| autoencoder.norm.groups.of(w));
    let mut config = Config::from_iter([
        ("in_channels", json!(autoencoder.image_channels)),
        ("latent_channels", json!(autoencoder.latent_channels)),
        ("norm_num_groups", json!(groups.unwrap_or(32))),
        ("shift_factor", json!(autoencoder.shift)),
    ]);
    if compvis {
        config.set("scale_factor", autoencoder.scale);
    } else {
        let blocks = |name: &str| vec![name.to_owned(); widths.len()];
        config.set("_class_name", "AutoencoderKL");
        config.set("out_channels", autoencoder.image_channels);
        config.set("scaling_factor", autoencoder.scale);
        config.set("block_out_channels", widths.clone());
        config.set("layers_per_block", autoencoder.blocks);
        config.set("down_block_types", blocks("DownEncoderBlock2D"));
        config.set("up_block_types", blocks("UpDecoderBlock2D"));
        config.set("use_quant_conv", autoencoder.quantises);
        config.set("use_post_quant_conv", autoencoder.dequantises);
        config.set("mid_block_add_attention", autoencoder.attention);
    }
    Some(Written {
        table: table(autoencoder, &keys),
        config,
    })
}

/// What stands before the keys in a checkpoint of a whole model.
const FIRST_STAGE: &str = "first_stage_model.";
/// The factor of Stable Diffusion 1 and 2, which both projects take where none is given.
const SCALE: f64 = 0.18215;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Project {
    Diffusers,
    CompVis,
}

/// The keys of an autoencoder.
#[derive(Debug, Clone, Copy)]
struct Keys {
    project: Project,
    prefix: &'static str,
    /// Whether attention's layers have diffusers' names of before 2023.
    old: bool,
    /// Axes of 1 behind the matrices of attention.
    trailing: usize,
}

impl Keys {
    fn of(tensors: &Tensors, project: Project) -> Self {
        let whole = tensors.keys().any(|key| key.starts_with(FIRST_STAGE));
        let mut keys = Self {
            project,
            prefix: if whole { FIRST_STAGE } else { "" },
            old: false,
            trailing: 0,
        };
        let old = keys.attention("encoder", "query.weight");
        keys.old = tensors.contains_key(&old);
        let [query, ..] = keys.parts();
        let query = tensors.get(&keys.attention("encoder", &format!("{query}.weight")));
        keys.trailing = query.map_or(0, |query| query.shape.len().clamp(2, 4) - 2);
        keys
    }

    fn compvis(&self) -> bool {
        self.project == Project::CompVis
    }

    /// A key that both projects give alike.
    fn alike(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// A level of the encoder from the finest, or of the decoder from the deepest, of `levels`.
    fn level(&self, half: &str, level: usize, levels: usize) -> String {
        let way = if half == "encoder" { "down" } else { "up" };
        let place = match half {
            "encoder" => level,
            _ if self.compvis() => levels - 1 - level,
            _ => level,
        };
        let blocks = if self.compvis() { "" } else { "_blocks" };
        self.alike(&format!("{half}.{way}{blocks}.{place}"))
    }

    fn block(&self, level: &str, i: usize) -> String {
        let blocks = if self.compvis() { "block" } else { "resnets" };
        format!("{level}.{blocks}.{i}")
    }

    /// The convolution that changes the size after a level.
    fn resize(&self, half: &str, level: &str) -> String {
        let way = if half == "encoder" { "down" } else { "up" };
        if self.compvis() {
            format!("{level}.{way}sample.conv")
        } else {
            format!("{level}.{way}samplers.0.conv")
        }
    }

    /// A block of the middle.
    fn middle(&self, half: &str, i: usize) -> String {
        if self.compvis() {
            self.alike(&format!("{half}.mid.block_{}", i + 1))
        } else {
            self.alike(&format!("{half}.mid_block.resnets.{i}"))
        }
    }

    fn attention(&self, half: &str, part: &str) -> String {
        let middle = if self.compvis() {
            "mid.attn_1"
        } else {
            "mid_block.attentions.0"
        };
        self.alike(&format!("{half}.{middle}.{part}"))
    }

    /// Queries, keys, values, and what mixes the result.
    fn parts(&self) -> [&'static str; 4] {
        match (self.project, self.old) {
            (Project::CompVis, _) => ["q", "k", "v", "proj_out"],
            (Project::Diffusers, false) => ["to_q", "to_k", "to_v", "to_out.0"],
            (Project::Diffusers, true) => ["query", "key", "value", "proj_attn"],
        }
    }

    /// The normalisation of the attention, and the last one of a half.
    fn norms(&self) -> [&'static str; 2] {
        if self.compvis() {
            ["norm", "norm_out"]
        } else {
            ["group_norm", "conv_norm_out"]
        }
    }

    fn of_block(&self) -> BlockKeys {
        BlockKeys {
            norm_in: "norm1",
            conv_in: "conv1",
            modulation: "",
            norm_out: "norm2",
            conv_out: "conv2",
            skip: if self.compvis() {
                "nin_shortcut"
            } else {
                "conv_shortcut"
            },
        }
    }
}

/// Values of which only one is possible here, and which are the defaults.
fn check(config: &Config) -> Result<(), WeightsError> {
    for (key, possible) in [("_class_name", "AutoencoderKL"), ("act_fn", "silu")] {
        if config.text(key)?.is_some_and(|value| value != possible) {
            return Err(config.refuse(key, format!("only {possible} is known")));
        }
    }
    for (key, possible) in [
        ("down_block_types", "DownEncoderBlock2D"),
        ("up_block_types", "UpDecoderBlock2D"),
    ] {
        let types = config.texts(key)?.unwrap_or_default();
        if types.iter().any(|name| *name != possible) {
            return Err(config.refuse(key, format!("only {possible} is known")));
        }
    }
    for key in ["latents_mean", "latents_std"] {
        if config.get(key).is_some() {
            let remedy =
                "only null is known; give scaling_factor and shift_factor for all channels";
            return Err(config.refuse(key, remedy));
        }
    }
    Ok(())
}

fn fit(tensors: &Tensors, config: &Config, project: Project) -> Result<Fit, WeightsError> {
    let keys = Keys::of(tensors, project);
    let has = |key: &str| tensors.contains_key(key);
    // How many levels there are does not matter to those of the encoder.
    let level = |level: usize| keys.level("encoder", level, 0);
    let conv = |l: usize, i: usize| keys.block(&level(l), i) + ".conv1.weight";
    let levels = (0..).take_while(|&l| has(&conv(l, 0))).count();
    let blocks = (0..).take_while(|&i| has(&conv(0, i))).count();
    let widths = (0..levels).map(|l| side(tensors, &conv(l, 0), 0));
    let mut assumed = Vec::new();
    let scale_key = match project {
        Project::Diffusers => "scaling_factor",
        Project::CompVis => "scale_factor",
    };
    let scale = config.number(scale_key)?.unwrap_or_else(|| {
        assumed.push(format!("latents are scaled by {SCALE}"));
        SCALE
    });
    let autoencoder = AutoencoderConfig {
        image_channels: side(tensors, &keys.alike("encoder.conv_in.weight"), 1)?,
        latent_channels: side(tensors, &keys.alike("decoder.conv_in.weight"), 1)?,
        widths: widths.collect::<Result<_, _>>()?,
        blocks,
        attention: has(&keys.attention("encoder", &format!("{}.weight", keys.norms()[0]))),
        norm: Normalisation {
            groups: Groups::Fixed(config.count("norm_num_groups")?.unwrap_or(32)),
            epsilon: 1e-6,
        },
        quantises: has(&keys.alike("quant_conv.weight")),
        dequantises: has(&keys.alike("post_quant_conv.weight")),
        scale,
        shift: config.number("shift_factor")?.unwrap_or(0.0),
    };
    if let Some(reason) = autoencoder.problem() {
        return Err(WeightsError::Impossible { reason });
    }
    let mut table = table(&autoencoder, &keys);
    if project == Project::CompVis {
        // What only training needs, and the rest of a whole model.
        table.ignore(&keys.alike("loss.*"));
        table.ignore("model_ema.*");
        let others = tensors.keys().filter(|key| !key.starts_with(keys.prefix));
        others.for_each(|key| table.ignore(key));
    }
    Ok(Fit {
        structure: Structure::Autoencoder(autoencoder),
        table,
        assumed,
        choices: Config::default(),
    })
}

fn table(autoencoder: &AutoencoderConfig, keys: &Keys) -> Table {
    let mut table = Table::new();
    let [finest, deepest] = [0, autoencoder.widths.len() - 1].map(|i| autoencoder.widths[i]);
    let (image, latent) = (autoencoder.image_channels, autoencoder.latent_channels);
    let moments = 2 * latent;
    half(
        &mut table,
        autoencoder,
        keys,
        "encoder",
        &autoencoder.down(),
        [(image, finest), (deepest, moments)],
    );
    for (present, ours, theirs, channels) in [
        (autoencoder.quantises, "quantise", "quant_conv", moments),
        (
            autoencoder.dequantises,
            "dequantise",
            "post_quant_conv",
            latent,
        ),
    ] {
        if present {
            table.conv(ours, &keys.alike(theirs), channels, channels, 1);
        }
    }
    half(
        &mut table,
        autoencoder,
        keys,
        "decoder",
        &autoencoder.up(),
        [(latent, deepest), (finest, image)],
    );
    table
}

/// The rules of the encoder or the decoder, with the inputs and outputs of its blocks and of its
/// first and last convolution.
fn half(
    table: &mut Table,
    autoencoder: &AutoencoderConfig,
    keys: &Keys,
    half: &str,
    levels: &[Vec<[usize; 2]>],
    [stem, head]: [(usize, usize); 2],
) {
    let our = |part: &str| format!("{half}.{part}");
    let their = |part: &str| keys.alike(&our(part));
    let [norm, last_norm] = keys.norms();
    table.conv(&our("stem"), &their("conv_in"), stem.0, stem.1, 3);
    let block = |table: &mut Table, ours: &str, theirs: &str, &[inputs, outputs]: &[usize; 2]| {
        let block = autoencoder.block(inputs, outputs);
        keys.of_block().rules(table, ours, theirs, &block);
    };
    for (l, pairs) in levels.iter().enumerate() {
        let theirs = keys.level(half, l, levels.len());
        for (i, pair) in pairs.iter().enumerate() {
            let ours = our(&format!("levels.{l}.blocks.{i}"));
            block(table, &ours, &keys.block(&theirs, i), pair);
        }
        if l + 1 < levels.len() {
            let (ours, width) = (our(&format!("levels.{l}.resize")), pairs[0][1]);
            table.conv(&ours, &keys.resize(half, &theirs), width, width, 3);
        }
    }
    let width = autoencoder.widths[autoencoder.widths.len() - 1];
    for (i, name) in ["first", "second"].into_iter().enumerate() {
        let ours = our(&format!("middle.{name}"));
        block(table, &ours, &keys.middle(half, i), &[width; 2]);
    }
    if autoencoder.attention {
        let ours = |part: &str| our(&format!("middle.attention.{part}"));
        let [q, k, v, out] = keys.parts();
        table.norm(&ours("norm"), &keys.attention(half, norm), width);
        let parts = [q, k, v].map(|part| keys.attention(half, part));
        table.stacked(&ours("qkv"), &parts, width, width, keys.trailing);
        let out = (ours("out"), keys.attention(half, out));
        table.rows(&out.0, &out.1, width, width, keys.trailing, RowOrder::Ours);
    }
    table.norm(&our("norm"), &their(last_norm), head.0);
    table.conv(&our("head"), &their("conv_out"), head.0, head.1, 3);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::layout::unet::tests::recovers_structure;

    fn keys(project: Project) -> Keys {
        Keys {
            project,
            prefix: "",
            old: false,
            trailing: if project == Project::CompVis { 2 } else { 0 },
        }
    }

    fn recovers(layout: &Layout, config: &AutoencoderConfig, keys: &Keys, json: &str) -> Tensors {
        let structure = Structure::Autoencoder(config.clone());
        let table = table(config, keys);
        recovers_structure(layout, &structure, &table, json, config.size([8, 8]))
    }

    fn small() -> AutoencoderConfig {
        AutoencoderConfig {
            widths: vec![4, 8, 8],
            blocks: 2,
            latent_channels: 3,
            norm: Normalisation {
                groups: Groups::Fixed(2),
                epsilon: 1e-6,
            },
            scale: 1.5,
            shift: 0.25,
            ..AutoencoderConfig::new(2)
        }
    }

    const JSON: &str = r#"{"norm_num_groups": 2, "scaling_factor": 1.5, "scale_factor": 1.5,
        "shift_factor": 0.25}"#;

    #[test]
    fn both_projects_are_recovered_with_every_option() {
        for (quantises, dequantises, attention) in [
            (true, true, true),
            (false, false, true),
            (true, false, false),
        ] {
            let config = AutoencoderConfig {
                quantises,
                dequantises,
                attention,
                ..small()
            };
            recovers(&DIFFUSERS, &config, &keys(Project::Diffusers), JSON);
            let mut compvis = keys(Project::CompVis);
            if !attention {
                compvis.trailing = 0;
            }
            recovers(&COMPVIS, &config, &compvis, JSON);
        }
        let old = Keys {
            old: true,
            ..keys(Project::Diffusers)
        };
        recovers(&DIFFUSERS, &small(), &old, JSON);
    }

    #[test]
    fn a_whole_model_has_it_under_a_prefix_beside_other_tensors() {
        let whole = Keys {
            prefix: FIRST_STAGE,
            ..keys(Project::CompVis)
        };
        let mut theirs = recovers(&COMPVIS, &small(), &whole, JSON);
        let one = Array::new(vec![1], vec![0.5]);
        for key in [
            "betas",
            "model.diffusion_model.out.0.bias",
            "first_stage_model.loss.logvar",
        ] {
            theirs.insert(key.to_owned(), one.clone());
        }
        let config = Config::parse(JSON).expect("an object");
        let fit = (COMPVIS.fit)(&theirs, &config).expect("an autoencoder");
        let ours = fit.table.import(&theirs).expect("the others do not matter");
        assert_eq!(
            fit.table.export(&ours).expect("all").len(),
            theirs.len() - 3
        );
        // A quantiser would.
        theirs.insert("first_stage_model.quantize.embedding.weight".into(), one);
        let misfit = fit
            .table
            .import(&theirs)
            .expect_err("another kind of autoencoder");
        assert_eq!(misfit.unexpected.len(), 1);
    }

    #[test]
    fn levels_of_the_decoder_are_counted_from_their_own_ends() {
        let [diffusers, compvis] = [Project::Diffusers, Project::CompVis].map(keys);
        assert_eq!(diffusers.level("decoder", 0, 4), "decoder.up_blocks.0");
        assert_eq!(compvis.level("decoder", 0, 4), "decoder.up.3");
        assert_eq!(compvis.level("encoder", 1, 4), "encoder.down.1");
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_key() {
        for (json, part) in [
            (r#"{"_class_name": "AutoencoderOobleck"}"#, "_class_name"),
            (r#"{"latents_mean": [0.1, 0.2]}"#, "latents_mean"),
            (
                r#"{"down_block_types": ["AttnDownEncoderBlock2D"]}"#,
                "down_block_types",
            ),
        ] {
            let config = Config::parse(json).expect("an object");
            let error = (DIFFUSERS.fit)(&Tensors::new(), &config).expect_err(part);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
