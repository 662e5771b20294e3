//! The kernels for GPUs, on the runtimes that burn compiles CubeCL for.
//!
//! [`supports`] asks whether a tensor is one of theirs. Under burn's fusion tensors have another
//! primitive, and nothing is supported.

mod activation;
mod attention;
mod columns;
mod combine;
mod concat;
mod conv2d;
mod dropout;
mod elementwise;
mod fork;
mod gated_sum;
mod group_norm;
mod joined;
mod layer_norm;
mod linear;
mod logistic;
mod magnitude;
mod many;
mod normals;
mod order;
mod path_sample;
mod philox;
mod product;
mod resample;
mod silu;
mod sinusoids;
mod split;
mod spread;
mod sum;
mod taps;
mod unfold;
mod update;

use crate::activation::Activation;
use crate::adamw_step::AdamWStep;
use crate::downcast::{cast, is, is_over, raw, run, run_parts, wrap};
use crate::grouping::Grouping;
use crate::precision::Precision;
use crate::tape::Tracked;
use crate::window::Window;
use crate::words::Words;
use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{DType, Tensor, TensorData, TensorMetadata};
use burn_cubecl::CubeBackend;
use group_norm::GroupNorm;

#[cfg(feature = "wgpu")]
type Wgpu = CubeBackend<cubecl::wgpu::WgpuRuntime, f32, i32, u32>;
#[cfg(feature = "cuda")]
type Cuda = CubeBackend<cubecl::cuda::CudaRuntime, f32, i32, u8>;

const KNOWN: &str = "the backend that was recognised";

/// Returns an expression in which `$G` is the GPU backend that `$B` is over.
macro_rules! on_gpu {
    ($B:ty, $G:ident => $value:expr) => {{
        #[cfg(feature = "wgpu")]
        if is_over::<$B, Wgpu>() {
            type $G = Wgpu;
            return $value;
        }
        #[cfg(feature = "cuda")]
        if is_over::<$B, Cuda>() {
            type $G = Cuda;
            return $value;
        }
        unreachable!("no backend that is supported")
    }};
}

/// Whether there are kernels for tensors of this backend and these float types.
pub(crate) fn supports<B: Backend>(dtypes: &[DType]) -> bool {
    let known = [
        #[cfg(feature = "wgpu")]
        is_over::<B, Wgpu>(),
        #[cfg(feature = "cuda")]
        is_over::<B, Cuda>(),
    ];
    known.contains(&true) && dtypes.iter().all(|dtype| *dtype == DType::F32)
}

/// Whether there are, and the tensors are not on a tape.
pub(crate) fn supports_untracked<B: Backend>(dtypes: &[DType]) -> bool {
    let plain = [
        #[cfg(feature = "wgpu")]
        is::<B, FloatTensor<Wgpu>>(),
        #[cfg(feature = "cuda")]
        is::<B, FloatTensor<Cuda>>(),
    ];
    plain.contains(&true) && supports::<B>(dtypes)
}

/// Whether there are for all of these, and none is empty or on a tape.
pub(crate) fn supports_all<'a, B: Backend, const D: usize>(
    tensors: impl IntoIterator<Item = &'a Tensor<B, D>>,
) -> bool {
    supports_untracked::<B>(&[])
        && (tensors.into_iter()).all(|x| x.dtype() == DType::F32 && x.shape().num_elements() > 0)
}

/// Whether the device has matrix units for bf16, of a backend without a tape.
pub(crate) fn multiplies_bf16<B: Backend>(device: &B::Device) -> bool {
    if !supports_untracked::<B>(&[]) {
        return false;
    }
    let x = Tensor::<B, 1>::zeros([1], device);
    on_gpu!(B, G => product::multiplies_bf16(&primitive::<B, G, 1>(x).client))
}

pub(crate) fn group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let inputs = [raw(x), raw(gain), raw(bias)];
    on_gpu!(B, G => run::<B, G, _, 3, D>(GroupNorm(grouping), inputs))
}

pub(crate) fn modulated_group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    modulation: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let inputs = [raw(x), raw(gain), raw(bias), raw(modulation)];
    on_gpu!(B, G => run::<B, G, _, 4, D>(GroupNorm(grouping), inputs))
}

pub(crate) fn concat<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    axis: usize,
) -> Tensor<B, D> {
    on_gpu!(B, G => run::<B, G, _, 2, D>(concat::Concat { axis }, [raw(a), raw(b)]))
}

pub(crate) fn doubled<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    on_gpu!(B, G => run::<B, G, _, 1, 4>(resample::Resample::Double, [raw(x)]))
}

