//! Two-dimensional convolution.
//!
//! `y[n, o, i, j] = b[o] + Σ_{c, k, l} W[o, c, k, l]·x[n, c, s·i + k − p, s·j + l − p]`, x being 0 outside

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;

/// How a kernel moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From one output to the next, s, in both directions.
    pub stride: usize,
    /// Zeros on every side, p.
    pub padding: usize,
}

impl Window {
    /// Height and width of the output.
    ///
    /// `⌊(size + 2p − kernel)/s⌋ + 1`, or 0 where the kernel does not fit
    pub fn output(self, size: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|i| {
            let room = (size[i] + 2 * self.padding).checked_sub(kernel[i]);
            room.map_or(0, |room| room / self.stride + 1)
        })
    }
}

/// The convolution of every image of a batch with a kernel.
///
/// On flex value and gradients are products of packed tiles. Where the kernel is 3×3 and moves by 1 over an image of even size which keeps it,
/// fewer products are taken (Winograd's, F(2×2, 3×3)): rounding is then against the largest pixel of 4×4, and an infinite or undefined one
/// makes the outputs of its tile of 2×2 undefined.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`, weight: `[outputs, channels, rows, columns]`, bias: `[outputs]`
/// - output: `[batch, outputs, …]` with the size of [`Window::output`]
///
/// # Panics
/// If the stride is 0, shapes do not fit each other, or the kernel does not fit the image with its padding.
pub fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
) -> Tensor<B, 4> {
    let [outputs, channels, rows, columns] = weight.dims();
    assert!(window.stride > 0, "a stride is at least 1");
    assert!(
        x.dims()[1] == channels && bias.dims() == [outputs],
        "a kernel of {outputs}×{channels} channels and a bias of {:?} for an image of {} channels",
        bias.dims(),
        x.dims()[1]
    );
    let [_, _, height, width] = x.dims();
    assert!(
        !window.output([height, width], [rows, columns]).contains(&0),
        "a kernel of {rows}×{columns} does not fit an image of {height}×{width} with a padding of {}",
        window.padding
    );
    #[cfg(feature = "flex")]
    if crate::flex::takes::<B>(x.dtype())
        && window.padding < rows.min(columns)
        && weight.shape().num_elements() * height * width > 0
    {
        return crate::flex::conv2d(x, weight, bias, window);
    }
    let Window { stride, padding } = window;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    module::conv2d(x, weight, Some(bias), options)
}
