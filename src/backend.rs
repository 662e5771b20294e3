//! burn's backends, one feature each: `flex` (the default), `ndarray`, `wgpu`, `cuda`.
//!
//! Training needs gradients, and so runs on `Autodiff<Flex>` or another backend in its place.
//!
//! The features `autotune` and `fusion` are passed to the backends for GPUs: `autotune` times
//! burn's kernels at the first call of each size and keeps the fastest, and `fusion` merges
//! operations into one kernel.

pub use burn::backend::Autodiff;
#[cfg(feature = "cuda")]
pub use burn_cuda::{Cuda, CudaDevice};
#[cfg(feature = "flex")]
pub use burn_flex::{Flex, FlexDevice};
#[cfg(feature = "ndarray")]
pub use burn_ndarray::{NdArray, NdArrayDevice};
#[cfg(feature = "wgpu")]
pub use burn_wgpu::{Wgpu, WgpuDevice};
