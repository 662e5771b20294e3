//! Group normalisation with a gain and a bias per channel and the SiLU after it: one launch
//! forward, one backward.
//!
//! `x̂ = (x − mean)/√(var + ε)`, `z = x̂·gain + bias`, `y = z` or `SiLU(z)`;
//! `dz = g·y'(z)`, `dx = (dz·gain − mean(dz·gain) − x̂·mean(dz·gain·x̂))/√(var + ε)`
//!
//! Each group of each sample has a cube of units to itself, so no sum crosses cubes and every sum
//! is added in the same order every time. The units of a cube form teams. Each team takes every
//! n-th channel of the group, n being the number of teams, and its units read neighbouring pixels.

use super::elementwise::stride_of;
use super::logistic::{logistic, silu_slope};
use super::sum::{Pair, mean_and_variance, sum};
use crate::grouping::Grouping;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// The most units of a cube: every runtime allows this many.
const UNITS: usize = 256;
/// The fewest: many processors run this many together anyway.
const FEWEST: usize = 32;
/// Numbers per unit, at least, where there are enough.
const WORK: usize = 8;
/// Units of a team, at least: so many neighbours in memory are read together.
const LANES: usize = 16;

/// What the backward needs.
#[derive(Debug, Clone)]
pub(crate) struct Saved<R: CubeRuntime> {
    x: CubeTensor<R>,
    gain: CubeTensor<R>,
    bias: CubeTensor<R>,
    /// Mean and 1/√(var + ε) of each group: `[batch·groups, 2]`.
    moments: CubeTensor<R>,
}

/// The operation.
#[derive(Debug, Clone)]
pub(super) struct GroupNorm(pub(super) Grouping);

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for GroupNorm
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = Saved<R>;

    fn forward(&self, [x, gain, bias]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Saved<R>) {
        let plan = Plan::of(&x, self.0.groups);
        let y = empty(&x, x.shape());
        let moments = empty(&x, Shape::from([plan.cubes, 2]));
        normalise::launch(
            &x.client,
            plan.count(&x),
            CubeDim::new_1d(plan.units as u32),
            x.clone().into_linear_view(),
            gain.clone().into_linear_view(),
            bias.clone().into_linear_view(),
            y.clone().into_linear_view(),
            moments.clone().into_linear_view(),
            plan.sizes([&gain, &bias]),
            self.0.epsilon as f32,
            plan.units,
            plan.lanes,
            self.0.silu,
        );
        let saved = Saved {
            x,
            gain,
            bias,
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
            gain,
            bias,
            moments,
        } = saved;
        let plan = Plan::of(&x, self.0.groups);
        let (batch, channels) = (plan.cubes / plan.groups, plan.groups * plan.channels);
        let rows = [&gain, &bias].map(|v| v.shape()[0]);
        let dx = empty(&x, x.shape());
        let each = || empty(&x, Shape::from([batch, channels]));
        let (d_gain, d_bias) = (each(), each());
        differentiate::launch(
            &x.client,
            plan.count(&x),
            CubeDim::new_1d(plan.units as u32),
            x.clone().into_linear_view(),
            gain.clone().into_linear_view(),
            bias.clone().into_linear_view(),
            moments.into_linear_view(),
            gradient.into_linear_view(),
            dx.clone().into_linear_view(),
            d_gain.clone().into_linear_view(),
            d_bias.clone().into_linear_view(),
            plan.sizes([&gain, &bias]),
            plan.units,
            plan.lanes,
            self.0.silu,
        );
        let of = |each, rows: usize| {
            if rows == batch {
                each
            } else {
                // All samples shared one row.
                CubeBackend::<R, F, I, T>::float_sum_dim(each, 0)
            }
        };
        [
            Some(dx),
            wanted[1].then(|| of(d_gain, rows[0])),
            wanted[2].then(|| of(d_bias, rows[1])),
        ]
    }
}

fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: Shape) -> CubeTensor<R> {
    empty_device_dtype(like.client.clone(), like.device.clone(), shape, DType::F32)
}

/// How the work is laid out.
struct Plan {
    /// One per sample and group.
    cubes: usize,
    groups: usize,
    /// Channels per group.
    channels: usize,
    pixels: usize,
    /// Units per cube, a power of two.
    units: usize,
    /// Units per team, a power of two.
    lanes: usize,
}

impl Plan {
    fn of<R: CubeRuntime>(x: &CubeTensor<R>, groups: usize) -> Self {
        let shape = x.shape();
        let pixels = shape[2..].iter().product::<usize>();
        let channels = shape[1] / groups;
        let units = (channels * pixels / WORK)
            .next_power_of_two()
            .clamp(FEWEST, UNITS);
        let lanes = (units / channels.next_power_of_two()).max(LANES);
        Self {
            cubes: shape[0] * groups,
            groups,
            channels,
            pixels,
            units,
            lanes: lanes.min(pixels.next_power_of_two()),
        }
    }

    fn count<R: CubeRuntime>(&self, x: &CubeTensor<R>) -> CubeCount {
        cubecl::calculate_cube_count_elemwise(&x.client, self.cubes, CubeDim::new_single())
    }

    fn sizes<R: CubeRuntime>(&self, [gain, bias]: [&CubeTensor<R>; 2]) -> SizesLaunch<R> {
        SizesLaunch::new(
            self.cubes,
            self.groups,
            self.channels,
            self.pixels,
            stride_of(gain),
            stride_of(bias),
        )
    }
}

