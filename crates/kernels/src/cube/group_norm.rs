//! Group normalisation with a gain and a bias a channel, and the SiLU that follows it: one launch forward, one backward.
//!
//! `x̂ = (x − mean)/√(var + ε)`, `z = x̂·gain + bias`, `y = z` or `SiLU(z)`;
//! `dz = g·y'(z)`, `dx = (dz·gain − mean(dz·gain) − x̂·mean(dz·gain·x̂))/√(var + ε)`
//!
//! A cube of units has one group of one sample to itself, so its sums never leave it and come out the same every time. The units stand in
//! teams, each of which takes every so manyth channel of the group, and side by side in a team, so that neighbours read neighbours.

use crate::group_norm::Grouping;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;
use std::ops::AddAssign;

/// The most units of a cube, which is what every runtime allows.
const UNITS: usize = 256;
/// The fewest, which is what many processors run together.
const FEWEST: usize = 32;
/// Numbers that a unit takes at least, if there are enough.
const WORK: usize = 8;
/// Neighbours in memory that a team reads together at least.
const LANES: usize = 16;
/// Halvings that one step of a sum makes at once.
const AT_ONCE: u32 = 3;

/// What the backward reads again.
#[derive(Debug, Clone)]
pub(crate) struct Saved<R: CubeRuntime> {
    x: CubeTensor<R>,
    gain: CubeTensor<R>,
    bias: CubeTensor<R>,
    /// The mean and the reciprocal deviation of each group: `[batch·groups, 2]`.
    moments: CubeTensor<R>,
}

impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 3> for Grouping
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = Saved<R>;

    fn forward(&self, [x, gain, bias]: [CubeTensor<R>; 3]) -> (CubeTensor<R>, Saved<R>) {
        let plan = Plan::of(&x, self);
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
            self.epsilon as f32,
            plan.units,
            plan.lanes,
            self.silu,
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
        let plan = Plan::of(&x, self);
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
            self.silu,
        );
        let of = |each, rows: usize| match rows == batch {
            true => each,
            // One row served all samples.
            false => CubeBackend::<R, F, I, T>::float_sum_dim(each, 0),
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
    /// One a sample and group.
    cubes: usize,
    groups: usize,
    /// Channels of a group.
    channels: usize,
    pixels: usize,
    /// Units of a cube, a power of two.
    units: usize,
    /// Units of a team, a power of two.
    lanes: usize,
}

impl Plan {
    fn of<R: CubeRuntime>(x: &CubeTensor<R>, grouping: &Grouping) -> Self {
        let shape = x.shape();
        let (groups, pixels) = (grouping.groups, shape[2..].iter().product::<usize>());
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
        let channels = self.groups * self.channels;
        let stride = |v: &CubeTensor<R>| if v.shape()[0] == 1 { 0 } else { channels };
        SizesLaunch::new(
            self.cubes,
            self.groups,
            self.channels,
            self.pixels,
            stride(gain),
            stride(bias),
        )
    }
}

/// Two sums that are made together.
type Pair = Vector<f32, Const<2>>;

#[derive(CubeType, CubeLaunch)]
struct Sizes {
    cubes: usize,
    groups: usize,
    /// Channels of a group.
    channels: usize,
    pixels: usize,
    /// From the gains of one sample to those of the next: none where all have the same.
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

    let mut total = 0.0f32;
    for i in range_stepped(unit, row, units) {
        total += x[first + i];
    }
    let mean = sum(total, &mut shared, units) / row as f32;
    // About the mean, for a variance that no large mean cancels.
    let mut squares = 0.0f32;
    for i in range_stepped(unit, row, units) {
        let centred = x[first + i] - mean;
        squares += centred * centred;
    }
    let variance = sum(squares, &mut shared, units) / row as f32;
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

    // Σ dz·gain and Σ dz·gain·x̂ of the group, each team's part with its first unit.
    let mut of_group = Pair::new(0.0);
    for turn in 0..sizes.channels.div_ceil(teams) {
        let channel = turn * teams + team;
        // Past the last channel a team has nothing to add, but is waited for.
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

/// The sum over each run of `lanes` units, which all of them get. Every unit of the cube has to come here.
///
/// A few at a time, since units wait for one another more often the fewer are added at once.
#[cube]
fn sum<T: CubePrimitive + AddAssign>(
    value: T,
    shared: &mut SharedMemory<T>,
    #[comptime] lanes: usize,
) -> T {
    let unit = UNIT_POS as usize;
    // The last sum may still be read.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let halvings = comptime![lanes.trailing_zeros()];
    #[unroll]
    for turn in 0..comptime![halvings.div_ceil(AT_ONCE)] {
        let from = comptime![lanes >> (turn * AT_ONCE)];
        let to = comptime![lanes >> ((turn + 1) * AT_ONCE).min(halvings)];
        if unit % lanes < to {
            let mut total = shared[unit];
            #[unroll]
            for k in 1..comptime![from / to] {
                total += shared[unit + k * to];
            }
            shared[unit] = total;
        }
        sync_cube();
    }
    shared[unit / lanes * lanes]
}

/// `s(z) = 1/(1 + e⁻ᶻ)`, by an exponential that does not overflow.
#[cube]
fn logistic(z: f32) -> f32 {
    let e = f32::exp(-f32::abs(z));
    let share = 1.0 / (1.0 + e);
    select(z >= 0.0, share, e * share)
}

/// The derivative of what follows the normalisation: 1, or that of the SiLU, `s·(1 + z·(1 − s))`.
#[cube]
fn slope(z: f32, #[comptime] silu: bool) -> f32 {
    if silu {
        let s = logistic(z);
        s * (1.0 + z * (1.0 - s))
    } else {
        1.0f32.runtime()
    }
}
