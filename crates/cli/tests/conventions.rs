//! Samplers ask imported networks what the samplers of their projects ask them.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use pyroclast_core::condition::{Condition, Given};
use pyroclast_core::field::{Denoiser, VectorField};
use pyroclast_core::network::Network;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_models::{Init, UNetConfig};
use pyroclast_train::exchange::model_file;
use pyroclast_train::model::Model;
use pyroclast_train::model_file::Origin;
use pyroclast_train::stored_model::{StoredModel, WithModel};
use pyroclast_weights::{
    Convention, Fit, Golden, Structure, by_name, export, fit, read, tensors_of,
};
use std::path::{Path, PathBuf};

fn network(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks")
        .join(file)
}

fn stored(fit: &Fit, tensors: pyroclast_weights::Tensors, convention: &str) -> StoredModel {
    let convention = Convention::named(convention).expect("a convention");
    let origin = Origin {
        file: "network".into(),
        layout: "its".into(),
        convention: convention.name.into(),
        choices: Default::default(),
    };
    let file = model_file(fit, tensors, convention, origin, "ema", &[]).expect("a model");
    StoredModel::of_file(file, Path::new("network")).expect("a header")
}

fn row<B: AutodiffBackend, const D: usize>(values: &[f32], shape: &[usize]) -> Tensor<B, D> {
    let data = TensorData::new(values.to_vec(), shape.to_vec());
    Tensor::from_data(data, &Default::default())
}

fn values<B: burn::tensor::backend::Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    x.into_data()
        .convert::<f32>()
        .into_vec()
        .expect("single precision")
}

/// What the model's field says that the network predicts, at the times and states of a golden file,
/// asked for one sample at a time as samplers do.
struct Predicted<'a> {
    golden: &'a Golden,
    /// Our time of theirs.
    time: fn(f64) -> f64,
}

impl<B: AutodiffBackend> WithModel<B> for Predicted<'_> {
    type Output = Vec<f64>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Vec<f64>
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let golden = self.golden;
        let n = golden.len();
        let (dim, outputs) = (golden.x.values.len() / n, golden.output.values.len() / n);
        let mut shape = golden.x.shape.clone();
        shape[0] = 1;
        let times = golden.t.as_ref().expect("times");
        let mut all = Vec::new();
        for i in 0..n {
            let x: Vec<f32> = { golden.x.values[i * dim..(i + 1) * dim].iter() }
                .map(|&value| value as f32)
                .collect();
            let x = row::<B, D>(&x, &shape);
            let label = golden.y.as_ref().and_then(|y| y[i]);
            let labels = label.map(|label| Given::labels(&[label], 10));
            let given = labels.unwrap_or_default();
            let condition = N::Condition::upload(&given, &Default::default());
            let field = model.flow.given(&condition);
            let t = (self.time)(times[i]);
            let is_velocity = model.flow.path.schedule.table().is_none();
            let predicted = if is_velocity {
                field.velocity(t, x)
            } else {
                field.endpoints(t, x).x0
            };
            all.extend(values(predicted).into_iter().map(f64::from));
            // The other half of an output is its variance, which the field does not show here.
            let variance = &golden.output.values[i * outputs + dim..(i + 1) * outputs];
            all.extend_from_slice(variance);
        }
        all
    }
}

#[test]
fn fields_of_imported_networks_are_their_projects_outputs() {
    let index: fn(f64) -> f64 = |k| 1.0 - (k + 1.0) / 1000.0;
    for (file, layout, convention, time) in [
        (
            "torchcfm_unet_f32",
            "torchcfm",
            "flow-matching",
            (|t| t) as fn(f64) -> f64,
        ),
        ("guided_diffusion_adm", "guided-diffusion", "ddpm", index),
        ("diffusers_unet2d", "diffusers-unet", "ddpm", index),
    ] {
        let path = network(&format!("{file}.safetensors"));
        let golden = Golden::read(&path, "output").expect("outputs");
        let mut checkpoint = read(&path, None).expect("weights");
        checkpoint
            .tensors
            .retain(|key, _| !key.starts_with("golden."));
        let (_, fit, tensors) =
            fit(&checkpoint.tensors, Some(layout), &checkpoint.config).expect("a network");
        let stored = stored(&fit, tensors, convention);
        let predicted = Predicted {
            golden: &golden,
            time,
        };
        let found = stored.with_model::<Autodiff<Flex>, _>(&FlexDevice, predicted);
        let differences = golden
            .differences(&found.expect("a model"))
            .expect("as many");
        for difference in differences {
            assert!(difference < 1e-4, "{file}: {difference}");
        }
    }
}

