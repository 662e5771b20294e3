//! Sums over the units of a cube, in the same order every time, and moments by them.

use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;
use std::ops::AddAssign;

/// Halvings per step of a sum.
const AT_ONCE: u32 = 3;

/// The fewest and the most units of a cube that has one row.
const UNITS: [usize; 2] = [32, 256];
/// Numbers of a row per unit, at least, where there are enough.
const WORK: usize = 4;

/// Two sums that are taken together.
pub(super) type Pair = Vector<f32, Const<2>>;

/// The sum over each run of `lanes` units, which every unit of the run gets. All units of the cube
/// have to call it together.
#[cube]
pub(super) fn sum<T: CubePrimitive + AddAssign>(
    value: T,
    shared: &mut SharedMemory<T>,
    #[comptime] lanes: usize,
) -> T {
    sum_of(UNIT_POS as usize, value, shared, lanes)
}

/// The same where runs are formed by numbers that the units have beside their own.
///
/// Each step adds several numbers, since the units have to wait for each other after each step.
#[cube]
pub(super) fn sum_of<T: CubePrimitive + AddAssign>(
    unit: usize,
    value: T,
    shared: &mut SharedMemory<T>,
    #[comptime] lanes: usize,
) -> T {
    // Other units may still be reading the last sum.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let halvings = comptime![lanes.trailing_zeros()];
    #[unroll]
    for step in 0..comptime![halvings.div_ceil(AT_ONCE)] {
        let from = comptime![lanes >> (step * AT_ONCE)];
        let to = comptime![lanes >> ((step + 1) * AT_ONCE).min(halvings)];
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

/// The largest of the numbers of all units, which every unit gets. All units of the cube have to
/// call it together.
#[cube]
pub(super) fn largest(value: f32, shared: &mut SharedMemory<f32>, #[comptime] units: usize) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = value;
    sync_cube();
    #[unroll]
    for halving in 1..comptime![units.trailing_zeros() + 1] {
        let to = comptime![units >> halving];
        if unit < to {
            shared[unit] = max(shared[unit], shared[unit + to]);
        }
        sync_cube();
    }
    shared[0]
}

/// Numbers in runs of equal length.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Runs {
    pub(super) first: usize,
    /// Numbers in all.
    pub(super) count: usize,
    /// Numbers of a run.
    pub(super) run: usize,
    /// From the start of a run to that of the next.
    pub(super) step: usize,
}

/// Mean and variance of numbers, which every unit gets. All units of the cube have to call it
/// together. Where `whole`, there is a single run.
#[cube]
pub(super) fn mean_and_variance(
    x: &LinearView<f32>,
    runs: Runs,
    shared: &mut SharedMemory<f32>,
    #[comptime] units: usize,
    #[comptime] whole: bool,
) -> (f32, f32) {
    let unit = UNIT_POS as usize;
    let mut total = 0.0f32;
    for i in range_stepped(unit, runs.count, units) {
        total += x[place(&runs, i, whole)];
    }
    let mean = sum(total, shared, units) / runs.count as f32;
    // Around the mean, so that a large mean does not cancel the variance.
    let mut squares = 0.0f32;
    for i in range_stepped(unit, runs.count, units) {
        let centred = x[place(&runs, i, whole)] - mean;
        squares += centred * centred;
    }
    (mean, sum(squares, shared, units) / runs.count as f32)
}

/// Where the number i of the runs is.
#[cube]
fn place(runs: &Runs, i: usize, #[comptime] whole: bool) -> usize {
    if whole {
        runs.first + i
    } else {
        runs.first + i / runs.run * runs.step + i % runs.run
    }
}

/// Units for a row of so many numbers, a power of two.
pub(super) fn units(width: usize) -> usize {
    let [fewest, most] = UNITS;
    (width / WORK).next_power_of_two().clamp(fewest, most)
}
