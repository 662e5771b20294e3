//! The Euclidean norm of several tensors together.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The Euclidean norm of all numbers of several tensors, as a tensor of shape `[1]`.
///
/// `‖g‖ = √(Σ_i Σ_j g_ij²)`
///
/// It is not read back to the host. On GPUs, a launch for as many tensors as a kernel may
/// have, and one for all of them.
///
/// # Panics
/// If there is no tensor.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use pyroclast_kernels::global_norm;
///
/// let device = Default::default();
/// let tensors = [[3.0, 0.0], [0.0, 4.0]].map(|x| Tensor::<Flex, 1>::from_floats(x, &device));
/// assert_eq!(global_norm(&tensors).into_scalar(), 5.0);
/// ```
pub fn global_norm<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    assert!(!tensors.is_empty(), "the norm of no tensors");
    #[cfg(feature = "flex")]
    if crate::flex::supports_untracked::<B>(tensors[0].dtype())
        && tensors.iter().all(|x| x.dtype() == tensors[0].dtype())
    {
        return crate::flex::global_norm(tensors);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if crate::cube::supports_untracked::<B>(&tensors.iter().map(Tensor::dtype).collect::<Vec<_>>())
    {
        return crate::cube::global_norm(tensors);
    }
    let squares = tensors.iter().map(|x| x.clone().square().sum());
    let total = squares.reduce(|a, b| a + b).expect("at least one");
    total.sqrt()
}
