//! Attention of every query to every key: two products with one launch between them, and backward
//! four with one.
//!
//! `p = softmax(s·q·kᵀ)`, `y = p·v`; `dv = pᵀ·g`, `dp = g·vᵀ`, `dz = s·p·(dp − Σ p·dp)`,
//! `dq = dz·k`, `dk = dzᵀ·q`
//!
//! The scores of all pairs are kept.

use super::product::Factor;
use super::sum::{largest, sum, units};
use crate::precision::Precision;
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
    pub(super) precision: Precision,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for Attention
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    /// q, k and v, and p.
    type Saved = ([Factor<R>; 3], CubeTensor<R>);

    fn forward(&self, inputs: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Self::Saved) {
        let [q, k, v] = inputs.map(|x| Factor::of(x, self.precision));
        let p = q.times::<F, I, T>(&turned::<R, F, I, T>(&k));
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
        let y = Factor::of(p.clone(), self.precision).times::<F, I, T>(&v);
        (y, ([q, k, v], p))
    }

    fn backward(
        &self,
        ([q, k, v], p): Self::Saved,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        let gradient = Factor::of(gradient, self.precision);
        let dv = wanted[2].then(|| {
            let p = Factor::of(p.clone(), self.precision);
            turned::<R, F, I, T>(&p).times::<F, I, T>(&gradient)
        });
        if !wanted[0] && !wanted[1] {
            return [None, None, dv];
        }
        let dz = gradient.times::<F, I, T>(&turned::<R, F, I, T>(&v));
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
        let dz = Factor::of(dz, self.precision);
        let dq = wanted[0].then(|| dz.times::<F, I, T>(&k));
        let dk = wanted[1].then(|| turned::<R, F, I, T>(&dz).times::<F, I, T>(&q));
        [dq, dk, dv]
    }
}

/// Each matrix transposed.
fn turned<R, F, I, T>(x: &Factor<R>) -> Factor<R>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    x.seen(|x| CubeBackend::<R, F, I, T>::float_swap_dims(x, 2, 3))
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
