//! Transformers and autoencoders of other projects give the outputs that they had there, and leave
//! as they came.

mod support;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use pyroclast_core::condition::{Images, Labels, Sequences, Vectors};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::{Autoencoder, DiT, DiTConfig, Init, SecondHalf, Taesd};
use pyroclast_weights::{Config, Fit, Structure, Tensors, WeightsError};
use pyroclast_weights::{by_name, cast, export, fit, load, read, tensors_of};
use support::{Outputs, check, path, same_bits, same_file};

/// The weights in a file under the project's keys, and what they are in a layout.
fn open(
    files: [&str; 2],
    layout: &str,
    part: Option<&str>,
) -> Result<(Tensors, Fit, Tensors), WeightsError> {
    let mut weights = read(&path(files[0]), part)?;
    weights.tensors.retain(|key, _| !key.starts_with("golden."));
    let config = read(&path(files[1]), None)?.config;
    let (_, fit, ours) = fit(&weights.tensors, Some(layout), &config)?;
    Ok((weights.tensors, fit, ours))
}

/// Checks that a network is written in a layout as it came from there, with a configuration that
/// gives it back.
fn leaves(layout: &str, fit: &Fit, ours: &Tensors, theirs: &Tensors) -> Tensors {
    let Fit {
        structure, choices, ..
    } = fit;
    let layout = by_name(layout).expect("a layout");
    let (exported, config) = export(layout, structure, choices, ours).expect("its own layout");
    same_bits(&exported, theirs);
    let (_, again, same) =
        pyroclast_weights::fit(&exported, Some(layout.name), &config).expect("its own");
    assert_eq!(again.structure, *structure);
    assert_eq!(same, *ours);
    exported
}

/// A transformer, and the key of its output.
struct Transformer {
    files: [&'static str; 2],
    part: Option<&'static str>,
    output: &'static str,
}

const LEGACY: [&str; 2] = ["dit_legacy.pt", "dit_legacy.safetensors"];

const TRANSFORMERS: [Transformer; 3] = [
    Transformer {
        files: ["dit.safetensors"; 2],
        part: None,
        output: "golden.output",
    },
    Transformer {
        files: LEGACY,
        part: None,
        output: "golden.output",
    },
    Transformer {
        files: LEGACY,
        part: Some("model"),
        output: "golden.output_model",
    },
];

impl Transformer {
    fn open(&self, layout: &str) -> (Tensors, DiTConfig, Fit, Tensors) {
        let (theirs, fit, ours) = open(self.files, layout, self.part).expect("a transformer");
        let Structure::DiT(config) = fit.structure.clone() else {
            panic!("a transformer");
        };
        (theirs, config, fit, ours)
    }

    fn network<B: Backend>(&self, layout: &str) -> DiT<B> {
        let (_, config, _, ours) = self.open(layout);
        let device = Default::default();
        let network = config.init(&mut Init::new(Noise::new(0), &device));
        load::<B, _>(network, &ours).expect("its own tensors")
    }

    /// The output at times `clock(t)`, t being the project's.
    fn output<B: Backend>(
        &self,
        layout: &str,
        dtype: DType,
        clock: impl Fn(f64) -> f64,
    ) -> Tensor<B, 4> {
        let outputs = Outputs::open(self.files[1]);
        let (times, shape) = outputs.floats("golden.t");
        let times: Vec<f64> = times.iter().map(|t| clock(f64::from(*t))).collect();
        let device = Default::default();
        let data = TensorData::new(times, [shape[0]]).convert_dtype(dtype);
        let t = Tensor::from_data(data, (&device, dtype));
        let labels = Labels::from_rows(&outputs.labels().expect("labels"), &device);
        let others = (
            Vectors::default(),
            (Images::default(), Sequences::default()),
        );
        let condition = (labels, others);
        let network = cast(self.network::<B>(layout), dtype);
        network.forward(outputs.images("golden.x", dtype), t, &condition)
    }

