//! Attention of every query to every key: two products with one launch between them, and backward
//! four with one.
//!
//! `p = softmax(s·q·kᵀ)`, `y = p·v`; `dv = pᵀ·g`, `dp = g·vᵀ`, `dz = s·p·(dp − Σ p·dp)`,
//! `dq = dz·k`, `dk = dzᵀ·q`
//!
//! The scores of all pairs are kept.

use super::sum::{largest, sum, units};
use crate::tape::Fused;
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

#[derive(Debug, Clone)]
pub(super) struct Attention {
    pub(super) scale: f64,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for Attention
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    /// q, k, v and p.
    type Saved = [CubeTensor<R>; 4];

    fn forward(&self, [q, k, v]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Self::Saved) {
        type B<R, F, I, T> = CubeBackend<R, F, I, T>;
        let keys = B::<R, F, I, T>::float_swap_dims(k.clone(), 2, 3);
        let p = B::<R, F, I, T>::float_matmul(q.clone(), keys);
        let [rows, width] = sizes(&p);
        softmax::launch(
            &p.client,
            calculate_cube_count_elemwise(&p.client, rows, CubeDim::new_single()),
            CubeDim::new_1d(units(width) as u32),
            p.clone().into_linear_view(),
            rows,
            width,
            self.scale as f32,
            units(width),
        );
        let y = B::<R, F, I, T>::float_matmul(p.clone(), v.clone());
        (y, [q, k, v, p])
    }

    fn backward(
        &self,
        [q, k, v, p]: Self::Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        type B<R, F, I, T> = CubeBackend<R, F, I, T>;
        let turned = |x| B::<R, F, I, T>::float_swap_dims(x, 2, 3);
        let product = B::<R, F, I, T>::float_matmul;
        let dv = wanted[2].then(|| product(turned(p.clone()), gradient.clone()));
        if !wanted[0] && !wanted[1] {
            return [None, None, dv];
        }
        let dz = product(gradient, turned(v));
        let [rows, width] = sizes(&p);
        pull::launch(
            &p.client.clone(),
            calculate_cube_count_elemwise(&p.client, rows, CubeDim::new_single()),
            CubeDim::new_1d(units(width) as u32),
            p.into_linear_view(),
            dz.clone().into_linear_view(),
            rows,
            width,
            self.scale as f32,
            units(width),
        );
        let dq = wanted[0].then(|| product(dz.clone(), k));
        let dk = wanted[1].then(|| product(turned(dz), q));
        [dq, dk, dv]
    }
}

/// The rows of the scores, and the numbers of a row.
fn sizes<R: CubeRuntime>(p: &CubeTensor<R>) -> [usize; 2] {
    let shape = p.shape();
    [shape[0] * shape[1] * shape[2], shape[3]]
}

/// `softmax(s·z)` of each row, written over z. A row has a cube of units to itself.
#[cube(launch)]
fn softmax(
    z: &mut LinearView<f32, ReadWrite>,
    rows: usize,
    width: usize,
    scale: f32,
    #[comptime] units: usize,
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let first = row * width;
    let mut shared = SharedMemory::<f32>::new(units);
    // Every unit reads some number of the row, so that none starts from −∞.
    let mut most = z[first + unit % width];
    for i in range_stepped(unit, width, units) {
        most = max(most, z[first + i]);
    }
    let most = largest(most, &mut shared, units);
    let mut total = 0.0f32;
    for i in range_stepped(unit, width, units) {
        let e = f32::exp((z[first + i] - most) * scale);
        z[first + i] = e;
        total += e;
    }
    let share = 1.0 / sum(total, &mut shared, units);
    for i in range_stepped(unit, width, units) {
        z[first + i] = z[first + i] * share;
    }
}

/// `s·p·(dp − Σ p·dp)` of each row, written over dp.
#[cube(launch)]
fn pull(
    p: &LinearView<f32>,
    dp: &mut LinearView<f32, ReadWrite>,
    rows: usize,
    width: usize,
    scale: f32,
    #[comptime] units: usize,
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let first = row * width;
    let mut shared = SharedMemory::<f32>::new(units);
    let mut along = 0.0f32;
    for i in range_stepped(unit, width, units) {
        along += p[first + i] * dp[first + i];
    }
    let along = sum(along, &mut shared, units);
    for i in range_stepped(unit, width, units) {
        dp[first + i] = scale * p[first + i] * (dp[first + i] - along);
    }
}
