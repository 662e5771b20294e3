//! Networks of other projects give the outputs that they had there, and leave as they came.

mod support;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use pyroclast_core::condition::{Images, Labels, Sequences, Vectors};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::{Init, UNet};
use pyroclast_weights::{Fit, Precision, Structure, Tensors, cast, fit, load, read, tensors_of};
use support::{Outputs, path, same_bits, same_file};

/// A network of another project, and its outputs there.
struct Golden {
    /// The file of the weights, and that of the outputs.
    files: [&'static str; 2],
    layout: &'static str,
    part: Option<&'static str>,
    output: &'static str,
    /// The steps of the DDPM whose indices its times are.
    steps: Option<f64>,
}

const fn alone(file: &'static str, layout: &'static str, steps: Option<f64>) -> Golden {
    Golden {
        files: [file, file],
        layout,
        part: None,
        output: "golden.output",
        steps,
    }
}

const CHECKPOINT: [&str; 2] = ["torchcfm_checkpoint.pt", "torchcfm_checkpoint.safetensors"];

const GOLDEN: [Golden; 6] = [
    alone("torchcfm_unet_f32.safetensors", "torchcfm", None),
    alone("torchcfm_unet.safetensors", "torchcfm", None),
    Golden {
        files: CHECKPOINT,
        layout: "torchcfm",
        part: None,
        output: "golden.output",
        steps: None,
    },
    Golden {
        files: CHECKPOINT,
        layout: "torchcfm",
        part: Some("net_model"),
        output: "golden.output_net",
        steps: None,
    },
    alone(
        "guided_diffusion_adm.safetensors",
        "guided-diffusion",
        Some(1000.0),
    ),
    alone(
        "diffusers_unet2d.safetensors",
        "diffusers-unet",
        Some(1000.0),
    ),
];

impl Golden {
    /// The weights under the project's keys, and the network that they belong to.
    fn open(&self) -> (Tensors, Fit, Tensors) {
        let mut weights = read(&path(self.files[0]), self.part).expect("a file of weights");
        weights.tensors.retain(|key, _| !key.starts_with("golden."));
        let config = read(&path(self.files[1]), None).expect("outputs").config;
        let (layout, fit, ours) =
            fit(&weights.tensors, Some(self.layout), &config).expect("weights of this layout");
        assert_eq!(layout.name, self.layout);
        (weights.tensors, fit, ours)
    }

    fn network<B: Backend>(&self) -> UNet<B> {
        let (_, fit, ours) = self.open();
        let Structure::UNet(config) = fit.structure else {
            panic!("a UNet");
        };
        let device = Default::default();
        let mut init = Init::new(Noise::new(0), &device);
        load::<B, _>(config.init(&mut init), &ours).expect("its own tensors")
    }

    /// The largest difference in each sample, in units of the deviation of that sample's output.
    fn differences<B: Backend>(&self, dtype: DType) -> Vec<f64> {
        let outputs = Outputs::open(self.files[1]);
        let device = Default::default();
        let x = outputs.images::<B>("golden.x", dtype);
        let batch = x.dims()[0];
        let (times, _) = outputs.floats("golden.t");
        let times = times.iter().map(|time| match self.steps {
            None => f64::from(*time),
            Some(steps) => 1.0 - (f64::from(*time) + 1.0) / steps,
        });
        let times: Vec<f64> = times.collect();
        let labels = outputs.labels();
        let labels = labels.map(|labels| Labels::from_rows(&labels, &device));
        let condition = (
            labels.unwrap_or_default(),
            (
                Vectors::default(),
                (Images::default(), Sequences::default()),
            ),
        );
        let data = TensorData::new(times, [batch]).convert_dtype(dtype);
        let t = Tensor::from_data(data, (&device, dtype));
        let network = cast(self.network::<B>(), dtype);
        outputs.differences(self.output, network.forward(x, t, &condition))
    }
}

fn check<B: Backend>(dtype: DType, most: f64) {
    for golden in &GOLDEN {
        let name = format!("{} {}", golden.files[0], golden.output);
        support::check(&name, &golden.differences::<B>(dtype), most);
    }
}

#[test]
fn outputs_are_those_of_the_projects_on_flex() {
    check::<burn_flex::Flex>(DType::F32, 1e-4);
}

#[test]
fn outputs_are_those_of_the_projects_on_ndarray() {
    // The outputs were rounded to single precision, which is all that is left in double precision.
    check::<burn_ndarray::NdArray>(DType::F64, 1e-6);
    check::<burn_ndarray::NdArray>(DType::F32, 1e-4);
}

#[test]
fn what_is_imported_into_a_network_is_exported_to_the_byte() {
    for golden in &GOLDEN {
        let (theirs, fit, _) = golden.open();
        let ours = tensors_of(&golden.network::<burn_flex::Flex>());
        let exported = fit.table.export(&ours).expect("all parameters");
        same_bits(&exported, &theirs);
        if golden.files[0] == golden.files[1] {
            // The outputs beside half precision have single precision, so only they widen the file.
            let narrowed = golden.files[0] == "torchcfm_unet.safetensors";
            same_file(
                &exported,
                golden.files[0],
                narrowed.then_some(Precision::F16),
            );
        }
    }
}
