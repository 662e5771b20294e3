//! Kernels of any size and stride, product by product.

pub(super) mod value;
pub(super) mod weight;
