//! Many tensors in one, as for a sum over processes.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Tensors one behind the other. On GPUs one launch joins as many as a kernel can bind.
///
/// # Panics
/// If there is no tensor.
///
/// ```
/// use burn::tensor::{Tensor, TensorData};
/// use burn_flex::Flex;
/// use pyroclast_kernels::{joined, taken_apart};
///
/// let device = Default::default();
/// let tensors = [Tensor::<Flex, 1>::from_floats([1.0], &device), Tensor::ones([2], &device)];
/// let all = joined(&tensors);
/// assert_eq!(all.to_data(), TensorData::from([1.0_f32, 1.0, 1.0]));
/// let apart = taken_apart(all, &[1, 0, 2]);
/// assert_eq!(apart[1].dims(), [0]);
/// assert_eq!(apart[2].to_data(), TensorData::from([1.0_f32, 1.0]));
/// ```
pub fn joined<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    assert!(!tensors.is_empty(), "no tensors to be joined");
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_all(tensors) {
        return crate::cube::joined(tensors);
    }
    Tensor::cat(tensors.to_vec(), 0)
}

/// The tensors of these lengths that lie one behind the other: [`joined`] undone.
///
/// # Panics
/// If the lengths do not add up to that of x.
pub fn taken_apart<B: Backend>(x: Tensor<B, 1>, lengths: &[usize]) -> Vec<Tensor<B, 1>> {
    let ([all], sum) = (x.dims(), lengths.iter().sum::<usize>());
    assert!(
        all == sum,
        "{all} numbers are not those of tensors of {sum}"
    );
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_all([&x]) && !lengths.contains(&0) {
        return crate::cube::taken_apart(&x, lengths);
    }
    let mut first = 0;
    let tensor = |&length: &usize| {
        let start = first;
        first += length;
        match length {
            0 => Tensor::zeros([0], (&x.device(), x.dtype())),
            length => x.clone().narrow(0, start, length),
        }
    };
    lengths.iter().map(tensor).collect()
}
