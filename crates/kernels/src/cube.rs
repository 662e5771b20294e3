//! The kernels on a GPU's memory, for the runtimes that burn compiles CubeCL for.
//!
//! [`takes`] asks whether a tensor is one of theirs. Where burn fuses operations by itself, tensors are made of something else, and
//! nothing is taken.

mod group_norm;

use crate::group_norm::Grouping;
use crate::known::{is_over, raw, run};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeBackend;

#[cfg(feature = "wgpu")]
type Wgpu = CubeBackend<cubecl::wgpu::WgpuRuntime, f32, i32, u32>;
#[cfg(feature = "cuda")]
type Cuda = CubeBackend<cubecl::cuda::CudaRuntime, f32, i32, u8>;

/// Whether tensors of this backend and these float types can be run here.
pub(crate) fn takes<B: Backend>(dtypes: &[DType]) -> bool {
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
        return run::<B, Wgpu, _, 3, D>(grouping, inputs);
    }
    #[cfg(feature = "cuda")]
    if is_over::<B, Cuda>() {
        return run::<B, Cuda, _, 3, D>(grouping, inputs);
    }
    unreachable!("no backend that is taken")
}
