//! Networks of other projects give the outputs that they had there, and leave as they came.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use pyroclast_core::condition::{Images, Labels, Vectors};
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_models::{Init, UNet};
use pyroclast_weights::{Fit, Structure, Tensors, fit, load, read, tensors_of, write};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/networks")
        .join(file)
}

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
        let bytes = std::fs::read(path(self.files[1])).expect("outputs");
        let file = SafeTensors::deserialize(&bytes).expect("outputs");
        let device = Default::default();
        let floats = |key: &str| -> (Vec<f32>, Vec<usize>) {
            let view = file.tensor(key).expect(key);
            let (chunks, _) = view.data().as_chunks::<4>();
            let values = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
            (values.collect(), view.shape().to_vec())
        };
        let (x, shape) = floats("golden.x");
        let shape: [usize; 4] = shape.try_into().expect("images");
        let (times, _) = floats("golden.t");
        let times = times.iter().map(|time| match self.steps {
            None => f64::from(*time),
            Some(steps) => 1.0 - (f64::from(*time) + 1.0) / steps,
        });
        let times: Vec<f64> = times.collect();
        let labels = file.tensor("golden.y").ok().map(|view| {
            let (chunks, _) = view.data().as_chunks::<8>();
            let labels: Vec<i64> = chunks.iter().map(|c| i64::from_le_bytes(*c)).collect();
            Labels::from_rows(&labels, &device)
        });
        let condition = (
            labels.unwrap_or_default(),
            (Vectors::default(), Images::default()),
        );
        let data = TensorData::new(x, shape).convert_dtype(dtype);
        let x = Tensor::from_data(data, (&device, dtype));
        let data = TensorData::new(times, [shape[0]]).convert_dtype(dtype);
        let t = Tensor::from_data(data, (&device, dtype));
        let network = self.network::<B>().map(&mut Cast(dtype));
        let y = network.forward(x, t, &condition).into_data();
        let y: Vec<f64> = y.convert::<f64>().into_vec().expect("double precision");
        let (expected, _) = floats(self.output);
        assert_eq!(y.len(), expected.len());
        let dim = y.len() / shape[0];
        let samples = y.chunks_exact(dim).zip(expected.chunks_exact(dim));
        samples
            .map(|(found, expected)| {
                let mean = expected.iter().map(|v| f64::from(*v)).sum::<f64>() / dim as f64;
                let square = |v: &f32| (f64::from(*v) - mean).powi(2);
                let deviation = (expected.iter().map(square).sum::<f64>() / dim as f64).sqrt();
                let pairs = found.iter().zip(expected);
                let differences = pairs.map(|(a, b)| (a - f64::from(*b)).abs());
                differences.fold(0.0, f64::max) / deviation
            })
            .collect()
    }
}

struct Cast(DType);

impl<B: Backend> ModuleMapper<B> for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| tensor.cast(self.0))
    }
}

fn check<B: Backend>(dtype: DType, most: f64) {
    for golden in &GOLDEN {
        let differences = golden.differences::<B>(dtype);
        let shown: Vec<String> = differences.iter().map(|d| format!("{d:.1e}")).collect();
        println!("{} {}: {}", golden.files[0], golden.output, shown.join(" "));
        for difference in differences {
            assert!(
                difference < most,
                "{} {}: {difference}",
                golden.files[0],
                golden.output
            );
        }
    }
}

#[test]
fn outputs_are_those_of_the_projects_on_flex() {
    check::<burn_flex::Flex>(DType::F32, 1e-4);
}

#[test]
fn outputs_are_those_of_the_projects_on_ndarray() {
    // The outputs were rounded to single precision, which is all that is left in double precision.
    // In single precision, ndarray's sums lose 1e-3 here.
    check::<burn_ndarray::NdArray>(DType::F64, 1e-6);
}

/// Type, shape and bytes of every tensor of a file.
fn stored(bytes: &[u8]) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let file = SafeTensors::deserialize(bytes).expect("a file of weights");
    let tensors = file.iter().filter(|(key, _)| !key.starts_with("golden."));
    tensors
        .map(|(key, view)| {
            let dtype = format!("{:?}", view.dtype());
            let tensor = (dtype, view.shape().to_vec(), view.data().to_vec());
            (key.to_owned(), tensor)
        })
        .collect()
}

#[test]
fn what_is_imported_into_a_network_is_exported_to_the_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for golden in &GOLDEN {
        let (theirs, fit, _) = golden.open();
        let ours = tensors_of(&golden.network::<burn_flex::Flex>());
        let exported = fit.table.export(&ours).expect("all parameters");
        assert_eq!(exported.len(), theirs.len());
        for (key, tensor) in &exported {
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(tensor.shape, theirs[key].shape, "{key}");
            assert_eq!(bits(&tensor.values), bits(&theirs[key].values), "{key}");
        }
        if golden.files[0] == golden.files[1] {
            let weights = read(&path(golden.files[0]), None).expect("a file of weights");
            let again = folder.path().join("again.safetensors");
            write(&again, &exported, weights.precision).expect("a writable folder");
            let bytes = |path: &Path| std::fs::read(path).expect("a file");
            let (before, after) = (bytes(&path(golden.files[0])), bytes(&again));
            // The outputs beside half precision have single precision, so only they widen the file.
            let narrowed = golden.files[0] == "torchcfm_unet.safetensors";
            if !narrowed {
                assert_eq!(stored(&after), stored(&before));
                continue;
            }
            write(&again, &exported, pyroclast_weights::Precision::F16).expect("a folder");
            assert_eq!(stored(&bytes(&again)), stored(&before));
        }
    }
}
