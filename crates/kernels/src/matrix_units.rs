//! What the matrix units of a device multiply.

use burn::tensor::backend::Backend;

/// Whether the device has matrix units for bf16: NVIDIA's GPUs since Ampere do. Always false for an
/// autodiff backend.
pub fn multiplies_bf16<B: Backend>(device: &B::Device) -> bool {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return crate::cube::multiplies_bf16::<B>(device);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        let _ = device;
        false
    }
}
