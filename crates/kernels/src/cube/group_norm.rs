//! Group normalisation with a gain and a bias per channel, modulated or not, and the SiLU after it:
//! one launch forward, one backward, and one or two for the sums of shared rows.
//!
//! `x̂ = (x − mean)/√(var + ε)`, `G = gain·(1 + a)`, `z = x̂·G + bias·(1 + a) + b`, `y = z` or
//! `SiLU(z)`; `dz = g·y'(z)`, `dx = (dz·G − mean(dz·G) − x̂·mean(dz·G·x̂))/√(var + ε)`
//!
//! Each group of each sample has a cube of units to itself, so no sum crosses cubes and every sum
//! is added in the same order every time. The units of a cube form teams. Each team takes every
//! n-th channel of the group, n being the number of teams. Where channels come first in memory, the
//! units of a team are neighbours and read neighbouring pixels; where they come last, neighbours
//! are of different teams and read the channels of one pixel.

use super::columns::sum_rows;
use super::elementwise::stride_of;
use super::logistic::{logistic, silu_slope};
use super::many::{Outputs, Views, outputs, views};
use super::order::{Order, packed, packed_like};
use super::sum::{Pair, Runs, mean_and_variance, sum, sum_of};
use crate::grouping::Grouping;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{DType, Slice, TensorMetadata};
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
/// Units of a team, at least, where they are neighbours: so many numbers are read together.
const LANES: usize = 16;

/// What the backward needs.
#[derive(Debug, Clone)]
pub(crate) struct Saved<R: CubeRuntime> {
    inputs: Inputs<R>,
    /// Mean and 1/√(var + ε) of each group: `[batch·groups, 2]`.
    moments: CubeTensor<R>,
}

#[derive(Debug, Clone)]
struct Inputs<R: CubeRuntime> {
    x: CubeTensor<R>,
    gain: CubeTensor<R>,
    bias: CubeTensor<R>,
    /// a and b side by side.
    modulation: Option<CubeTensor<R>>,
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
        let modulation = None;
        self.normalised(Inputs {
            x,
            gain,
            bias,
            modulation,
        })
    }

    fn backward(
        &self,
        saved: Saved<R>,
        gradient: CubeTensor<R>,
        [x, gain, bias]: [bool; 3],
    ) -> [Option<CubeTensor<R>>; 3] {
        let wanted = [x, gain, bias, false];
        let [dx, d_gain, d_bias, _] = self.pulled_back::<R, F, I, T>(saved, gradient, wanted);
        [dx, d_gain, d_bias]
    }
}

/// The same with a modulation.
impl<R, F, I, T> Fused<CubeBackend<R, F, I, T>, 4> for GroupNorm
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    T: BoolElement,
    CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    type Saved = Saved<R>;

    fn forward(
        &self,
        [x, gain, bias, modulation]: [CubeTensor<R>; 4],
    ) -> (CubeTensor<R>, Saved<R>) {
        let modulation = Some(modulation);
        self.normalised(Inputs {
            x,
            gain,
            bias,
            modulation,
        })
    }

    fn backward(
        &self,
        saved: Saved<R>,
        gradient: CubeTensor<R>,
        wanted: [bool; 4],
    ) -> [Option<CubeTensor<R>>; 4] {
        self.pulled_back::<R, F, I, T>(saved, gradient, wanted)
    }
}

impl GroupNorm {
    fn normalised<R: CubeRuntime>(&self, inputs: Inputs<R>) -> (CubeTensor<R>, Saved<R>) {
        let plan = Plan::of(&inputs, self.0.groups);
        let x = plan.order.view(inputs.x.clone());
        let y = packed_like(&x);
        let moments = packed(&x, [plan.cubes, 2], DType::F32);
        normalise::launch(
            &x.client.clone(),
            plan.count(&x),
            CubeDim::new_1d(plan.units as u32),
            x.into_linear_view(),
            inputs.gain.clone().into_linear_view(),
            inputs.bias.clone().into_linear_view(),
            views(&inputs.modulation),
            y.clone().into_linear_view(),
            moments.clone().into_linear_view(),
            plan.sizes(&inputs),
            self.0.epsilon as f32,
            plan.layout(),
            self.0.silu,
        );
        (plan.order.back(y), Saved { inputs, moments })
    }