    fn check<B: Backend>(&self, dtype: DType, most: f64) {
        let y = self.output::<B>("dit", dtype, |index| 1.0 - (index + 1.0) / 1000.0);
        let outputs = Outputs::open(self.files[1]);
        let name = format!("{} {}", self.files[0], self.output);
        check(&name, &outputs.differences(self.output, y), most);
    }
}

#[test]
fn transformers_have_the_outputs_of_the_project() {
    for transformer in &TRANSFORMERS {
        transformer.check::<burn_flex::Flex>(DType::F32, 1e-4);
        transformer.check::<burn_ndarray::NdArray>(DType::F64, 1e-6);
    }
}

#[test]
fn a_transformer_of_flows_is_the_first_half_of_the_other_on_its_own_clock() {
    let transformer = &TRANSFORMERS[0];
    let (_, config, _, _) = transformer.open("sit");
    assert_eq!(config.second_half, SecondHalf::Dropped);
    let half = transformer.output::<burn_ndarray::NdArray>("sit", DType::F64, |index| index);
    let clock = |index: f64| 1.0 - (index + 1.0) / 1000.0;
    let both = transformer.output::<burn_ndarray::NdArray>("dit", DType::F64, clock);
    let difference = (half - both.narrow(1, 0, 4)).abs().max().into_data();
    let difference: Vec<f64> = difference.into_vec().expect("double precision");
    assert!(difference[0] < 1e-9, "{difference:?}");
}

#[test]
fn a_transformer_leaves_as_it_came() {
    for transformer in &TRANSFORMERS {
        for layout in ["dit", "sit"] {
            let (theirs, _, fit, _) = transformer.open(layout);
            let ours = tensors_of(&transformer.network::<burn_flex::Flex>(layout));
            let exported = leaves(layout, &fit, &ours, &theirs);
            if transformer.files[0] == transformer.files[1] {
                same_file(&exported, transformer.files[0], None);
            }
        }
    }
}

const KL: &str = "diffusers_autoencoder_kl.safetensors";

fn autoencoder<B: Backend>(fit: &Fit, ours: &Tensors) -> Autoencoder<B> {
    let Structure::Autoencoder(config) = &fit.structure else {
        panic!("an autoencoder");
    };
    let device = Default::default();
    let network = config.init(&mut Init::new(Noise::new(0), &device));
    load::<B, _>(network, ours).expect("its own tensors")
}

/// Checks both directions of an autoencoder.
fn check_autoencoder<B: Backend>(fit: &Fit, ours: &Tensors, dtype: DType, most: f64) {
    let network = cast(autoencoder::<B>(fit, ours), dtype);
    let outputs = Outputs::open(KL);
    let images = |key: &str| outputs.images::<B>(key, dtype);
    let posterior = network.encode(images("golden.x"));
    for (key, found) in [
        ("golden.moments", network.moments(images("golden.x"))),
        ("golden.latent", posterior.mode()),
        ("golden.output", network.decode(images("golden.latent"))),
    ] {
        let differences = outputs.differences(key, found);
        check(&format!("{KL} {key}"), &differences, most);
    }
}

#[test]
fn an_autoencoder_has_the_moments_and_images_of_the_project() {
    let (_, fit, ours) = open([KL; 2], "diffusers-autoencoder-kl", None).expect("an autoencoder");
    check_autoencoder::<burn_flex::Flex>(&fit, &ours, DType::F32, 1e-4);
    check_autoencoder::<burn_ndarray::NdArray>(&fit, &ours, DType::F64, 1e-6);
}

#[test]
fn an_autoencoder_leaves_as_it_came() {
    let (theirs, fit, ours) = open([KL; 2], "diffusers-autoencoder-kl", None).expect("weights");
    let ours = tensors_of(&autoencoder::<burn_flex::Flex>(&fit, &ours));
    let exported = leaves("diffusers-autoencoder-kl", &fit, &ours, &theirs);
    same_file(&exported, KL, None);
}

#[test]
fn an_autoencoder_under_the_names_of_compvis_is_the_same() {
    let (theirs, diffusers, ours) =
        open([KL; 2], "diffusers-autoencoder-kl", None).expect("weights");
    let renamed = |key: &str| {
        let mut key = key.to_owned();
        for (from, to) in [
            ("up_blocks.0.", "up.1."),
            ("up_blocks.1.", "up.0."),
            ("down_blocks.", "down."),
            ("mid_block.resnets.0", "mid.block_1"),
            ("mid_block.resnets.1", "mid.block_2"),
            ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
            ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
            ("mid_block.attentions.0.to_", "mid.attn_1."),
            (".resnets.", ".block."),
            ("downsamplers.0", "downsample"),
            ("upsamplers.0", "upsample"),
            ("conv_shortcut", "nin_shortcut"),
            ("conv_norm_out", "norm_out"),
        ] {
            key = key.replace(from, to);
        }
        format!("first_stage_model.{key}")
    };
    let compvis = theirs.iter().map(|(key, tensor)| {
        let mut tensor = tensor.clone();
        if key.contains("attentions") && tensor.shape.len() == 2 {
            tensor.shape.extend([1, 1]);
        }
        (renamed(key), tensor)
    });
    let compvis: Tensors = compvis.collect();
    let config = Config::parse(r#"{"norm_num_groups": 16}"#).expect("an object");
    // The only layout with these keys need not be named.
    let (layout, fit, same) = fit(&compvis, None, &config).expect("an autoencoder");
    assert_eq!(layout.name, "latent-diffusion");
    assert_eq!(same, ours);
    assert_eq!(fit.structure, diffusers.structure);
    same_bits(&fit.table.export(&same).expect("all parameters"), &compvis);
    // Alone, it has no prefix.
    let alone = compvis.into_iter().map(|(key, tensor)| {
        let key = key.strip_prefix("first_stage_model.").expect("a prefix");
        (key.to_owned(), tensor)
    });
    leaves("latent-diffusion", &fit, &ours, &alone.collect());
}

#[test]
fn what_a_project_cannot_build_is_not_written_for_it() {
    let (_, fit, ours) = open([TINY; 2], "diffusers-autoencoder-tiny", None).expect("weights");
    for layout in ["taesd", "dit", "torchcfm", "latent-diffusion"] {
        let layout = by_name(layout).expect("a layout");
        assert!(
            export(layout, &fit.structure, &fit.choices, &ours).is_err(),
            "{}",
            layout.name
        );
    }
    // A variance is not SiT's to predict.
    let (_, _, fit, ours) = TRANSFORMERS[0].open("dit");
    let sit = by_name("sit").expect("a layout");
    let message = export(sit, &fit.structure, &fit.choices, &ours)
        .expect_err("a variance")
        .to_string();
    assert!(message.contains("Variance"), "{message}");
}

const TINY: &str = "diffusers_autoencoder_tiny.safetensors";

fn tiny<B: Backend>(fit: &Fit, ours: &Tensors) -> Taesd<B> {
    let Structure::Taesd(config) = &fit.structure else {
        panic!("a tiny autoencoder");
    };
    let device = Default::default();
    let network = config.init(&mut Init::new(Noise::new(0), &device));
    load::<B, _>(network, ours).expect("its own tensors")
}

/// Checks both directions of a tiny autoencoder.
fn check_tiny<B: Backend>(network: Taesd<B>, file: &str, dtype: DType, most: f64) {
    let network = cast(network, dtype);
    let outputs = Outputs::open(file);
    let images = |key: &str| outputs.images::<B>(key, dtype);
    for (key, found) in [
        ("golden.latent", network.encode(images("golden.x"))),
        ("golden.output", network.decode(images("golden.latent"))),
    ] {
        let differences = outputs.differences(key, found);
        check(&format!("{file} {key}"), &differences, most);
    }
}

#[test]
fn a_tiny_autoencoder_has_the_latents_and_images_of_the_project() {
    let (_, fit, ours) = open([TINY; 2], "diffusers-autoencoder-tiny", None).expect("weights");
    let flex = tiny::<burn_flex::Flex>(&fit, &ours);
    check_tiny(flex, TINY, DType::F32, 1e-4);
    let ndarray = tiny::<burn_ndarray::NdArray>(&fit, &ours);
    check_tiny(ndarray, TINY, DType::F64, 1e-6);
}

#[test]
fn a_tiny_autoencoder_leaves_as_it_came() {
    let (theirs, fit, ours) = open([TINY; 2], "diffusers-autoencoder-tiny", None).expect("weights");
    let ours = tensors_of(&tiny::<burn_flex::Flex>(&fit, &ours));
    let exported = leaves("diffusers-autoencoder-tiny", &fit, &ours, &theirs);
    same_file(&exported, TINY, None);
}

#[test]
#[ignore = "put TAESD's taef2_encoder.pth and taef2_decoder.pth, and outputs, into assets/networks"]
fn the_published_variant_with_pools_has_the_latents_and_images_of_the_project() {
    fn network<B: Backend>() -> Taesd<B> {
        let half = |file: &str| {
            let (theirs, fit, ours) = open([file; 2], "taesd", None).expect("weights");
            let network = tiny::<B>(&fit, &ours);
            leaves("taesd", &fit, &tensors_of(&network), &theirs);
            network
        };
        half("taef2_encoder.pth").with_decoder_of(half("taef2_decoder.pth"))
    }
    const GOLDEN: &str = "taef2_golden.safetensors";
    check_tiny(network::<burn_flex::Flex>(), GOLDEN, DType::F32, 1e-4);
}
