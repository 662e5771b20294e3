//! Layer normalisation of tokens, modulated: one launch forward, two backward.
//!
//! `x̂ = (x − mean)/√(var + ε)`, `y = x̂·(1 + scale) + shift`;
//! `dz = g·(1 + scale)`, `dx = (dz − mean(dz) − x̂·mean(dz·x̂))/√(var + ε)`,
//! `dscale = Σ g·x̂`, `dshift = Σ g` over the tokens of a sample
//!
//! A token has a cube of units to itself.

use super::columns::{self, Columns, TEAMS, part, shared, sum_groups, total};
use super::elementwise::{empty_like, stride_of};
use super::sum::{Pair, Runs, mean_and_variance, sum, units};
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// The operation.
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    pub(super) epsilon: f64,
}

/// What the backward needs.
#[derive(Debug, Clone)]
pub(crate) struct Saved<R: CubeRuntime> {
    x: CubeTensor<R>,
    scale: CubeTensor<R>,
    /// Whether all samples share the shift.
    shift_is_shared: bool,
    /// Mean and 1/√(var + ε) of each token: `[tokens, 2]`.
    moments: CubeTensor<R>,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for LayerNorm
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = Saved<R>;

    fn forward(&self, [x, scale, shift]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Saved<R>) {
        let plan = Plan::of(&x);
        let y = empty_like(&x);
        let moments = Shape::from([plan.tokens, 2]);
        let moments = empty_device_dtype(x.client.clone(), x.device.clone(), moments, DType::F32);
        normalise::launch(
            &x.client,
            plan.count(&x),
            plan.dim(),
            x.clone().into_linear_view(),
            scale.clone().into_linear_view(),
            shift.clone().into_linear_view(),
            y.clone().into_linear_view(),
            moments.clone().into_linear_view(),
            plan.sizes(stride_of(&scale), stride_of(&shift)),
            self.epsilon as f32,
            plan.units,
        );
        let saved = Saved {
            x,
            scale,
            shift_is_shared: shift.shape()[0] == 1,
            moments,
        };
        (y, saved)
    }

    fn backward(
        &self,
        saved: Saved<R>,
        gradient: CubeTensor<R>,
        wanted: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        let Saved {
            x,
            scale,
            shift_is_shared,
            moments,
        } = saved;
        let scale_is_shared = scale.shape()[0] == 1;
        let plan = Plan::of(&x);
        let dx = wanted[0].then(|| {
            let dx = empty_like(&x);
            pull::launch(
                &x.client,
                plan.count(&x),
                plan.dim(),
                x.clone().into_linear_view(),
                scale.clone().into_linear_view(),
                moments.clone().into_linear_view(),
                gradient.clone().into_linear_view(),
                dx.clone().into_linear_view(),
                plan.sizes(stride_of(&scale), 0),
                plan.units,
            );
            dx
        });
        if !wanted[1] && !wanted[2] {
            return [dx, None, None];
        }
        let columns = Columns {
            rows: plan.tokens,
            width: plan.width,
            group: plan.sample,
        };
        let [d_scale, d_shift] = [columns.sums(&x), columns.sums(&x)];
        modulate::launch(
            &x.client.clone(),
            columns.count(&x),
            Columns::dim(),
            x.into_linear_view(),
            moments.into_linear_view(),
            gradient.into_linear_view(),
            d_scale.clone().into_linear_view(),
            d_shift.clone().into_linear_view(),
            columns.sizes(),
        );
        let of = |each, is_shared| if is_shared { sum_groups(each) } else { each };
        [
            dx,
            wanted[1].then(|| of(d_scale, scale_is_shared)),
            wanted[2].then(|| of(d_shift, shift_is_shared)),
        ]
    }
}

/// How the work is laid out.
struct Plan {
    /// Tokens of all samples.
    tokens: usize,
    /// Tokens of a sample.
    sample: usize,
    width: usize,
    /// Units per cube, a power of two.
    units: usize,
}

impl Plan {
    fn of<R: CubeRuntime>(x: &CubeTensor<R>) -> Self {
        let shape = x.shape();
        let [batch, sample, width] = [shape[0], shape[1], shape[2]];
        Self {
            tokens: batch * sample,
            sample,
            width,
            units: units(width),
        }
    }

