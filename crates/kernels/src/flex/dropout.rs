//! Dropout.
//!
//! `y_i = x_i·k·m_i`, `dx_i = g_i·k·m_i`, with `k = 1/(1 − p)` and m the mask

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::simd::{CHUNK, vectorised};
use crate::flex::tensor::{by_dtype, owned, run};
use crate::tape::Fused;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;
use std::sync::Arc;

pub(crate) fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    uniforms: &[f64],
    p: f64,
    keep: f32,
) -> Tensor<B, D> {
    let kept = uniforms.par_chunks(CHUNK);
    let kept = kept.flat_map_iter(|u| u.iter().map(|u| u8::from(*u >= p)));
    let mask = Arc::new(kept.collect());
    run::<B, _, 1, D>(Dropout { mask, keep }, [raw(x)])
}

#[derive(Debug, Clone)]
struct Dropout {
    /// 1 for what is kept, 0 for what is dropped.
    mask: Arc<Vec<u8>>,
    keep: f32,
}

impl Fused<Flex, 1> for Dropout {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (by_dtype!(x.dtype(), masked::<_>(self, owned(x))), ())
    }

    fn backward(&self, (): (), g: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.forward([g]).0)]
    }
}

/// The product with the mask, written over x.
fn masked<T: Float>(of: &Dropout, mut x: FlexTensor) -> FlexTensor {
    let keep = T::of(f64::from(of.keep));
    let chunks = x.storage_mut::<T>().par_chunks_mut(CHUNK);
    chunks.zip(of.mask.par_chunks(CHUNK)).for_each(|(x, mask)| {
        vectorised(
            #[inline(always)]
            || {
                for (x, mask) in x.iter_mut().zip(mask) {
                    *x = *x * if *mask == 0 { T::default() } else { keep };
                }
            },
        );
    });
    x
}
