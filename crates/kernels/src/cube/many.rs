//! Many tensors in one launch.
//!
//! The tensors of a launch lie one behind the other, each in cubes of its own, and a cube finds its
//! tensor by its number. Their count is compiled into the kernel.

use super::elementwise::UNITS;
use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Tensors of a launch, at most: a kernel grows with their number.
const MOST: usize = 16;
/// Bindings that a kernel needs for itself.
const OWN: usize = 3;

/// A list of tensors for reading, and for writing.
pub(super) type Views = Sequence<LinearView<f32>>;
pub(super) type Outputs = Sequence<LinearView<f32, ReadWrite>>;

/// How many tensors a launch may have that binds so many buffers for each.
pub(super) fn at_once<R: CubeRuntime>(x: &CubeTensor<R>, buffers: usize) -> usize {
    let bindings = x.client.properties().hardware.max_bindings as usize;
    (bindings.saturating_sub(OWN) / buffers).clamp(1, MOST)
}

/// The items in groups. What a group held is given back before the next one comes.
pub(super) fn in_groups<T>(items: Vec<T>, some: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let group: Vec<T> = items.by_ref().take(some).collect();
        (!group.is_empty()).then_some(group)
    })
}

pub(super) fn views<'a, R: CubeRuntime>(
    tensors: impl IntoIterator<Item = &'a CubeTensor<R>>,
) -> SequenceArg<R, LinearView<f32>> {
    let views = tensors.into_iter().map(|x| x.clone().into_linear_view());
    views.collect()
}

pub(super) fn outputs<'a, R: CubeRuntime>(
    tensors: impl IntoIterator<Item = &'a CubeTensor<R>>,
) -> SequenceArg<R, LinearView<f32, ReadWrite>> {
    let views = tensors.into_iter().map(|x| x.clone().into_linear_view());
    views.collect()
}

/// The cubes of some tensors, one unit per number.
pub(super) struct Cubes {
    /// The first cube of each tensor, and the one behind the last.
    starts: Vec<usize>,
}

impl Cubes {
    pub(super) fn of<'a, R: CubeRuntime>(
        tensors: impl IntoIterator<Item = &'a CubeTensor<R>>,
    ) -> Self {
        let mut starts = vec![0];
        for x in tensors {
            let cubes = x.shape().num_elements().div_ceil(UNITS);
            starts.push(starts[starts.len() - 1] + cubes);
        }
        Self { starts }
    }

    pub(super) fn count<R: CubeRuntime>(&self, x: &CubeTensor<R>) -> CubeCount {
        let all = self.starts[self.starts.len() - 1];
        calculate_cube_count_elemwise(&x.client, all, CubeDim::new_single())
    }

    pub(super) fn starts<R: CubeRuntime>(&self) -> SequenceArg<R, usize> {
        self.starts.iter().copied().collect()
    }
}

/// The place of the unit in the k-th tensor, which may be behind its end, and whether the cube is
/// one of that tensor.
#[cube]
pub(super) fn place(starts: &Sequence<usize>, #[comptime] k: usize) -> (usize, bool) {
    let cube = CUBE_POS;
    let (start, end) = (starts[k], starts[comptime![k + 1]]);
    // Of another tensor's cube this is any number, and not used.
    let at = (cube - start) * comptime![UNITS] + UNIT_POS as usize;
    (at, cube >= start && cube < end)
}
