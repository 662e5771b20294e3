//! TAESD, as its own files and as diffusers name it.
//!
//! Layers are numbered in the order in which images pass them; what has no parameters has a number
//! too. diffusers keeps both halves in one file, and counts one less in the decoder, whose first
//! function is not among its layers.
//!
//! Source: the state_dicts of TAESD and of diffusers' `AutoencoderTiny`.

use super::unet::side;
use super::{Fit, Layout, Structure, Written};
use crate::array::Tensors;
use crate::config::Config;
use crate::error::WeightsError;
use crate::table::Table;
use pyroclast_models::{TaesdConfig, TaesdParts};
use serde_json::json;

/// Its own files.
pub(crate) const TAESD: Layout = Layout {
    name: "taesd",
    about: "TAESD, the tiny autoencoder; its encoder or its decoder, which are separate files",
    marks: &["3.conv.0.weight", "13.conv.4.weight"],
    fit: |tensors, _| {
        let parts = if tensors.contains_key("19.weight") {
            TaesdParts::Decoder
        } else {
            TaesdParts::Encoder
        };
        fit(tensors, &Keys::TAESD, parts, false)
    },
    write: |structure, _| match structure {
        // Both halves would have the same keys.
        Structure::Taesd(taesd) if taesd.parts != TaesdParts::Both => Some(Written {
            table: table(taesd, &Keys::TAESD),
            config: Config::default(),
        }),
        _ => None,
    },
};

/// diffusers.
pub(crate) const DIFFUSERS: Layout = Layout {
    name: "diffusers-autoencoder-tiny",
    about: "diffusers' AutoencoderTiny, with its config.json; TAESD with pixels in [−1, 1]",
    marks: &[
        "encoder.layers.3.conv.0.weight",
        "decoder.layers.2.conv.0.weight",
    ],
    fit: |tensors, config| {
        check(config)?;
        fit(tensors, &Keys::DIFFUSERS, TaesdParts::Both, true)
    },
    write: |structure, _| match structure {
        Structure::Taesd(taesd) if taesd.parts == TaesdParts::Both => Some(Written {
            table: table(taesd, &Keys::DIFFUSERS),
            config: Config::from_iter([
                ("_class_name", json!("AutoencoderTiny")),
                ("in_channels", json!(taesd.image_channels)),
                ("out_channels", json!(taesd.image_channels)),
                ("latent_channels", json!(taesd.latent_channels)),
                ("encoder_block_out_channels", json!(vec![taesd.width; 4])),
                ("decoder_block_out_channels", json!(vec![taesd.width; 4])),
            ]),
        }),
        _ => None,
    },
};

/// Where each half's layers are.
struct Keys {
    encoder: &'static str,
    decoder: &'static str,
    /// The number of the decoder's first convolution.
    first: usize,
}

impl Keys {
    const TAESD: Self = Self {
        encoder: "",
        decoder: "",
        first: 1,
    };
    const DIFFUSERS: Self = Self {
        encoder: "encoder.layers.",
        decoder: "decoder.layers.",
        first: 0,
    };

    fn encoder(&self, number: usize) -> String {
        format!("{}{number}", self.encoder)
    }

    /// A layer of the decoder, by its number counted from the first convolution.
    fn decoder(&self, after: usize) -> String {
        format!("{}{}", self.decoder, self.first + after)
    }
}

/// Values of which only one is possible here, and which are the defaults.
fn check(config: &Config) -> Result<(), WeightsError> {
    for (key, possible) in [
        ("_class_name", "AutoencoderTiny"),
        ("act_fn", "relu"),
        ("upsample_fn", "nearest"),
    ] {
        if config.text(key)?.is_some_and(|value| value != possible) {
            return Err(config.refuse(key, format!("only {possible} is known")));
        }
    }
    for (key, possible) in [
        ("num_encoder_blocks", [1, 3, 3, 3]),
        ("num_decoder_blocks", [3, 3, 3, 1]),
    ] {
        if config.counts(key)?.is_some_and(|value| value != possible) {
            return Err(config.refuse(key, format!("only {possible:?} is known")));
        }
    }
    for (key, possible) in [
        ("upsampling_scaling_factor", 2.0),
        ("latent_magnitude", 3.0),
        ("scaling_factor", 1.0),
        ("shift_factor", 0.0),
    ] {
        if config.number(key)?.is_some_and(|value| value != possible) {
            return Err(config.refuse(key, format!("only {possible} is known")));
        }
    }
    Ok(())
}

fn fit(
    tensors: &Tensors,
    keys: &Keys,
    parts: TaesdParts,
    signed: bool,
) -> Result<Fit, WeightsError> {
    let of = |key: String, axis: usize| side(tensors, &(key + ".weight"), axis);
    let (image_channels, latent_channels, width, pool) = if parts.encodes() {
        (
            of(keys.encoder(0), 1)?,
            of(keys.encoder(14), 0)?,
            of(keys.encoder(0), 0)?,
            keys.encoder(11),
        )
    } else {
        (
            of(keys.decoder(18), 0)?,
            of(keys.decoder(0), 1)?,
            of(keys.decoder(0), 0)?,
            keys.decoder(2),
        )
    };
    let taesd = TaesdConfig {
        image_channels,
        latent_channels,
        width,
        pools: tensors.contains_key(&(pool + ".pool.0.weight")),
        parts,
        signed,
    };
    if let Some(reason) = taesd.problem() {
        return Err(WeightsError::Impossible { reason });
    }
    Ok(Fit {
        structure: Structure::Taesd(taesd),
        table: table(&taesd, keys),
        assumed: Vec::new(),
        choices: Config::default(),
    })
}

