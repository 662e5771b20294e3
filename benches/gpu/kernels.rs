//! What networks are made of, at the sizes of the CIFAR UNet and of a DiT-S block.

use crate::report::Report;
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Distribution, Tensor, TensorData};
use pyroclast::kernels::{
    Activation, Grouping, Precision, Window, attention, concat, conv2d, group_norm, linear, matmul,
    silu,
};

fn random<B: Backend, const D: usize>(shape: [usize; D], device: &B::Device) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Batch, channels in and out, side, kernel, stride.
pub(crate) const CONVOLUTIONS: [[usize; 6]; 12] = [
    [128, 32, 32, 8, 3, 1],
    [128, 3, 128, 32, 3, 1],
    [128, 128, 128, 32, 3, 1],
    [128, 256, 128, 32, 3, 1],
    [128, 256, 128, 32, 1, 1],
    [128, 128, 128, 32, 3, 2],
    [128, 256, 256, 16, 3, 1],
    [128, 512, 256, 16, 3, 1],
    [128, 256, 256, 8, 3, 1],
    [128, 512, 256, 8, 3, 1],
    [128, 256, 256, 4, 3, 1],
    [128, 128, 3, 32, 3, 1],
];

fn convolutions<B: Backend>(precision: &str, device: &B::Device, report: &mut Report) {
    for [batch, inputs, outputs, side, kernel, stride] in CONVOLUTIONS {
        let x = random::<B, 4>([batch, inputs, side, side], device);
        let weight = random::<B, 4>([outputs, inputs, kernel, kernel], device);
        let bias = random::<B, 1>([outputs], device);
        let window = Window {
            stride,
            padding: kernel / 2,
        };
        let size = format!("{batch}x{inputs}-{outputs}x{side}x{side}-k{kernel}-s{stride}");
        report.time::<B>(&format!("conv/{size}"), precision, device, || {
            drop(conv2d(x.clone(), weight.clone(), bias.clone(), window));
        });
        let weight = Tensor::<Autodiff<B>, 4>::from_inner(weight.clone());
        let bias = Tensor::<Autodiff<B>, 1>::from_inner(bias.clone());
        let x = Tensor::<Autodiff<B>, 4>::from_inner(x);
        // The sum's backward is the cotangent; ones are cheap beside the convolution.
        report.time::<B>(&format!("conv-dx/{size}"), precision, device, || {
            let y = conv2d(
                x.clone().require_grad(),
                weight.clone(),
                bias.clone(),
                window,
            );
            drop(y.backward());
        });
        report.time::<B>(&format!("conv-dw/{size}"), precision, device, || {
            let y = conv2d(
                x.clone(),
                weight.clone().require_grad(),
                bias.clone(),
                window,
            );
            drop(y.backward());
        });
    }
}

fn products<B: Backend>(precision: &str, device: &B::Device, report: &mut Report) {
    for [m, k, n] in [
        [4096, 4096, 4096],
        [32_768, 256, 768],
        [16_384, 384, 1536],
        [16_384, 1536, 384],
        [128, 512, 512],
    ] {
        let a = random::<B, 2>([m, k], device);
        let b = random::<B, 2>([k, n], device);
        report.time::<B>(&format!("matmul/{m}x{k}x{n}"), precision, device, || {
            drop(matmul(a.clone(), b.clone()));
        });
    }
    let rows = random::<B, 2>([32_768, 256], device);
    let weight = random::<B, 2>([256, 768], device);
    let bias = random::<B, 1>([768], device);
    report.time::<B>("linear-silu/32768x256x768", precision, device, || {
        let (rows, weight, bias) = (rows.clone(), weight.clone(), bias.clone());
        drop(linear(rows, weight, bias, Activation::Silu));
    });
    for [heads, tokens, depth] in [[4, 256, 64], [6, 256, 64]] {
        let q = random::<B, 4>([128, heads, tokens, depth], device);
        let name = format!("attention/128x{heads}x{tokens}x{depth}");
        report.time::<B>(&name, precision, device, || {
            drop(attention(q.clone(), q.clone(), q.clone(), 0.125));
        });
    }
}