    fn pulled_back<R, F, I, T>(
        &self,
        Saved { inputs, moments }: Saved<R>,
        gradient: CubeTensor<R>,
        wanted: [bool; 4],
    ) -> [Option<CubeTensor<R>>; 4]
    where
        R: CubeRuntime,
        F: FloatElement,
        I: IntElement,
        T: BoolElement,
        CubeBackend<R, F, I, T>: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let plan = Plan::of(&inputs, self.0.groups);
        let (batch, channels) = (plan.cubes / plan.groups, plan.groups * plan.channels);
        let x = plan.order.view(inputs.x.clone());
        let dx = packed_like(&x);
        let each = || packed(&x, [batch, 2 * channels], DType::F32);
        let d_rows = each();
        let d_modulation = inputs.modulation.as_ref().map(|_| each());
        differentiate::launch(
            &x.client.clone(),
            plan.count(&x),
            CubeDim::new_1d(plan.units as u32),
            x.into_linear_view(),
            inputs.gain.clone().into_linear_view(),
            inputs.bias.clone().into_linear_view(),
            views(&inputs.modulation),
            moments.into_linear_view(),
            plan.order.view(gradient).into_linear_view(),
            dx.clone().into_linear_view(),
            d_rows.clone().into_linear_view(),
            outputs(&d_modulation),
            plan.sizes(&inputs),
            plan.layout(),
            self.0.silu,
        );
        // Where all samples shared one row, its gradient is the sum over the samples.
        let is_shared = |rows: &CubeTensor<R>| rows.shape()[0] != batch;
        let [gain, bias] = [&inputs.gain, &inputs.bias].map(is_shared);
        let is_summed = (wanted[1] && gain) || (wanted[2] && bias);
        let summed = is_summed.then(|| sum_rows(d_rows.clone()));
        let half = |i: usize, is_shared: bool| {
            let all = match &summed {
                Some(summed) if is_shared => summed,
                _ => &d_rows,
            };
            let rows = Slice::from(0..all.shape()[0]);
            let columns = Slice::from(i * channels..(i + 1) * channels);
            CubeBackend::<R, F, I, T>::float_slice(all.clone(), &[rows, columns])
        };
        let d_modulation = d_modulation.filter(|_| wanted[3]).map(|each| {
            match inputs.modulation.as_ref().is_some_and(is_shared) {
                true => sum_rows(each),
                false => each,
            }
        });
        [
            Some(plan.order.back(dx)),
            wanted[1].then(|| half(0, gain)),
            wanted[2].then(|| half(1, bias)),
            d_modulation,
        ]
    }
}

/// How the work is laid out.
struct Plan {
    order: Order,
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
    fn of<R: CubeRuntime>(Inputs { x, .. }: &Inputs<R>, groups: usize) -> Self {
        let shape = x.shape();
        let order = Order::of(x);
        let pixels = shape[2..].iter().product::<usize>();
        let channels = shape[1] / groups;
        let units = (channels * pixels / WORK)
            .next_power_of_two()
            .clamp(FEWEST, UNITS);
        let lanes = units / channels.next_power_of_two();
        let lanes = match order {
            Order::First => lanes.max(LANES).min(pixels.next_power_of_two()),
            Order::Last => lanes.max(1),
        };
        Self {
            order,
            cubes: shape[0] * groups,
            groups,
            channels,
            pixels,
            units,
            lanes,
        }
    }

    fn count<R: CubeRuntime>(&self, x: &CubeTensor<R>) -> CubeCount {
        cubecl::calculate_cube_count_elemwise(&x.client, self.cubes, CubeDim::new_single())
    }

    fn layout(&self) -> Layout {
        Layout {
            units: self.units,
            lanes: self.lanes,
            is_last: self.order.is_last(),
        }
    }

