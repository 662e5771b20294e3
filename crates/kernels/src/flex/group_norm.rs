//! Group normalisation with a gain and a bias per channel and the SiLU after it, in two passes over
//! a group.
//!
//! `x̂ = (x − mean)/√(var + ε)`, `z = x̂·gain + bias`, `y = z` or `SiLU(z)`;
//! `dz = g·y'(z)`, `dx = (dz·gain − mean(dz·gain) − x̂·mean(dz·gain·x̂))/√(var + ε)`

mod tangent;

pub(crate) use tangent::group_norm_tangent;

use crate::downcast::raw;
use crate::flex::float::Float;
use crate::flex::silu::{slope, value};
use crate::flex::simd::{CHUNK, build, sum, sum_and_dot, vectorised};
use crate::flex::tensor::{by_dtype, contiguous, from_vec, owned, reusable, run, slice};
use crate::grouping::Grouping;
use crate::tape::Fused;
use burn::tensor::backend::Backend;
use burn::tensor::{Shape, Tensor};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

pub(crate) fn group_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gain: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    grouping: Grouping,
) -> Tensor<B, D> {
    run::<B, _, 3, D>(GroupNorm(grouping), [raw(x), raw(gain), raw(bias)])
}

#[derive(Debug, Clone)]
struct GroupNorm(Grouping);

/// What the backward needs.
#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    gain: FlexTensor,
    bias: FlexTensor,
    /// Mean and 1/√(var + ε) of each group.
    moments: FlexTensor,
}

impl Fused<Flex, 3> for GroupNorm {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [x, gain, bias] = inputs.map(|x| contiguous(&x));
        let moments = by_dtype!(x.dtype(), moments::<_>(&self.0, &x));
        let y = by_dtype!(
            x.dtype(),
            normalised::<_>(&self.0, x.clone(), &gain, &bias, &moments)
        );
        let saved = Saved {
            x,
            gain,
            bias,
            moments,
        };
        (y, saved)
    }

    fn value(&self, [x, gain, bias]: [FlexTensor; 3]) -> FlexTensor {
        let [gain, bias] = [gain, bias].map(|x| contiguous(&x));
        let x = owned(x);
        let moments = by_dtype!(x.dtype(), moments::<_>(&self.0, &x));
        by_dtype!(
            x.dtype(),
            normalised::<_>(&self.0, x, &gain, &bias, &moments)
        )
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        by_dtype!(
            gradient.dtype(),
            backward::<_>(&self.0, &saved, owned(gradient))
        )
        .map(Some)
    }
}

/// The sizes of an input.
struct Sizes {
    batch: usize,
    groups: usize,
    /// Channels per group.
    channels: usize,
    /// Pixels per channel.
    pixels: usize,
    /// Groups that one thread takes at a time.
    at_once: usize,
}

impl Sizes {
    fn of(x: &FlexTensor, groups: usize) -> Self {
        let shape = x.layout().shape();
        let (batch, all) = (shape[0], shape[1]);
        let pixels = shape.iter().skip(2).product::<usize>();
        let channels = all / groups;
        Self {
            batch,
            groups,
            channels,
            pixels,
            at_once: (CHUNK / (channels * pixels).max(1)).max(1),
        }
    }

    /// Numbers per group of a sample.
    fn row(&self) -> usize {
        self.channels * self.pixels
    }

    /// Where the gain of a group's first channel lies among `rows` rows of gains.
    fn channel(&self, group: usize, rows: usize) -> usize {
        let all = self.groups * self.channels;
        group * self.channels % if rows == 1 { all } else { rows * all }
    }
}

/// Mean and 1/√(var + ε) of each group, one after the other.
fn moments<T: Float>(grouping: &Grouping, x: &FlexTensor) -> FlexTensor {
    let sizes = Sizes::of(x, grouping.groups);
    let mut out = vec![T::default(); 2 * sizes.batch * sizes.groups];
    let (row, at_once, epsilon) = (sizes.row(), sizes.at_once, T::of(grouping.epsilon));
    let chunk = |(x, moments): (&[T], &mut [T])| {
        vectorised(
            #[inline(always)]
            || {
                let share = T::of(1.0 / row as f64);
                for (x, moments) in x.chunks_exact(row).zip(moments.chunks_exact_mut(2)) {
                    let mean = sum(x, |x| x) * share;
                    let variance = sum(x, |x| (x - mean) * (x - mean)) * share;
                    moments.copy_from_slice(&[mean, T::ONE / (variance + epsilon).root()]);
                }
            },
        );
    };
    if row > 0 {
        let groups = slice::<T>(x).par_chunks(at_once * row);
        groups.zip(out.par_chunks_mut(2 * at_once)).for_each(chunk);
    }
    let count = out.len();
    from_vec(out, Shape::from([count]))
}

/// `x̂·gain + bias` and its SiLU, written over x if nothing else holds it.
fn normalised<T: Float>(
    grouping: &Grouping,
    mut x: FlexTensor,
    gain: &FlexTensor,
    bias: &FlexTensor,
    moments: &FlexTensor,
) -> FlexTensor {
    if x.layout().num_elements() == 0 {
        return x;
    }
    let sizes = Sizes::of(&x, grouping.groups);
    let rows = [gain, bias].map(|v| v.layout().shape()[0]);
    let channels = Channels {
        sizes,
        rows,
        gains: slice::<T>(gain),
        biases: slice::<T>(bias),
        moments: slice::<T>(moments),
        silu: grouping.silu,
    };
    if reusable(&x) {
        let chunks = x.storage_mut::<T>().par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(i, x)| {
            vectorised(
                #[inline(always)]
                || channels.apply(i * CHUNK, x),
            );
        });
        return x;
    }
    let values = slice::<T>(&x);
    let y = build(
        values.len(),
        #[inline(always)]
        |start, out: &mut [T]| {
            out.copy_from_slice(&values[start..start + out.len()]);
            channels.apply(start, out);
        },
    );
    from_vec(y, x.layout().shape().clone())
}

