//! Sums over the units of a cube, in the same order every time.

use cubecl::prelude::*;
use std::ops::AddAssign;

/// Halvings per step of a sum.
const AT_ONCE: u32 = 3;

/// Two sums that are taken together.
pub(super) type Pair = Vector<f32, Const<2>>;

/// The sum over each run of `lanes` units, which every unit of the run gets. All units of the cube
/// have to call it together.
///
/// Each step adds several numbers, since the units have to wait for each other after each step.
#[cube]
pub(super) fn sum<T: CubePrimitive + AddAssign>(
    value: T,
    shared: &mut SharedMemory<T>,
    #[comptime] lanes: usize,
) -> T {
    let unit = UNIT_POS as usize;
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

/// The largest of the numbers of all units, which every unit gets. All units of the cube have to call
/// it together.
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
