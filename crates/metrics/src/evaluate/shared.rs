//! Samples that several processes draw together.

use pyroclast_solvers::Statistics;
use pyroclast_train::draw::{CHUNK, Described, Plan, Samples, Stepping};
use pyroclast_train::learn::Group;
use std::ops::Range;

/// The statistics that a process passes with its samples.
const NUMBERS: usize = 6;
/// Values of a message, at most: MPI counts them in 31 bits.
const PART: usize = 1 << 24;

/// The rows of `n` that this process draws. Adaptive steps, and the noise of a step, belong to a chunk,
/// so chunks stay as they are for one process where there are such.
pub(super) fn own_rows<M: Described>(group: &dyn Group, n: usize, plan: &Plan<M>) -> Range<usize> {
    let unit = match plan.stepping {
        Stepping::Fixed(..) if !plan.requirements().adds_noise => 1,
        _ => CHUNK,
    };
    let units = group.rows(n.div_ceil(unit));
    (units.start * unit).min(n)..(units.end * unit).min(n)
}

/// On process 0 the samples of all processes in the order of their rows, on the others `None`. A
/// process without rows has none.
pub(super) fn gathered(
    group: &dyn Group,
    own: Option<Samples>,
    n: usize,
    dim: usize,
) -> Option<Samples> {
    if group.size() == 1 {
        return own;
    }
    let (numbers, mut values) = own.map_or_else(Default::default, passed);
    // As many messages from each, whatever it has: at most a chunk more than its share.
    let most = (n.div_ceil(group.size()) + CHUNK).min(n) * dim;
    let mut all: Option<Samples> = None;
    for from in 0..group.size() {
        let is_own = group.rank() == from;
        let own = |of: &[f32]| if is_own { of.to_vec() } else { Vec::new() };
        let numbers = group.to_leader(from, own(&numbers));
        let mut received = Vec::new();
        for _ in 0..most.div_ceil(PART) {
            let rest = values.split_off(if is_own { values.len().min(PART) } else { 0 });
            let part = std::mem::replace(&mut values, rest);
            received.extend(group.to_leader(from, part));
        }
        if let Some(part) = samples(&numbers, received, n, dim) {
            all = Some(match all {
                Some(all) => joined(all, part),
                None => part,
            });
        }
    }
    all
}

/// The statistics of samples, each as two numbers of single precision, and their values.
fn passed(samples: Samples) -> (Vec<f32>, Vec<f32>) {
    let Statistics {
        steps,
        rejections,
        evaluations,
    } = samples.statistics;
    let numbers: [f64; NUMBERS] = [
        steps as f64,
        rejections as f64,
        evaluations as f64,
        samples.source_scale,
        samples.path_energy.unwrap_or(f64::NAN),
        samples.straightness.unwrap_or(f64::NAN),
    ];
    let in_two = |x: f64| [x as f32, (x - f64::from(x as f32)) as f32];
    let numbers = numbers.into_iter().flat_map(in_two).collect();
    (numbers, samples.values)
}

/// What [`passed`] was made of, if there is anything. Means count by their share of the rows.
fn samples(numbers: &[f32], values: Vec<f32>, n: usize, dim: usize) -> Option<Samples> {
    let [
        steps,
        rejections,
        evaluations,
        source_scale,
        energy,
        straightness,
    ] = numbers
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[most, rest]| f64::from(*most) + f64::from(*rest))
        .collect::<Vec<_>>()
        .try_into()
        .ok()?;
    let share = (values.len() / dim) as f64 / n as f64;
    let mean = |x: f64| (!x.is_nan()).then_some(x * share);
    Some(Samples {
        values,
        statistics: Statistics {
            steps: steps as usize,
            rejections: rejections as usize,
            evaluations: evaluations as usize,
        },
        source_scale,
        path_energy: mean(energy),
        straightness: mean(straightness),
    })
}

fn joined(mut all: Samples, part: Samples) -> Samples {
    let add = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
    all.values.extend(part.values);
    all.path_energy = add(all.path_energy, part.path_energy);
    all.straightness = add(all.straightness, part.straightness);
    if part.statistics.evaluations > all.statistics.evaluations {
        all.statistics = part.statistics;
    }
    all
}
