//! The fixed embedding of a patch's place.
//!
//! `e(i, j) = [sin(j·ω), cos(j·ω), sin(i·ω), cos(i·ω)], ω_k = 10000^{−k/(D/4)}, k < D/4`, for row i
//! and column j, rounded to single precision, as the published networks hold it
//!
//! Source: Vaswani et al. 2017, §3.5, along both axes as in Peebles & Xie 2023.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};

/// Sines and cosines of the numbers 0 to n − 1, `[n, width]`.
fn axis(n: usize, width: usize) -> Vec<f64> {
    let quarter = width / 2;
    let rate = |k: usize| 1.0 / 10_000_f64.powf(k as f64 / quarter as f64);
    let rates: Vec<f64> = (0..quarter).map(rate).collect();
    let row = |place: usize| {
        let angle = move |rate: &f64| place as f64 * rate;
        let sines = rates.iter().map(move |rate| angle(rate).sin());
        sines.chain(rates.iter().map(move |rate| angle(rate).cos()))
    };
    (0..n)
        .flat_map(row)
        .map(|value| f64::from(value as f32))
        .collect()
}

/// The table of a grid of patches, row by row: `[height·width, dim]`.
///
/// # Panics
/// If the dimension is not a multiple of 4.
pub fn sine_positions([height, width]: [usize; 2], dim: usize) -> Vec<f64> {
    assert!(
        dim.is_multiple_of(4),
        "sines along two axes need a multiple of 4 numbers, not {dim}"
    );
    let half = dim / 2;
    let (rows, columns) = (axis(height, half), axis(width, half));
    let part = |axis: &[f64], place: usize| axis[place * half..(place + 1) * half].to_vec();
    let place = |p: usize| {
        let mut place = part(&columns, p % width);
        place.extend(part(&rows, p / width));
        place
    };
    (0..height * width).flat_map(place).collect()
}

/// The same on a device, `[1, height·width, dim]`. Only the sines of each axis are uploaded.
pub(super) fn positions<B: Backend>(
    [height, width]: [usize; 2],
    dim: usize,
    device: &B::Device,
    dtype: DType,
) -> Tensor<B, 3> {
    let half = dim / 2;
    let upload = |values: Vec<f64>, shape: [usize; 3]| {
        let data = TensorData::new(values, shape).convert_dtype(dtype);
        Tensor::<B, 3>::from_data(data, (device, dtype))
    };
    // Each has zeros where the other has its sines, so that their sum puts both side by side.
    let zeros = vec![0.0; half];
    let (columns, rows) = (axis(width, half), axis(height, half));
    let columns = columns
        .chunks(half)
        .flat_map(|sines| [sines, &zeros].concat());
    let rows = rows.chunks(half).flat_map(|sines| [&zeros, sines].concat());
    let columns = upload(columns.collect(), [1, width, dim]);
    let rows = upload(rows.collect(), [height, 1, dim]);
    (columns + rows).reshape([1, height * width, dim])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn columns_come_first_and_the_table_on_a_device_is_the_same() {
        let table = sine_positions([2, 3], 8);
        // The patch in row 1 and column 2.
        let place = &table[5 * 8..];
        let expected = [2.0_f64, 0.02].map(f64::sin).into_iter();
        let expected = expected.chain([2.0_f64, 0.02].map(f64::cos));
        let expected = expected.chain([1.0_f64, 0.01].map(f64::sin));
        let expected = expected.chain([1.0_f64, 0.01].map(f64::cos));
        for (found, expected) in place.iter().zip(expected) {
            assert_eq!(*found, f64::from(expected as f32), "{place:?}");
        }
        let device = Default::default();
        let uploaded = positions::<NdArray>([2, 3], 8, &device, DType::F64);
        assert_eq!(uploaded.dims(), [1, 6, 8]);
        let uploaded: Vec<f64> = uploaded.into_data().into_vec().expect("double precision");
        assert_eq!(uploaded, table);
    }
}
