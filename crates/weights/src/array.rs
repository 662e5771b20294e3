//! Tensors on the host.

use std::collections::BTreeMap;

/// A tensor on the host, in single precision unless it says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<T = f32> {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<T>,
}

impl<T> Array<T> {
    /// A tensor of these values.
    ///
    /// # Panics
    /// If there are more or fewer values than the shape holds.
    pub fn new(shape: Vec<usize>, values: Vec<T>) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            values.len(),
            "the values of a tensor of shape {shape:?}"
        );
        Self { shape, values }
    }
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Array>;

/// How a file stores its numbers. In memory they have single precision, which holds those of the
/// two half precisions exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// IEEE half precision.
    F16,
    /// Half precision with the exponent of single precision.
    Bf16,
    /// Single precision.
    F32,
}