pub(crate) fn halved<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    on_gpu!(B, G => run::<B, G, _, 1, 4>(resample::Resample::Halve, [raw(x)]))
}

/// Whether the channels of an image lie last in memory.
pub(crate) fn is_last<B: Backend, const D: usize>(x: &Tensor<B, D>) -> bool {
    on_gpu!(B, G => order::Order::of(&values::<B, G, D>(x)).is_last())
}

/// The same tensor twice, for two operations.
pub(crate) fn fork<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<Tensor<B, D>> {
    on_gpu!(B, G => run_parts::<B, G, D>(fork::Fork, raw(x)))
}

pub(crate) fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
    precision: Precision,
) -> Tensor<B, 4> {
    let inputs = [raw(x), raw(weight), raw(bias)];
    let operation = conv2d::Conv2d { window, precision };
    on_gpu!(B, G => run::<B, G, _, 3, 4>(operation, inputs))
}

pub(crate) fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    on_gpu!(B, G => run::<B, G, _, 1, D>(silu::Silu, [raw(x)]))
}

pub(crate) fn sinusoids<B: Backend>(
    t: Tensor<B, 1>,
    angles: &[[f64; 2]],
    sines_first: bool,
) -> Tensor<B, 2> {
    let angles: Vec<f32> = angles.as_flattened().iter().map(|&x| x as f32).collect();
    let angles = Tensor::<B, 1>::from_floats(angles.as_slice(), &t.device());
    let operation = sinusoids::Sinusoids { sines_first };
    on_gpu!(B, G => run::<B, G, _, 2, 2>(operation, [raw(t), raw(angles)]))
}

pub(crate) fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
    precision: Precision,
) -> Tensor<B, D> {
    let inputs = [raw(x), raw(weight), raw(bias)];
    let operation = linear::Linear {
        activation,
        precision,
    };
    on_gpu!(B, G => run::<B, G, _, 3, D>(operation, inputs))
}

pub(crate) fn matmul<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    w: Tensor<B, D>,
    precision: Precision,
) -> Tensor<B, D> {
    on_gpu!(B, G => run::<B, G, _, 2, D>(product::Product(precision), [raw(x), raw(w)]))
}

pub(crate) fn layer_norm<B: Backend>(
    x: Tensor<B, 3>,
    scale: Tensor<B, 2>,
    shift: Tensor<B, 2>,
    epsilon: f64,
) -> Tensor<B, 3> {
    let inputs = [raw(x), raw(scale), raw(shift)];
    on_gpu!(B, G => run::<B, G, _, 3, 3>(layer_norm::LayerNorm { epsilon }, inputs))
}

pub(crate) fn gated_sum<B: Backend>(
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    gate: Tensor<B, 2>,
) -> Tensor<B, 3> {
    let inputs = [raw(x), raw(y), raw(gate)];
    on_gpu!(B, G => run::<B, G, _, 3, 3>(gated_sum::GatedSum, inputs))
}

pub(crate) fn attention<B: Backend>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    v: Tensor<B, 4>,
    scale: f64,
    precision: Precision,
) -> Tensor<B, 4> {
    let inputs = [raw(q), raw(k), raw(v)];
    let operation = attention::Attention { scale, precision };
    on_gpu!(B, G => run::<B, G, _, 3, 4>(operation, inputs))
}

/// Only for tensors that are not on a tape. Terms of weight 0 are left out before.
pub(crate) fn combine<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    terms: &[(f64, &Tensor<B, D>)],
) -> Tensor<B, D> {
    on_gpu!(B, G => {
        let terms: Vec<_> = terms
            .iter()
            .map(|(w, k)| (*w, primitive::<B, G, D>((*k).clone())))
            .collect();
        wrap(combine::combine(primitive::<B, G, D>(x), &terms))
    })
}

/// Both combinations, with rows of `[a_0, a_1, c_0, c_1]`. `None` where an input wants a gradient.
pub(crate) fn two_combinations<B: Backend, const D: usize>(
    x: [&Tensor<B, D>; 2],
    rows: &[[f64; 4]],
) -> Option<[Tensor<B, D>; 2]> {
    on_gpu!(B, G => {
        let x = x.map(|x| raw(x.clone()));
        let width = x[0].shape().num_elements() / rows.len();
        let numbers = rows.as_flattened().iter().map(|&number| number as f32);
        let data = TensorData::new(numbers.collect::<Vec<_>>(), [rows.len(), 4]);
        let sent = |x: &FloatTensor<G>| G::float_from_data(data, &G::float_device(x));
        if is::<B, FloatTensor<G>>() {
            let x = x.map(|x| cast::<_, FloatTensor<G>>(x).expect(KNOWN));
            let rows = sent(&x[0]);
            return Some(path_sample::two_combinations(x, rows, width).map(wrap));
        }
        let x = x.map(|x| cast::<_, Tracked<G>>(x).expect(KNOWN));
        if x.iter().any(|x| !x.node.requirement.is_none()) {
            return None;
        }
        let x = x.map(|x| x.primitive);
        let rows = sent(&x[0]);
        let pair = path_sample::two_combinations(x, rows, width);
        Some(pair.map(|y| wrap(Autodiff::<G>::from_inner(y))))
    })
}

