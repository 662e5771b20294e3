//! The same numbers as on flex: convolutions of every shape, and three training steps of whole networks.

use crate::kernels::CONVOLUTIONS;
use crate::networks::{batch, networks, trainer};
use crate::report::Report;
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use pyroclast::core::noise::{Noise, Stream};
use pyroclast::kernels::{Precision, Window, conv2d};
use pyroclast::train::parameters::values;

fn normal<B: Backend>(shape: [usize; 4], step: u64, device: &B::Device) -> Tensor<B, 4> {
    let noise = Noise::new(1);
    noise
        .draws(Stream::Source, step)
        .normal_tensor(shape, device, DType::F32)
}

fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    x.into_data()
        .convert::<f32>()
        .into_vec()
        .expect("converted")
}

/// y, dx, dw and db of one convolution.
fn convolved<B: Backend>(
    [batch, inputs, outputs, side, kernel, stride]: [usize; 6],
    device: &B::Device,
) -> [Vec<f32>; 4] {
    let window = Window {
        stride,
        padding: kernel / 2,
    };
    let leaf = |shape, step| {
        Tensor::<Autodiff<B>, 4>::from_inner(normal::<B>(shape, step, device)).require_grad()
    };
    let (x, w) = (
        leaf([batch, inputs, side, side], 0),
        leaf([outputs, inputs, kernel, kernel], 1),
    );
    let bias = leaf([outputs, 1, 1, 1], 3);
    let y = conv2d(
        x.clone(),
        w.clone(),
        bias.clone().reshape([outputs]),
        window,
    );
    let value = host(y.clone().inner());
    let g = Tensor::from_inner(normal::<B>(y.dims(), 2, device));
    let gradients = (y * g).sum().backward();
    let of = |x: Tensor<Autodiff<B>, 4>| host(x.grad(&gradients).expect("tracked"));
    [value, of(x), of(w), of(bias)]
}

pub(crate) fn run<B: Backend<FloatElem = f32>>(device: &B::Device, report: &mut Report) {
    for (name, precision, _) in Precision::ALL {
        // On flex, bf16 rounds what the matrix units do.
        precision.within(|| compare::<B>(name, device, report));
    }
}

fn compare<B: Backend<FloatElem = f32>>(precision: &str, device: &B::Device, report: &mut Report) {
    let odd = [[1, 3, 5, 7, 3, 1], [2, 5, 7, 9, 3, 2], [1, 33, 17, 4, 1, 1]];
    let all = CONVOLUTIONS.map(|mut size| {
        size[0] = 2;
        size
    });
    for size in odd.into_iter().chain(all) {
        let [_, inputs, outputs, side, kernel, stride] = size;
        let name = format!("{inputs}-{outputs}x{side}x{side}-k{kernel}-s{stride}");
        if !report.wants(&format!("conv/{name}")) {
            continue;
        }
        let expected = convolved::<Flex>(size, &FlexDevice);
        let got = convolved::<B>(size, device);
        for ((part, got), expected) in ["y", "dx", "dw", "db"].iter().zip(got).zip(&expected) {
            report.difference(&format!("conv-{part}/{name}"), precision, &got, expected);
        }
    }
    for (name, config) in networks() {
        let name = format!("train/{name}-3-steps-of-4");
        if !report.wants(&name) {
            continue;
        }
        let batch = batch(&config, 4);
        let mut ours = trainer::<B>(&config, device);
        let mut reference = trainer::<Flex>(&config, &FlexDevice);
        let (mut losses, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            losses.push(ours.step(&batch).into_scalar());
            expected.push(reference.step(&batch).into_scalar());
        }
        report.difference(&format!("{name}/losses"), precision, &losses, &expected);
        let flat = |parts: Vec<Vec<f32>>| parts.concat();
        let ours = values(&ours.flow.network)
            .into_iter()
            .map(|x| x.into_data().to_vec().expect("f32"));
        let reference = values(&reference.flow.network).into_iter();
        let reference = reference.map(|x| x.into_data().to_vec().expect("f32"));
        report.difference(
            &format!("{name}/parameters"),
            precision,
            &flat(ours.collect()),
            &flat(reference.collect()),
        );
    }
}
