//! The kernels for GPUs, on the runtimes that burn compiles CubeCL for.
//!
//! [`supports`] asks whether a tensor is one of theirs. Under burn's fusion tensors have another
//! primitive, and nothing is supported.

mod conv2d;
mod elementwise;
mod group_norm;
mod logistic;
mod magnitude;
mod silu;
mod sum;
mod unfold;
mod update;

use crate::adamw_step::AdamWStep;
use crate::downcast::{cast, is, is_over, raw, run, wrap};
use crate::grouping::Grouping;
use crate::window::Window;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeBackend;
use group_norm::GroupNorm;

#[cfg(feature = "wgpu")]
type Wgpu = CubeBackend<cubecl::wgpu::WgpuRuntime, f32, i32, u32>;
#[cfg(feature = "cuda")]
type Cuda = CubeBackend<cubecl::cuda::CudaRuntime, f32, i32, u8>;

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

pub(crate) fn group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let inputs = [raw(x), raw(gain), raw(bias)];
    on_gpu!(B, G => run::<B, G, _, 3, D>(GroupNorm(grouping), inputs))
}

pub(crate) fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
) -> Tensor<B, 4> {
    let inputs = [raw(x), raw(weight), raw(bias)];
    on_gpu!(B, G => run::<B, G, _, 3, 4>(conv2d::Conv2d(window), inputs))
}

pub(crate) fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    on_gpu!(B, G => run::<B, G, _, 1, D>(silu::Silu, [raw(x)]))
}

pub(crate) fn adamw<B: Backend, const D: usize>(
    parameters: [Tensor<B, D>; 3],
    gradient: Tensor<B, D>,
    factor: Option<&Tensor<B, 1>>,
    step: &AdamWStep,
) -> [Tensor<B, D>; 3] {
    on_gpu!(B, G => {
        let parameters = parameters.map(primitive::<B, G, D>);
        let factor = factor.cloned().map(primitive::<B, G, 1>);
        update::adamw(parameters, primitive::<B, G, D>(gradient), factor, step).map(wrap)
    })
}

pub(crate) fn lerp<B: Backend, const D: usize>(
    average: Tensor<B, D>,
    x: &Tensor<B, D>,
    weight: f64,
) -> Tensor<B, D> {
    on_gpu!(B, G => {
        let (average, x) = (primitive::<B, G, D>(average), primitive::<B, G, D>(x.clone()));
        wrap(update::lerp(average, x, weight))
    })
}

pub(crate) fn global_norm<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    on_gpu!(B, G => {
        let tensors = tensors.iter().cloned().map(primitive::<B, G, 1>).collect();
        wrap(magnitude::global_norm(tensors))
    })
}

/// The primitive of a tensor that is not on a tape.
fn primitive<B: Backend, G: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<G> {
    cast(raw(x)).expect("the backend that was recognised")
}