/// What each channel of each sample is scaled and shifted by.
struct Channels<'a, T> {
    sizes: Sizes,
    /// The rows of the gains and of the biases.
    rows: [usize; 2],
    gains: &'a [T],
    biases: &'a [T],
    moments: &'a [T],
    silu: bool,
}

impl<T: Float> Channels<'_, T> {
    /// Scales, shifts and activates a part of the image that begins at number `start`.
    #[inline(always)]
    fn apply(&self, start: usize, x: &mut [T]) {
        let Sizes {
            channels, pixels, ..
        } = self.sizes;
        let (mut from, mut line) = (0, start / pixels);
        let (mut group, mut channel) = (line / channels, line % channels);
        while from < x.len() {
            let to = x.len().min((line + 1) * pixels - start);
            let [gain, bias] = self
                .rows
                .map(|rows| self.sizes.channel(group, rows) + channel);
            let (mean, inverse) = (self.moments[2 * group], self.moments[2 * group + 1]);
            let scale = inverse * self.gains[gain];
            let shift = (-mean).fma(scale, self.biases[bias]);
            let x = &mut x[from..to];
            if self.silu {
                x.iter_mut().for_each(|x| *x = value(x.fma(scale, shift)));
            } else {
                x.iter_mut().for_each(|x| *x = x.fma(scale, shift));
            }
            (from, line) = (to, line + 1);
            channel += 1;
            if channel == channels {
                (group, channel) = (group + 1, 0);
            }
        }
    }
}

/// The gradients. That of x is written over the incoming one.
fn backward<T: Float>(
    grouping: &Grouping,
    saved: &Saved,
    mut gradient: FlexTensor,
) -> [FlexTensor; 3] {
    let sizes = Sizes::of(&saved.x, grouping.groups);
    let (x, moments) = (slice::<T>(&saved.x), slice::<T>(&saved.moments));
    let (gains, biases) = (slice::<T>(&saved.gain), slice::<T>(&saved.bias));
    let rows = [&saved.gain, &saved.bias].map(|v| v.layout().shape()[0]);
    let all = sizes.groups * sizes.channels;
    // Σ dz·x̂ and Σ dz of each channel of each sample.
    let mut sums = vec![T::default(); 2 * sizes.batch * all];
    let (row, at_once, pixels) = (sizes.row(), sizes.at_once, sizes.pixels);
    let chunk = |index: usize, dx: &mut [T], sums: &mut [T], x: &[T]| {
        vectorised(
            #[inline(always)]
            || {
                let share = T::of(1.0 / row as f64);
                let groups = dx
                    .chunks_exact_mut(row)
                    .zip(sums.chunks_exact_mut(2 * sizes.channels));
                for (k, (dx, sums)) in groups.enumerate() {
                    let group = index * at_once + k;
                    let x = &x[k * row..(k + 1) * row];
                    let (mean, inverse) = (moments[2 * group], moments[2 * group + 1]);
                    let first = rows.map(|rows| sizes.channel(group, rows));
                    let (mut along, mut level) = (T::default(), T::default());
                    for c in 0..sizes.channels {
                        let range = c * pixels..(c + 1) * pixels;
                        let (dx, x) = (&mut dx[range.clone()], &x[range]);
                        let (gain, bias) = (gains[first[0] + c], biases[first[1] + c]);
                        let scale = inverse * gain;
                        let shift = (-mean).fma(scale, bias);
                        if grouping.silu {
                            for (g, x) in dx.iter_mut().zip(x) {
                                *g = *g * slope(x.fma(scale, shift));
                            }
                        }
                        let (total, dot) = sum_and_dot(dx, x, |x| (x - mean) * inverse);
                        sums[2 * c] = dot;
                        sums[2 * c + 1] = total;
                        along = dot.fma(gain, along);
                        level = total.fma(gain, level);
                    }
                    // dx = dz·(gain/std) − x·tilt − offset
                    let tilt = along * share * inverse * inverse;
                    let offset = (-mean).fma(tilt, level * share * inverse);
                    for c in 0..sizes.channels {
                        let range = c * pixels..(c + 1) * pixels;
                        let scale = gains[first[0] + c] * inverse;
                        for (dx, x) in dx[range.clone()].iter_mut().zip(&x[range]) {
                            *dx = dx.fma(scale, -x.fma(tilt, offset));
                        }
                    }
                }
            },
        );
    };
    if !x.is_empty() {
        let dx = gradient.storage_mut::<T>();
        dx.par_chunks_mut(at_once * row)
            .zip(sums.par_chunks_mut(2 * sizes.channels * at_once))
            .zip(x.par_chunks(at_once * row))
            .enumerate()
            .for_each(|(index, ((dx, sums), x))| chunk(index, dx, sums, x));
    }
    let of = |part: usize, rows: usize| {
        let mut out = vec![T::default(); rows * all];
        for (i, pair) in sums.chunks_exact(2).enumerate() {
            out[i % (rows * all)] += pair[part];
        }
        from_vec(out, Shape::from([rows, all]))
    };
    let (gain, bias) = (of(0, rows[0]), of(1, rows[1]));
    [gradient, gain, bias]
}
