//! How the kernel of a convolution moves over an image.

/// How the kernel of [`conv2d`](crate::conv2d()) moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Pixels from one output to the next in both directions, s.
    pub stride: usize,
    /// Zeros added on every side, p.
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