    fn sizes<R: CubeRuntime>(&self, inputs: &Inputs<R>) -> SizesLaunch<R> {
        SizesLaunch::new(
            self.cubes,
            self.groups,
            self.channels,
            self.pixels,
            stride_of(&inputs.gain),
            stride_of(&inputs.bias),
            inputs.modulation.as_ref().map_or(0, stride_of),
        )
    }
}

/// What is compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Layout {
    units: usize,
    lanes: usize,
    /// Whether channels come last in memory.
    is_last: bool,
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
    modulation: usize,
}

/// The numbers of a cube, and the part of a unit in them.
#[derive(CubeType, Clone, Copy)]
struct Part {
    sample: usize,
    /// The first channel of the group.
    channel: usize,
    /// Where the group starts.
    first: usize,
    /// From one channel to the next, and from one pixel to the next.
    channels: usize,
    pixels: usize,
    team: usize,
    lane: usize,
}

#[cube]
fn part(sizes: &Sizes, #[comptime] layout: Layout) -> Part {
    let Layout {
        units,
        lanes,
        is_last,
    } = comptime![layout];
    let unit = UNIT_POS as usize;
    let cube = CUBE_POS;
    let (sample, group) = (cube / sizes.groups, cube % sizes.groups);
    let channel = group * sizes.channels;
    if is_last {
        let width = sizes.groups * sizes.channels;
        Part {
            sample,
            channel,
            first: sample * sizes.pixels * width + channel,
            channels: 1usize.runtime(),
            pixels: width,
            team: unit % comptime![units / lanes],
            lane: unit / comptime![units / lanes],
        }
    } else {
        Part {
            sample,
            channel,
            first: cube * sizes.channels * sizes.pixels,
            channels: sizes.pixels,
            pixels: 1usize.runtime(),
            team: unit / lanes,
            lane: unit % lanes,
        }
    }
}

/// The factor and the shift of a channel, and the `1 + a` in both.
#[cube]
fn channel(
    gain: &LinearView<f32>,
    bias: &LinearView<f32>,
    modulation: &Views,
    sizes: &Sizes,
    sample: usize,
    of: usize,
) -> (f32, f32, f32) {
    let scale = gain[sample * sizes.gain + of];
    let shift = bias[sample * sizes.bias + of];
    if comptime![modulation.len() == 1] {
        let modulation = modulation[0];
        let first = sample * sizes.modulation + of;
        let factor = 1.0 + modulation[first];
        let by = modulation[first + sizes.groups * sizes.channels];
        (scale * factor, shift * factor + by, factor)
    } else {
        (scale, shift, 1.0f32.runtime())
    }
}

#[cube(launch)]
fn normalise(
    x: &LinearView<f32>,
    gain: &LinearView<f32>,
    bias: &LinearView<f32>,
    modulation: &Views,
    y: &mut LinearView<f32, ReadWrite>,
    moments: &mut LinearView<f32, ReadWrite>,
    sizes: Sizes,
    epsilon: f32,
    #[comptime] layout: Layout,
    #[comptime] silu: bool,
) {
    let cube = CUBE_POS;
    if cube >= sizes.cubes {
        terminate!();
    }
    let Layout {
        units,
        lanes,
        is_last,
    } = comptime![layout];
    let part = part(&sizes, layout);
    let mut shared = SharedMemory::<f32>::new(units);
    let runs = Runs {
        first: part.first,
        count: sizes.channels * sizes.pixels,
        run: sizes.channels,
        step: part.pixels,
    };
    let (mean, variance) = mean_and_variance(x, runs, &mut shared, units, !is_last);
    let inverse = 1.0 / f32::sqrt(variance + epsilon);
    if UNIT_POS == 0 {
        moments[2 * cube] = mean;
        moments[2 * cube + 1] = inverse;
    }

    for of in range_stepped(part.team, sizes.channels, comptime![units / lanes]) {
        let (scale, shift, _) = channel(
            gain,
            bias,
            modulation,
            &sizes,
            part.sample,
            part.channel + of,
        );
        let scale = scale * inverse;
        for pixel in range_stepped(part.lane, sizes.pixels, lanes) {
            let at = part.first + of * part.channels + pixel * part.pixels;
            let z = (x[at] - mean) * scale + shift;
            if silu {
                y[at] = z * logistic(z);
            } else {
                y[at] = z;
            }
        }
    }
}