#[derive(CubeType, CubeLaunch)]
struct Sizes {
    cubes: usize,
    groups: usize,
    /// Channels per group.
    channels: usize,
    pixels: usize,
    /// From the gains of one sample to those of the next: 0 where all samples share them.
    gain: usize,
    bias: usize,
}

#[cube(launch)]
fn normalise(
    x: &LinearView<f32>,
    gain: &LinearView<f32>,
    bias: &LinearView<f32>,
    y: &mut LinearView<f32, ReadWrite>,
    moments: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    epsilon: f32,
    #[comptime] units: usize,
    #[comptime] lanes: usize,
    #[comptime] silu: bool,
) {
    let cube = CUBE_POS;
    if cube >= sizes.cubes {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let row = sizes.channels * sizes.pixels;
    let (sample, first_channel) = (cube / sizes.groups, cube % sizes.groups * sizes.channels);
    let first = cube * row;
    let mut shared = SharedMemory::<f32>::new(units);

    let (mean, variance) = mean_and_variance(x, first, row, &mut shared, units);
    let inverse = 1.0 / f32::sqrt(variance + epsilon);
    if unit == 0 {
        moments[2 * cube] = mean;
        moments[2 * cube + 1] = inverse;
    }

    let (team, lane) = (unit / lanes, unit % lanes);
    for channel in range_stepped(team, sizes.channels, units / lanes) {
        let of = first_channel + channel;
        let scale = gain[sample * sizes.gain + of] * inverse;
        let shift = bias[sample * sizes.bias + of];
        let start = first + channel * sizes.pixels;
        for pixel in range_stepped(lane, sizes.pixels, lanes) {
            let z = (x[start + pixel] - mean) * scale + shift;
            if silu {
                y[start + pixel] = z * logistic(z);
            } else {
                y[start + pixel] = z;
            }
        }
    }
}

#[cube(launch)]
fn differentiate(
    x: &LinearView<f32>,
    gain: &LinearView<f32>,
    bias: &LinearView<f32>,
    moments: &LinearView<f32>,
    gradient: &LinearView<f32>,
    dx: &mut LinearView<f32, ReadWrite>,
    d_gain: &mut LinearView<f32, ReadWrite>,
    d_bias: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    #[comptime] units: usize,
    #[comptime] lanes: usize,
    #[comptime] silu: bool,
) {
    let cube = CUBE_POS;
    if cube >= sizes.cubes {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let (team, lane) = (unit / lanes, unit % lanes);
    let teams = units / lanes;
    let row = sizes.channels * sizes.pixels;
    let (sample, first_channel) = (cube / sizes.groups, cube % sizes.groups * sizes.channels);
    let first = cube * row;
    let (mean, inverse) = (moments[2 * cube], moments[2 * cube + 1]);
    let mut shared = SharedMemory::<Pair>::new(units);

    // Σ dz·gain and Σ dz·gain·x̂ of the group; the first unit of each team has the team's part.
    let mut of_group = Pair::new(0.0);
    for round in 0..sizes.channels.div_ceil(teams) {
        let channel = round * teams + team;
        // Past the last channel a team has nothing to add, but the others wait for it.
        let is_one = channel < sizes.channels;
        let of = first_channel + channel;
        let mut of_channel = Pair::new(0.0);
        let mut scale = 0.0f32;
        if is_one {
            scale = gain[sample * sizes.gain + of];
            let shift = bias[sample * sizes.bias + of];
            let start = first + channel * sizes.pixels;
            let mut level = 0.0f32;
            let mut along = 0.0f32;
            for pixel in range_stepped(lane, sizes.pixels, lanes) {
                let at = (x[start + pixel] - mean) * inverse;
                let dz = gradient[start + pixel] * slope(at * scale + shift, silu);
                level += dz;
                along += dz * at;
            }
            of_channel[0] = level;
            of_channel[1] = along;
        }
        let of_channel = sum(of_channel, &mut shared, lanes);
        if is_one && lane == 0 {
            let to = sample * sizes.groups * sizes.channels + of;
            d_bias[to] = of_channel[0];
            d_gain[to] = of_channel[1];
            of_group += of_channel * Pair::new(scale);
        }
    }
    let means = sum(of_group, &mut shared, units) / Pair::new(row as f32);
    let (level, along) = (means[0], means[1]);

    for channel in range_stepped(team, sizes.channels, teams) {
        let of = first_channel + channel;
        let scale = gain[sample * sizes.gain + of];
        let shift = bias[sample * sizes.bias + of];
        let start = first + channel * sizes.pixels;
        for pixel in range_stepped(lane, sizes.pixels, lanes) {
            let at = (x[start + pixel] - mean) * inverse;
            let dz = gradient[start + pixel] * slope(at * scale + shift, silu);
            dx[start + pixel] = (dz * scale - level - at * along) * inverse;
        }
    }
}

/// The derivative of what follows the normalisation: 1, or the SiLU's `s·(1 + z·(1 − s))`.
#[cube]
fn slope(z: f32, #[comptime] silu: bool) -> f32 {
    if silu {
        silu_slope(z)
    } else {
        1.0f32.runtime()
    }
}