pub(crate) fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    words: Words,
    p: f64,
) -> Tensor<B, D> {
    on_gpu!(B, G => run::<B, G, _, 1, D>(dropout::Dropout { words, p }, [raw(x)]))
}

/// Normal numbers of this standard deviation by their words.
pub(crate) fn normals<B: Backend, const D: usize>(
    words: Words,
    std: f64,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    let y = Tensor::<B, D>::empty(shape, (device, DType::F32));
    on_gpu!(B, G => {
        normals::fill(&values::<B, G, D>(&y), &words, std);
        y
    })
}

pub(crate) fn adamw<B: Backend, const D: usize>(
    state: Vec<[Tensor<B, D>; 3]>,
    gradients: Vec<Tensor<B, D>>,
    factor: Option<&Tensor<B, 1>>,
    step: &AdamWStep,
) -> Vec<[Tensor<B, D>; 3]> {
    on_gpu!(B, G => {
        let of = |x: [Tensor<B, D>; 3]| x.map(primitive::<B, G, D>);
        let state = state.into_iter().map(of).collect();
        let gradients = gradients.into_iter().map(primitive::<B, G, D>).collect();
        let factor = factor.cloned().map(primitive::<B, G, 1>);
        let updated = update::adamw(state, gradients, factor, step);
        updated.into_iter().map(|x| x.map(wrap)).collect()
    })
}

pub(crate) fn lerp<B: Backend, const D: usize>(
    averages: Vec<Tensor<B, D>>,
    x: &[Tensor<B, D>],
    weight: f64,
) -> Vec<Tensor<B, D>> {
    on_gpu!(B, G => {
        let averages = averages.into_iter().map(primitive::<B, G, D>).collect();
        let x = x.iter().cloned().map(primitive::<B, G, D>).collect();
        update::lerp(averages, x, weight).into_iter().map(wrap).collect()
    })
}

pub(crate) fn global_norm<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    on_gpu!(B, G => {
        let tensors = tensors.iter().cloned().map(primitive::<B, G, 1>).collect();
        wrap(magnitude::global_norm(tensors))
    })
}

pub(crate) fn joined<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    on_gpu!(B, G => {
        let tensors: Vec<_> = tensors.iter().cloned().map(primitive::<B, G, 1>).collect();
        wrap(joined::joined(&tensors))
    })
}

pub(crate) fn taken_apart<B: Backend>(x: &Tensor<B, 1>, lengths: &[usize]) -> Vec<Tensor<B, 1>> {
    on_gpu!(B, G => {
        let tensors = joined::taken_apart(&primitive::<B, G, 1>(x.clone()), lengths);
        tensors.into_iter().map(wrap).collect()
    })
}

/// The parts of rows, if the device can put their gradients together in one launch.
pub(crate) fn split<B: Backend>(x: Tensor<B, 2>, parts: usize) -> Option<Vec<Tensor<B, 2>>> {
    on_gpu!(B, G => {
        let fits = split::fits(&values::<B, G, 2>(&x), parts);
        fits.then(|| run_parts::<B, G, 2>(split::Rows { parts }, raw(x)))
    })
}

/// The heads of the parts of tokens, likewise.
pub(crate) fn split_heads<B: Backend>(
    x: Tensor<B, 3>,
    parts: usize,
    heads: usize,
) -> Option<Vec<Tensor<B, 4>>> {
    on_gpu!(B, G => {
        let fits = split::fits(&values::<B, G, 3>(&x), parts);
        fits.then(|| run_parts::<B, G, 4>(split::Heads { parts, heads }, raw(x)))
    })
}

/// The primitive of a tensor, on a tape or not.
fn values<B: Backend, G: Backend, const D: usize>(x: &Tensor<B, D>) -> FloatTensor<G> {
    let raw = raw(x.clone());
    match cast::<_, FloatTensor<G>>(raw.clone()) {
        Some(values) => values,
        None => cast::<_, Tracked<G>>(raw).expect(KNOWN).primitive,
    }
}

/// The primitive of a tensor that is not on a tape.
fn primitive<B: Backend, G: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<G> {
    cast(raw(x)).expect(KNOWN)
}