/// States at a noise level σ, of a signal that is not scaled.
fn states<B: AutodiffBackend, const D: usize>(sigma: f64) -> Tensor<B, D> {
    let noise = Noise::new(1).draws(Stream::Source, 0).normals(2 * 3 * 64);
    row::<B, D>(&noise, &[2, 3, 8, 8]) * sigma
}

/// The states as a model denoises them at a time of its path, where the signal has the size α.
struct Denoised {
    sigma: f64,
    t: f64,
    alpha: f64,
}

impl<B: AutodiffBackend> WithModel<B> for Denoised {
    type Output = Vec<f32>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Vec<f32>
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let condition = N::Condition::upload(&Given::nothing(), &Default::default());
        let field = model.flow.given(&condition);
        values(field.denoise(self.t, states::<B, D>(self.sigma) * self.alpha))
    }
}

/// The states as EDM's preconditioners denoise them: `c_skip·x + c_out·F(c_in·x, c_noise)`, by a
/// network F that takes the number which its sinusoids are of.
struct Preconditioned {
    sigma: f64,
    skip: f64,
    out: f64,
    input: f64,
    noise: f64,
}

impl<B: AutodiffBackend> WithModel<B> for &Preconditioned {
    type Output = Vec<f32>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Vec<f32>
    where
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let condition = N::Condition::upload(&Given::nothing(), &Default::default());
        let x = states::<B, D>(self.sigma);
        let time = row::<B, 1>(&[self.noise as f32; 2], &[2]);
        let output = (model.flow.network).forward(x.clone() * self.input, time, &condition);
        values(x * self.skip + output * self.out)
    }
}

#[test]
fn preconditioned_networks_are_shown_what_edm_shows_them() {
    // A small DDPM++ with weights that are drawn.
    let unet = UNetConfig {
        image_size: [8, 8],
        channels: 16,
        multipliers: vec![1.0, 2.0],
        blocks: 1,
        attention: vec![4],
        dropout: 0.0,
        augmentation: 0,
        ..UNetConfig::ddpmpp_cifar10()
    };
    let device = FlexDevice;
    let mut ours = tensors_of(&unet.init::<Flex>(&mut Init::new(Noise::new(0), &device)));
    // The last layer starts at zero.
    let head = ours.get_mut("head.weight").expect("the last layer");
    head.values = Noise::new(2)
        .draws(Stream::Source, 0)
        .normals(head.values.len());
    let layout = by_name("edm-ddpmpp").expect("a layout");
    let structure = Structure::UNet(unet);
    let (theirs, arguments) =
        export(layout, &structure, &Default::default(), &ours).expect("all parameters");
    let (_, fit, tensors) = fit(&theirs, None, &arguments).expect("a network");
    // EDM's own time goes into the sinusoids as it is.
    let raw = stored(&fit, tensors.clone(), "edm");
    for sigma in [0.03_f64, 0.7, 20.0] {
        let root = (sigma * sigma + 0.25).sqrt();
        let edm = Preconditioned {
            sigma,
            skip: 0.25 / (root * root),
            out: sigma * 0.5 / root,
            input: 1.0 / root,
            noise: 0.25 * sigma.ln(),
        };
        // s solves σ² = e^{½·β_d·s² + β_min·s} − 1.
        let l = (sigma * sigma).ln_1p();
        let s = ((0.1_f64 * 0.1 + 2.0 * 19.9 * l).sqrt() - 0.1) / 19.9;
        let one = (sigma * sigma + 1.0).sqrt();
        let vp = Preconditioned {
            sigma,
            skip: 1.0,
            out: -sigma,
            input: 1.0 / one,
            noise: 999.0 * s,
        };
        let ve = Preconditioned {
            sigma,
            skip: 1.0,
            out: sigma,
            input: 1.0,
            noise: (0.5 * sigma).ln(),
        };
        for (convention, theirs, t, alpha) in [
            ("edm", edm, 1.0 - sigma / 80.0, 1.0),
            ("vp", vp, 1.0 - s, 1.0 / one),
            ("ve", ve, (100.0 / sigma).ln() / 5000_f64.ln(), 1.0),
        ] {
            let stored = stored(&fit, tensors.clone(), convention);
            let denoised = Denoised { sigma, t, alpha };
            let ours = stored.with_model::<Autodiff<Flex>, _>(&device, denoised);
            let theirs = raw.with_model::<Autodiff<Flex>, _>(&device, &theirs);
            let (ours, theirs) = (ours.expect("a model"), theirs.expect("a model"));
            let scale = theirs.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            for (a, b) in ours.iter().zip(&theirs) {
                assert!(
                    (a - b).abs() < 1e-4 * scale,
                    "{convention} at {sigma}: {a} {b}"
                );
            }
        }
    }
}
