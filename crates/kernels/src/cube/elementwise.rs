//! What kernels that take one number after another share: how they are spread over a GPU, and where they write.

use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Units of a cube that takes its work in turns.
pub(super) const UNITS: usize = 256;

/// One unit per number.
pub(super) struct Work {
    pub(super) count: CubeCount,
    pub(super) dim: CubeDim,
}

impl Work {
    pub(super) fn of<R: CubeRuntime>(x: &CubeTensor<R>) -> Self {
        let n = x.shape().num_elements();
        let dim = CubeDim::new(&x.client, n);
        Self {
            count: calculate_cube_count_elemwise(&x.client, n, dim),
            dim,
        }
    }
}

/// From the numbers of one sample to those of the next, of `[samples, width]`: 0 where all samples
/// share them.
pub(super) fn stride_of<R: CubeRuntime>(rows: &CubeTensor<R>) -> usize {
    let shape = rows.shape();
    if shape[0] == 1 { 0 } else { shape[1] }
}

/// Memory for a result of this shape, not yet written.
pub(super) fn empty_like<R: CubeRuntime>(x: &CubeTensor<R>) -> CubeTensor<R> {
    empty_device_dtype(x.client.clone(), x.device.clone(), x.shape(), x.dtype)
}
