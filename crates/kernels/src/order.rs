//! Functions of images in the order in which these lie in memory.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A function that treats all axes alike, such as a sum, in the order in which the first tensor
/// lies in memory. The others have its rank.
///
/// After a convolution on a GPU that is not the order of the shape, in which neighbouring units
/// would read far apart.
pub(crate) fn in_order<B: Backend, const D: usize, const N: usize>(
    x: [Tensor<B, D>; N],
    f: impl FnOnce([Tensor<B, D>; N]) -> Tensor<B, D>,
) -> Tensor<B, D> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if D > 2 && crate::cube::supports::<B>(&[]) && crate::cube::is_last(&x[0]) {
        // Channels are the second axis of the shape and the last in memory.
        let there = std::array::from_fn::<_, D, _>(|i| match i {
            0 => 0,
            i if i + 1 == D => 1,
            i => i as isize + 1,
        });
        let back = std::array::from_fn::<_, D, _>(|i| match i {
            0 => 0,
            1 => D as isize - 1,
            i => i as isize - 1,
        });
        return f(x.map(|x| x.permute(there))).permute(back);
    }
    f(x)
}
