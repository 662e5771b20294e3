//! The gradients of UNets on a GPU against double precision.

use burn::backend::Autodiff;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor};
use pyroclast::core::condition::{Condition as Upload, Given};
use pyroclast::core::network::Network;
use pyroclast::core::noise::{Draws, Noise, Stream};
use pyroclast::models::{Init, Modulation, Resample, UNetConfig};

/// Numbers under their name.
type Named = (String, Vec<f64>);
/// The output of a UNet, and the gradient of a loss by every parameter.
type Gradients = Vec<Named>;

fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    let data = x.into_data().convert::<f64>();
    data.into_vec().expect("converted just now")
}

/// Normal numbers in the places of the first parameters, many of which are 0.
struct Filled {
    draws: Draws,
    dtype: DType,
}

impl<B: Backend> ModuleMapper<B> for Filled {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|value| {
            let (shape, device) = (value.dims(), value.device());
            let numbers = self.draws.normal_tensor::<B, D>(shape, &device, DType::F32);
            let value = value + numbers * 0.3;
            value.cast(self.dtype).detach().require_grad()
        })
    }
}

struct Found<'a, B: AutodiffBackend> {
    gradients: &'a B::Gradients,
    path: Vec<String>,
    found: Gradients,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Found<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = param.val().grad(self.gradients);
        self.found
            .extend(gradient.map(|gradient| (self.path.join("."), host(gradient))));
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

fn gradients<B: Backend>(config: &UNetConfig, dtype: DType, device: &B::Device) -> Gradients {
    let noise = Noise::new(5);
    let unet = config.init(&mut Init::<Autodiff<B>>::new(noise, device));
    let mut filled = Filled {
        draws: noise.draws(Stream::Init, 1),
        dtype,
    };
    let unet = unet.map(&mut filled);
    let [height, width] = config.image_size;
    let image = |channels, seed| {
        let mut draws = noise.draws(Stream::Source, seed);
        let shape = [3, channels, height, width];
        let image = draws.normal_tensor::<Autodiff<B>, 4>(shape, device, DType::F32);
        image.cast(dtype)
    };
    let t = Tensor::<Autodiff<B>, 1>::from_floats([0.1, 0.5, 0.9], device).cast(dtype);
    let given = Given::labels(&[3, 1, 4], config.classes);
    let condition = Upload::upload(&given, device);
    let mut dropout = noise.draws(Stream::Dropout, 2);
    let y = unet.forward_training(image(config.image_channels, 3), t, &condition, &mut dropout);
    let value = host(y.clone().inner());
    let along = image(y.dims()[1], 4);
    let gradients = (y * along).sum().backward();
    let mut found = Found::<Autodiff<B>> {
        gradients: &gradients,
        path: Vec::new(),
        found: vec![("output".to_owned(), value)],
    };
    unet.visit(&mut found);
    found.found
}

/// To rounding: a kernel that is off anywhere is found here, which a short training may hide.
#[test]
fn the_gradients_of_unets_are_those_of_double_precision() {
    let base = UNetConfig {
        channels: 8,
        attention: vec![4],
        dropout: 0.1,
        classes: 10,
        ..UNetConfig::new(1, [8, 8])
    };
    let other = UNetConfig {
        modulation: Modulation::Additive,
        resample: Resample::Blocks { project: false },
        skip_scale: 0.7,
        beside: 2,
        sequence: 5,
        learns_variance: true,
        ..UNetConfig::new(3, [8, 12])
    };
    let other = UNetConfig {
        channels: 12,
        attention: vec![8],
        classes: 10,
        ..other
    };
    for config in [base, other] {
        let exact = gradients::<burn_flex::Flex>(&config, DType::F64, &burn_flex::FlexDevice);
        let found = gradients::<burn_wgpu::Wgpu>(&config, DType::F32, &Default::default());
        assert_eq!(found.len(), exact.len());
        // Of a parameter that changes nothing, the gradient is nothing but rounding.
        let largest = exact.iter().skip(1).flat_map(|(_, x)| x);
        let largest = largest.fold(0.0, |most: f64, x| most.max(x.abs()));
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let off = |((name, found), (_, exact)): (&Named, &Named)| {
            let off = norm(&mut found.iter().zip(exact).map(|(a, b)| a - b));
            let off = off / norm(&mut exact.iter().copied()).max(1e-2 * largest);
            (off > 1e-4).then(|| format!("{name} is off by {off:e}"))
        };
        let wrong: Vec<String> = found.iter().zip(&exact).filter_map(off).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