    fn count<R: CubeRuntime>(&self, x: &CubeTensor<R>) -> CubeCount {
        calculate_cube_count_elemwise(&x.client, self.tokens, CubeDim::new_single())
    }

    fn dim(&self) -> CubeDim {
        CubeDim::new_1d(self.units as u32)
    }

    fn sizes<R: CubeRuntime>(&self, scale: usize, shift: usize) -> SizesLaunch<R> {
        SizesLaunch::new(self.tokens, self.sample, self.width, scale, shift)
    }
}

#[derive(CubeType, CubeLaunch)]
struct Sizes {
    tokens: usize,
    sample: usize,
    width: usize,
    /// From the scales of one sample to those of the next: 0 where all samples share them.
    scale: usize,
    shift: usize,
}

#[cube(launch)]
fn normalise(
    x: &LinearView<f32>,
    scale: &LinearView<f32>,
    shift: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    moments: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    epsilon: f32,
    #[comptime] units: usize,
) {
    let token = CUBE_POS;
    if token >= sizes.tokens {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let width = sizes.width;
    let (first, sample) = (token * width, token / sizes.sample);
    let mut shared = SharedMemory::<f32>::new(units);

    let row = Runs {
        first,
        count: width,
        run: width,
        step: width,
    };
    let (mean, variance) = mean_and_variance(x, row, &mut shared, units, true);
    let inverse = 1.0 / f32::sqrt(variance + epsilon);
    if unit == 0 {
        moments[2 * token] = mean;
        moments[2 * token + 1] = inverse;
    }
    for i in range_stepped(unit, width, units) {
        let factor = 1.0 + scale[sample * sizes.scale + i];
        y[first + i] = (x[first + i] - mean) * inverse * factor + shift[sample * sizes.shift + i];
    }
}

#[cube(launch)]
fn pull(
    x: &LinearView<f32>,
    scale: &LinearView<f32>,
    moments: &LinearView<f32>,
    gradient: &LinearView<f32>,
    dx: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    #[comptime] units: usize,
) {
    let token = CUBE_POS;
    if token >= sizes.tokens {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let width = sizes.width;
    let (first, scales) = (token * width, token / sizes.sample * sizes.scale);
    let (mean, inverse) = (moments[2 * token], moments[2 * token + 1]);
    let mut shared = SharedMemory::<Pair>::new(units);

    let mut level = 0.0f32;
    let mut along = 0.0f32;
    for i in range_stepped(unit, width, units) {
        let dz = gradient[first + i] * (1.0 + scale[scales + i]);
        level += dz;
        along += dz * ((x[first + i] - mean) * inverse);
    }
    let mut sums = Pair::new(level);
    sums[1] = along;
    let means = sum(sums, &mut shared, units) / Pair::new(width as f32);
    for i in range_stepped(unit, width, units) {
        let at = (x[first + i] - mean) * inverse;
        let dz = gradient[first + i] * (1.0 + scale[scales + i]);
        dx[first + i] = (dz - means[0] - at * means[1]) * inverse;
    }
}

#[cube(launch)]
fn modulate(
    x: &LinearView<f32>,
    moments: &LinearView<f32>,
    gradient: &LinearView<f32>,
    d_scale: &mut LinearView<f32, ReadWrite>,
    d_shift: &mut LinearView<f32, ReadWrite>,
    sizes: columns::Sizes,
) {
    let part = part(&sizes);
    let mut shared = shared::<Pair>();
    let mut level = 0.0f32;
    let mut along = 0.0f32;
    for row in range_stepped(part.first, part.end, comptime![TEAMS]) {
        let at = row * sizes.width + part.column;
        let g = gradient[at];
        level += g;
        along += g * ((x[at] - moments[2 * row]) * moments[2 * row + 1]);
    }
    let mut sums = Pair::new(level);
    sums[1] = along;
    let sums = total(sums, &mut shared);
    if part.writes {
        let to = part.group * sizes.width + part.column;
        d_scale[to] = sums[1];
        d_shift[to] = sums[0];
    }
}
