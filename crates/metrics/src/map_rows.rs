//! A network applied to rows on the host.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_train::rows::chunks;

/// Values that the network evaluates at once.
const CHUNK: usize = 1 << 17;

/// A map of rows, applied to a chunk at a time and read back. Waits for the device.
///
/// # Panics
/// If `values` is not a whole number of rows.
pub(crate) fn map_rows<B: Backend>(
    values: &[f32],
    dim: usize,
    device: &B::Device,
    map: impl Fn(Tensor<B, 2>) -> Tensor<B, 2>,
) -> Vec<f32> {
    let rows = (CHUNK / dim).max(1);
    chunks::<B, 2>(values, &[dim], &Given::nothing(), rows, device)
        .flat_map(|chunk| {
            let mapped = map(chunk.x).into_data().convert::<f32>();
            mapped.into_vec::<f32>().expect("converted to f32 just now")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::{Flex, FlexDevice};

    #[test]
    fn chunks_give_what_the_whole_gives() {
        // More rows than one chunk holds, and a map whose result identifies the row.
        let dim = 3;
        let n = CHUNK / dim + 7;
        let values: Vec<f32> = (0..n * dim).map(|i| i as f32).collect();
        let map = |x: Tensor<Flex, 2>| x.sum_dim(1) + 0.5;
        let got = map_rows(&values, dim, &FlexDevice, map);
        let expected = values.chunks(dim).map(|row| row.iter().sum::<f32>() + 0.5);
        assert_eq!(got, expected.collect::<Vec<_>>());
    }
}