/// burn's own attention, which keeps no scores.
fn burn_attention<B: Backend>(device: &B::Device, report: &mut Report) {
    for [heads, tokens, depth] in [[4, 256, 64], [6, 256, 64]] {
        // Of f32, which it multiplies in TF32.
        for (precision, dtype) in [("tf32", DType::F32), ("bf16", DType::BF16)] {
            let q = random::<B, 4>([128, heads, tokens, depth], device).cast(dtype);
            let name = format!("burn-attention/128x{heads}x{tokens}x{depth}");
            report.time::<B>(&name, precision, device, || {
                let (q, k, v) = (q.clone(), q.clone(), q.clone());
                let options = Default::default();
                drop(burn::tensor::module::attention(
                    q, k, v, None, None, options,
                ));
            });
        }
    }
}

fn memory_bound<B: Backend>(device: &B::Device, report: &mut Report) {
    type A<B> = Autodiff<B>;
    let x = random::<B, 4>([128, 128, 32, 32], device);
    let row = random::<B, 2>([128, 128], device);
    let norm = Grouping {
        groups: 32,
        epsilon: 1e-5,
        silu: true,
    };
    let tracked = |x: &Tensor<B, 4>| Tensor::<A<B>, 4>::from_inner(x.clone()).require_grad();
    let row_tracked = || Tensor::<A<B>, 2>::from_inner(row.clone()).require_grad();
    let both = |y: Tensor<A<B>, 4>| drop(y.backward());
    report.time::<B>("add/128x128x32x32", "f32", device, || {
        let _ = x.clone() + x.clone();
    });
    report.time::<B>("silu/128x128x32x32", "f32", device, || {
        drop(silu(x.clone()))
    });
    report.time::<B>("burn-silu/128x128x32x32", "f32", device, || {
        let _ = burn::tensor::activation::silu(x.clone());
    });
    report.time::<B>("burn-silu-both/128x128x32x32", "f32", device, || {
        both(burn::tensor::activation::silu(tracked(&x)));
    });
    report.time::<B>("silu-both/128x128x32x32", "f32", device, || {
        both(silu(tracked(&x)))
    });
    report.time::<B>("group-norm-silu/128x128x32x32", "f32", device, || {
        drop(group_norm(x.clone(), row.clone(), row.clone(), norm));
    });
    report.time::<B>("group-norm-silu-both/128x128x32x32", "f32", device, || {
        both(group_norm(tracked(&x), row_tracked(), row_tracked(), norm));
    });
    report.time::<B>("concat/128x128+128x32x32", "f32", device, || {
        drop(concat(x.clone(), x.clone(), 1));
    });
    let last = x.clone().permute([0, 2, 3, 1]);
    let last = (last.clone() + 0.0).permute([0, 3, 1, 2]);
    report.time::<B>(
        "group-norm-silu-channels-last/128x128x32x32",
        "f32",
        device,
        || {
            drop(group_norm(last.clone(), row.clone(), row.clone(), norm));
        },
    );
    report.time::<B>("reorder/128x128x32x32", "f32", device, || {
        let x = x.clone().permute([0, 2, 3, 1]).into_primitive().tensor();
        drop(B::float_reshape(x, [128 * 32 * 32, 128].into()));
    });
    let small = random::<B, 4>([128, 256, 16, 16], device);
    report.time::<B>("nearest/128x256x16x16", "f32", device, || {
        use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
        let options = InterpolateOptions::new(InterpolateMode::Nearest);
        let _ = burn::tensor::module::interpolate(small.clone(), [32, 32], options);
    });
    let values = vec![0.5_f32; 128 * 3 * 32 * 32];
    report.time::<B>("upload/128x3x32x32", "f32", device, || {
        let data = TensorData::new(values.clone(), [128, 3, 32, 32]);
        let _ = Tensor::<B, 4>::from_data(data, device);
    });
    let tiny = random::<B, 1>([32], device);
    report.time::<B>("launch/32", "f32", device, || drop(tiny.clone() + 1.0));
}

pub(crate) fn run<B: Backend>(device: &B::Device, report: &mut Report) {
    for (name, precision, _) in Precision::ALL {
        precision.within(|| products::<B>(name, device, report));
    }
    burn_attention::<B>(device, report);
    memory_bound::<B>(device, report);
    for (name, precision, _) in Precision::ALL {
        precision.within(|| convolutions::<B>(name, device, report));
    }
}
