//! Sums over rows, column by column: the gradients of biases, scales and gates.
//!
//! The rows come in groups of one length, and each group has sums of its own. A cube has a block of
//! columns of one group. Its units form teams: a unit has one column, and every n-th row, n being
//! the number of teams, so that neighbours read neighbouring numbers.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;
use std::ops::AddAssign;

/// Columns of a block.
const LANES: usize = 32;
/// Units of a column, and from one row of a unit to the next.
pub(super) const TEAMS: usize = 8;
/// Cubes that are wanted at once: some for every processor of a large GPU.
const CUBES: usize = 512;
/// Rows of a unit, at least, where rows are cut into groups for the sake of more cubes.
const WORK: usize = 8;

/// How rows and columns are laid out.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) rows: usize,
    pub(super) width: usize,
    /// Rows of a group. The last group may have fewer.
    pub(super) group: usize,
}

impl Columns {
    /// Groups for the sake of more cubes, whose sums are to be added up.
    pub(super) fn cut(rows: usize, width: usize) -> Self {
        let blocks = width.div_ceil(LANES).max(1);
        let groups = (CUBES / blocks).min(rows / (TEAMS * WORK)).max(1);
        Self {
            rows,
            width,
            group: rows.div_ceil(groups).max(1),
        }
    }

    /// Memory for the sums: `[groups, width]`.
    pub(super) fn sums<R: CubeRuntime>(&self, like: &CubeTensor<R>) -> CubeTensor<R> {
        let shape = Shape::from([self.rows.div_ceil(self.group), self.width]);
        empty_device_dtype(like.client.clone(), like.device.clone(), shape, DType::F32)
    }

    pub(super) fn count<R: CubeRuntime>(&self, x: &CubeTensor<R>) -> CubeCount {
        let cubes = self.rows.div_ceil(self.group) * self.width.div_ceil(LANES);
        calculate_cube_count_elemwise(&x.client, cubes, CubeDim::new_single())
    }

    pub(super) fn dim() -> CubeDim {
        CubeDim::new_1d((LANES * TEAMS) as u32)
    }

    pub(super) fn sizes<R: CubeRuntime>(&self) -> SizesLaunch<R> {
        SizesLaunch::new(self.rows, self.width, self.group)
    }
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Sizes {
    rows: usize,
    pub(super) width: usize,
    group: usize,
}

/// What a unit has to do.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Part {
    pub(super) group: usize,
    pub(super) column: usize,
    /// The unit's rows: every `TEAMS`-th from the first one on.
    pub(super) first: usize,
    pub(super) end: usize,
    /// Whether the unit writes the sum of the column.
    pub(super) writes: bool,
}

#[cube]
pub(super) fn part(sizes: &Sizes) -> Part {
    let lanes = comptime![LANES];
    let unit = UNIT_POS as usize;
    let (team, lane) = (unit / lanes, unit % lanes);
    let blocks = sizes.width.div_ceil(lanes);
    let (group, block) = (CUBE_POS / blocks, CUBE_POS % blocks);
    let column = block * lanes + lane;
    let start = group * sizes.group;
    let mut end = min(start + sizes.group, sizes.rows);
    // Past the last column, and the last group, there is nothing to add.
    if column >= sizes.width {
        end = 0;
    }
    Part {
        group,
        column,
        first: start + team,
        end,
        writes: team == 0 && column < sizes.width && start < sizes.rows,
    }
}

/// Memory that the units of a cube share.
#[cube]
pub(super) fn shared<T: CubePrimitive>() -> SharedMemory<T> {
    SharedMemory::<T>::new(comptime![LANES * TEAMS])
}

/// The sum over the units of a column. All units of the cube have to call it together.
#[cube]
pub(super) fn total<T: CubePrimitive + AddAssign>(value: T, shared: &mut SharedMemory<T>) -> T {
    let lanes = comptime![LANES];
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let lane = unit % lanes;
    let mut total = shared[lane];
    #[unroll]
    for team in 1..comptime![TEAMS] {
        total += shared[team * lanes + lane];
    }
    total
}

/// The sums over all rows: `[1, width]` of `[rows, width]`.
pub(super) fn sum_rows<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let shape = x.shape();
    sum_groups(sums(x, Columns::cut(shape[0], shape[1])))
}

/// The sums over the rows of each group.
fn sums<R: CubeRuntime>(x: CubeTensor<R>, columns: Columns) -> CubeTensor<R> {
    let sums = columns.sums(&x);
    add_rows::launch(
        &x.client.clone(),
        columns.count(&x),
        Columns::dim(),
        x.into_linear_view(),
        sums.clone().into_linear_view(),
        columns.sizes(),
    );
    sums
}

/// The sums over the groups, which are few enough for one launch.
pub(super) fn sum_groups<R: CubeRuntime>(found: CubeTensor<R>) -> CubeTensor<R> {
    let shape = found.shape();
    let [rows, width] = [shape[0], shape[1]];
    let group = rows;
    match rows {
        1 => found,
        _ => sums(found, Columns { rows, width, group }),
    }
}

#[cube(launch)]
fn add_rows(x: &LinearView<f32>, sums: &mut LinearView<f32, ReadWrite>, sizes: Sizes) {
    let part = part(&sizes);
    let mut shared = shared::<f32>();
    let mut sum = 0.0f32;
    for row in range_stepped(part.first, part.end, comptime![TEAMS]) {
        sum += x[row * sizes.width + part.column];
    }
    let sum = total(sum, &mut shared);
    if part.writes {
        sums[part.group * sizes.width + part.column] = sum;
    }
}
