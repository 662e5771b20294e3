//! The kernels for GPUs, on the runtimes that burn compiles CubeCL for.
//!
//! [`supports`] asks whether a tensor is one of theirs. Under burn's fusion tensors have another
//! primitive, and nothing is supported.

mod group_norm;

use crate::downcast::{is_over, raw, run};
use crate::grouping::Grouping;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeBackend;
use group_norm::GroupNorm;

#[cfg(feature = "wgpu")]
type Wgpu = CubeBackend<cubecl::wgpu::WgpuRuntime, f32, i32, u32>;
#[cfg(feature = "cuda")]
type Cuda = CubeBackend<cubecl::cuda::CudaRuntime, f32, i32, u8>;

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

pub(crate) fn group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    let inputs = [raw(x), raw(gain), raw(bias)];
    #[cfg(feature = "wgpu")]
    if is_over::<B, Wgpu>() {
        return run::<B, Wgpu, _, 3, D>(GroupNorm(grouping), inputs);
    }
    #[cfg(feature = "cuda")]
    if is_over::<B, Cuda>() {
        return run::<B, Cuda, _, 3, D>(GroupNorm(grouping), inputs);
    }
    unreachable!("no backend that is supported")
}