fn table(taesd: &TaesdConfig, keys: &Keys) -> Table {
    let mut table = Table::new();
    let (image, latent, width) = (taesd.image_channels, taesd.latent_channels, taesd.width);
    if taesd.parts.encodes() {
        table.conv("encoder.stem", &keys.encoder(0), image, width, 3);
        block(
            &mut table,
            "encoder.levels.0.blocks.0",
            &keys.encoder(1),
            taesd,
            false,
        );
        for level in 1..4 {
            let ours = format!("encoder.levels.{level}");
            let first = 4 * level - 2;
            let resize = (format!("{ours}.resize"), keys.encoder(first));
            table.conv_without_bias(&resize.0, &resize.1, width, width, 3);
            for i in 0..3 {
                let (ours, theirs) = (format!("{ours}.blocks.{i}"), keys.encoder(first + 1 + i));
                block(&mut table, &ours, &theirs, taesd, taesd.pools && level == 3);
            }
        }
        table.conv("encoder.head", &keys.encoder(14), width, latent, 3);
    }
    if taesd.parts.decodes() {
        table.conv("decoder.stem", &keys.decoder(0), latent, width, 3);
        for level in 0..3 {
            let ours = format!("decoder.levels.{level}");
            let first = 2 + 5 * level;
            for i in 0..3 {
                let (ours, theirs) = (format!("{ours}.blocks.{i}"), keys.decoder(first + i));
                block(&mut table, &ours, &theirs, taesd, taesd.pools && level == 0);
            }
            let resize = (format!("{ours}.resize"), keys.decoder(first + 4));
            table.conv_without_bias(&resize.0, &resize.1, width, width, 3);
        }
        block(
            &mut table,
            "decoder.levels.3.blocks.0",
            &keys.decoder(17),
            taesd,
            false,
        );
        table.conv("decoder.head", &keys.decoder(18), width, image, 3);
    }
    table
}

fn block(table: &mut Table, ours: &str, theirs: &str, taesd: &TaesdConfig, pool: bool) {
    let (width, wide) = (taesd.width, taesd.pool_width());
    if pool {
        let mut matrix = |our: &str, their: &str, inputs: usize, outputs: usize| {
            let names = (
                format!("{ours}.pool.{our}"),
                format!("{theirs}.pool.{their}"),
            );
            table.conv_without_bias(&names.0, &names.1, inputs, outputs, 1);
        };
        matrix("wide", "0", width, wide);
        matrix("narrow", "3", wide, width);
        table.norm(
            &format!("{ours}.pool.norm"),
            &format!("{theirs}.pool.1"),
            wide,
        );
    }
    for i in 0..3 {
        let names = (
            format!("{ours}.convs.{i}"),
            format!("{theirs}.conv.{}", 2 * i),
        );
        table.conv(&names.0, &names.1, width, width, 3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::unet::tests::recovers_structure;

    fn recovers(layout: &Layout, taesd: &TaesdConfig, keys: &Keys) -> Tensors {
        let structure = Structure::Taesd(*taesd);
        let table = table(taesd, keys);
        recovers_structure(layout, &structure, &table, "{}", taesd.size([8, 8]))
    }

    #[test]
    fn both_halves_are_recovered_with_and_without_pools() {
        for pools in [false, true] {
            for parts in [TaesdParts::Encoder, TaesdParts::Decoder] {
                let taesd = TaesdConfig {
                    width: 4,
                    image_channels: 2,
                    pools,
                    parts,
                    ..TaesdConfig::new()
                };
                recovers(&TAESD, &taesd, &Keys::TAESD);
            }
            let taesd = TaesdConfig {
                width: 4,
                pools,
                signed: true,
                ..TaesdConfig::new()
            };
            recovers(&DIFFUSERS, &taesd, &Keys::DIFFUSERS);
        }
    }

    #[test]
    fn layers_have_the_numbers_of_the_project() {
        let pooled = |parts| TaesdConfig {
            width: 4,
            parts,
            ..TaesdConfig::pooled()
        };
        let encoder = recovers(&TAESD, &pooled(TaesdParts::Encoder), &Keys::TAESD);
        let without_bias = |theirs: &Tensors, numbers: &[usize]| {
            for number in numbers {
                assert!(theirs.contains_key(&format!("{number}.weight")), "{number}");
                assert!(!theirs.contains_key(&format!("{number}.bias")), "{number}");
            }
        };
        without_bias(&encoder, &[2, 6, 10]);
        assert!(encoder.contains_key("13.pool.3.weight") && encoder.contains_key("14.bias"));
        let decoder = recovers(&TAESD, &pooled(TaesdParts::Decoder), &Keys::TAESD);
        without_bias(&decoder, &[7, 12, 17]);
        assert!(decoder.contains_key("5.pool.1.bias") && decoder.contains_key("18.conv.4.bias"));
        assert!(decoder.contains_key("1.bias") && decoder.contains_key("19.bias"));
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_key() {
        for (json, part) in [
            (r#"{"_class_name": "AutoencoderKL"}"#, "_class_name"),
            (r#"{"num_encoder_blocks": [1, 2]}"#, "num_encoder_blocks"),
            (r#"{"scaling_factor": 0.5}"#, "scaling_factor"),
        ] {
            let config = Config::parse(json).expect("an object");
            let error = (DIFFUSERS.fit)(&Tensors::new(), &config).expect_err(part);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