#[cube(launch)]
fn differentiate(
    x: &LinearView<f32>,
    gain: &LinearView<f32>,
    bias: &LinearView<f32>,
    modulation: &Views,
    moments: &LinearView<f32>,
    gradient: &LinearView<f32>,
    dx: &mut LinearView<f32, ReadWrite>,
    d_rows: &mut LinearView<f32, ReadWrite>,
    d_modulation: &mut Outputs,
    sizes: Sizes,
    #[comptime] layout: Layout,
    #[comptime] silu: bool,
) {
    let cube = CUBE_POS;
    if cube >= sizes.cubes {
        terminate!();
    }
    let Layout { units, lanes, .. } = comptime![layout];
    let teams = comptime![units / lanes];
    let part = part(&sizes, layout);
    // The units of a team are a run, whichever neighbours they have.
    let place = part.team * lanes + part.lane;
    let width = sizes.groups * sizes.channels;
    let (mean, inverse) = (moments[2 * cube], moments[2 * cube + 1]);
    let mut shared = SharedMemory::<Pair>::new(units);

    // Σ dz·G and Σ dz·G·x̂ of the group; the first unit of each team has the team's part.
    let mut of_group = Pair::new(0.0);
    for round in 0..sizes.channels.div_ceil(teams) {
        let of = round * teams + part.team;
        // Past the last channel a team has nothing to add, but the others wait for it.
        let is_one = of < sizes.channels;
        let mut of_channel = Pair::new(0.0);
        let mut total = 0.0f32;
        let mut factor = 0.0f32;
        if is_one {
            let (scale, shift, by) = channel(
                gain,
                bias,
                modulation,
                &sizes,
                part.sample,
                part.channel + of,
            );
            total = scale;
            factor = by;
            let mut level = 0.0f32;
            let mut along = 0.0f32;
            for pixel in range_stepped(part.lane, sizes.pixels, lanes) {
                let at = part.first + of * part.channels + pixel * part.pixels;
                let normal = (x[at] - mean) * inverse;
                let dz = gradient[at] * slope(normal * scale + shift, silu);
                level += dz;
                along += dz * normal;
            }
            of_channel[0] = level;
            of_channel[1] = along;
        }
        let of_channel = sum_of(place, of_channel, &mut shared, lanes);
        if is_one && part.lane == 0 {
            let (level, along) = (of_channel[0], of_channel[1]);
            let channel = part.channel + of;
            let to = part.sample * 2 * width + channel;
            d_rows[to] = along * factor;
            d_rows[to + width] = level * factor;
            if comptime![d_modulation.len() == 1] {
                let scale = gain[part.sample * sizes.gain + channel];
                let shift = bias[part.sample * sizes.bias + channel];
                let mut d_modulation = d_modulation[0];
                d_modulation[to] = along * scale + level * shift;
                d_modulation[to + width] = level;
            }
            of_group += of_channel * Pair::new(total);
        }
    }
    let row = sizes.channels * sizes.pixels;
    let means = sum(of_group, &mut shared, units) / Pair::new(row as f32);
    let (level, along) = (means[0], means[1]);

    for of in range_stepped(part.team, sizes.channels, teams) {
        let (scale, shift, _) = channel(
            gain,
            bias,
            modulation,
            &sizes,
            part.sample,
            part.channel + of,
        );
        for pixel in range_stepped(part.lane, sizes.pixels, lanes) {
            let at = part.first + of * part.channels + pixel * part.pixels;
            let normal = (x[at] - mean) * inverse;
            let dz = gradient[at] * slope(normal * scale + shift, silu);
            dx[at] = (dz * scale - level - normal * along) * inverse;
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
