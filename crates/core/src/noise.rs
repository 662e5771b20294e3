//! Noise as an argument: a counter-based generator on the host.
//!
//! `word(seed, stream, step, i) = Philox4x32-10(key = seed, counter = (i / 2, stream, step))`
//!
//! Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3". A value
//! depends on its four coordinates and on nothing else, so the same seed gives the same noise at any
//! thread count, in any order, after a resume, and on every backend: to the last bit on CPUs, and to a
//! relative 10⁻⁶ where a GPU makes the normal numbers. Normals are `Φ⁻¹(u)`, one
//! word each (Wichura 1988, algorithm AS 241), so the i-th normal is the i-th word whatever is
//! drawn around it. Long draws are filled by all threads with vector instructions, to the same bits
//! as one by one.

mod philox;
mod quantile;

pub use quantile::normal_quantile;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use pyroclast_kernels::{Words, normals_by_words};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Values filled by one thread at a time: large enough to hide the cost of a task.
const CHUNK: usize = 8192;
/// Values made by one loop after another, each of which keeps them in the first-level cache.
const BLOCK: usize = 256;

/// What a draw is for. Streams are independent: drawing more from one does not shift another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Stream {
    /// The initial parameters of a network.
    Init = 1,
    /// The order in which a dataset is visited.
    Order = 2,
    /// The times of a training batch.
    Time = 3,
    /// The source points x0 of a training batch.
    Source = 4,
    /// Dropout masks.
    Dropout = 5,
    /// Everything a sampler draws: its starting points and its Brownian increments.
    Sampler = 6,
    /// Generated datasets.
    Data = 7,
    /// The bridge noise z of a stochastic interpolant.
    Bridge = 8,
    /// Random directions of a metric.
    Metric = 9,
    /// Which labels are dropped for classifier-free guidance.
    Labels = 10,
    /// Brownian paths that can be queried at any time.
    Brownian = 11,
    /// Probes of a trace, and the noise that dequantises.
    Likelihood = 12,
    /// The pairs of a coupling that is not a permutation.
    Coupling = 13,
    /// The durations of a training batch of steps.
    Duration = 14,
}

/// The source of all randomness of a run: a seed.
///
/// ```
/// use pyroclast_core::noise::{Noise, Stream};
///
/// let noise = Noise::new(7);
/// let a = noise.draws(Stream::Source, 3).normals(4);
/// let b = noise.draws(Stream::Source, 3).normals(8);
/// assert_eq!(a, b[..4]); // the same coordinates, the same values
/// assert_ne!(a, noise.draws(Stream::Source, 4).normals(4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// The noise of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// An independent source for a purpose that has a name, such as `validation`.
    ///
    /// ```
    /// use pyroclast_core::noise::Noise;
    ///
    /// let noise = Noise::new(7);
    /// assert_eq!(noise.fork("validation"), noise.fork("validation"));
    /// assert_ne!(noise.fork("validation"), noise.fork("teacher"));
    /// ```
    pub fn fork(&self, purpose: &str) -> Self {
        Self {
            seed: self.seed ^ address(purpose),
        }
    }

    /// The draws of one stream at one step, from their beginning.
    pub fn draws(&self, stream: Stream, step: u64) -> Draws {
        Draws {
            seed: self.seed,
            stream: stream as u16,
            step,
            position: 0,
            part: Part::WHOLE,
        }
    }
}

/// Where the seeds of a purpose lie: FNV-1a of its name, but for names that are older than that
/// rule.
fn address(purpose: &str) -> u64 {
    match purpose {
        "validation" => 0x5EED_0F7E_57ED,
        name => name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        }),
    }
}

/// A cursor over the words of one (seed, stream, step).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws {
    seed: u64,
    stream: u16,
    step: u64,
    position: u64,
    part: Part,
}

/// Some rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    first: usize,
    rows: usize,
    all: usize,
}

impl Part {
    /// All rows: one, since what they are does not matter.
    const WHOLE: Self = Self {
        first: 0,
        rows: 1,
        all: 1,
    };
}

impl Draws {
    /// The draws of some rows of a batch of `all` rows: of as many values as the whole batch would
    /// draw at once, row by row, those of these rows. Single values are the same for all rows.
    ///
    /// A batch can so be worked on in parts, with the noise of the whole.
    ///
    /// ```
    /// use pyroclast_core::noise::{Noise, Stream};
    ///
    /// let draws = || Noise::new(7).draws(Stream::Dropout, 3);
    /// let (mut whole, mut part) = (draws(), draws().of_rows(1..3, 4));
    /// for width in [5, 2] {
    ///     let of_all = whole.uniforms(4 * width);
    ///     assert_eq!(part.uniforms(2 * width), of_all[width..3 * width]);
    /// }
    /// // A part of a part.
    /// let mut last = draws().of_rows(1..3, 4).of_rows(1..2, 2);
    /// assert_eq!(last.uniforms(5), draws().uniforms(20)[10..15]);
    /// ```
    ///
    /// # Panics
    /// If there are no such rows, or the draws are those of another number of rows. Drawing panics if the values are not as many for each row.
    #[must_use]
    pub fn of_rows(mut self, rows: Range<usize>, all: usize) -> Self {
        assert!(
            rows.start < rows.end && rows.end <= all,
            "rows {rows:?} of a batch of {all}"
        );
        let of = match self.part {
            Part::WHOLE => Part {
                first: 0,
                rows: all,
                all,
            },
            part => part,
        };
        assert!(
            of.rows == all,
            "{all} rows are not the {} that these draws are of",
            of.rows
        );
        self.part = Part {
            first: of.first + rows.start,
            rows: rows.len(),
            all: of.all,
        };
        self
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let word = self.word(self.position);
        self.position += 1;
        word
    }

    /// One uniform number in the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        to_unit(self.bits())
    }

    /// One standard normal number.
    pub fn normal(&mut self) -> f64 {
        normal_quantile(self.uniform())
    }

    /// An integer in `0..n`, without bias beyond 2⁻⁶⁴·n.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no integer is below 0");
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// `n` uniform numbers in (0, 1).
    pub fn uniforms(&mut self, n: usize) -> Vec<f64> {
        self.filled::<Uniform, _>(
            n,
            #[inline(always)]
            |u| u,
        )
    }

    /// Where the words of the next `n` values are, for a device that computes them by itself.
    pub fn words(&mut self, n: usize) -> Words {
        let first = self.pass(n);
        let counter = self.counter(0);
        Words {
            key: self.key(),
            counter: [counter[1], counter[2], counter[3]],
            first,
        }
    }

    /// `n` standard normal numbers in double precision.
    pub fn normals_f64(&mut self, n: usize) -> Vec<f64> {
        self.filled::<Normal, _>(
            n,
            #[inline(always)]
            |z| z,
        )
    }

    /// `n` standard normal numbers in single precision: [`Draws::normals_f64`], rounded.
    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        self.filled::<Normal, _>(
            n,
            #[inline(always)]
            |z| z as f32,
        )
    }

    /// A standard normal tensor of the given shape, device and float type.
    pub fn normal_tensor<B: Backend, const D: usize>(
        &mut self,
        shape: [usize; D],
        device: &B::Device,
        dtype: DType,
    ) -> Tensor<B, D> {
        self.scaled_normal_tensor(1.0, shape, device, dtype)
    }

    /// A normal tensor of mean 0 and the given standard deviation.
    ///
    /// A GPU makes single precision by itself: the same numbers to a relative 10⁻⁶.
    pub fn scaled_normal_tensor<B: Backend, const D: usize>(
        &mut self,
        std: f64,
        shape: [usize; D],
        device: &B::Device,
        dtype: DType,
    ) -> Tensor<B, D> {
        let n = shape.iter().product();
        let here = self.clone();
        if let Some(made) = normals_by_words(self.words(n), std, shape, (device, dtype)) {
            return made;
        }
        *self = here;
        let data = match dtype {
            DType::F64 => TensorData::new(
                self.filled::<Normal, _>(
                    n,
                    #[inline(always)]
                    |z| std * z,
                ),
                Shape::from(shape),
            ),
            _ => {
                let values = self.filled::<Normal, _>(
                    n,
                    #[inline(always)]
                    |z| (std * z) as f32,
                );
                TensorData::new(values, Shape::from(shape))
            }
        };
        Tensor::from_data(data, (device, dtype))
    }

    /// A uniformly random permutation of `0..n` (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// The next `n` values, made from blocks of words.
    fn filled<L: Law, T: Send + Clone + Default>(
        &mut self,
        n: usize,
        rounded: impl Fn(f64) -> T + Sync,
    ) -> Vec<T> {
        let start = self.pass(n);
        let mut out = vec![T::default(); n];
        let fill = |(index, chunk): (usize, &mut [T])| {
            pulp::Arch::new().dispatch(Filling::<'_, L, _, _> {
                draws: self,
                position: start + (index * CHUNK) as u64,
                law: PhantomData,
                rounded: &rounded,
                out: chunk,
            });
        };
        if n > CHUNK {
            out.par_chunks_mut(CHUNK).enumerate().for_each(fill);
        } else {
            out.chunks_mut(CHUNK).enumerate().for_each(fill);
        }
        out
    }

    /// Goes past the next `n` values, and says where they start.
    fn pass(&mut self, n: usize) -> u64 {
        let Part { first, rows, all } = self.part;
        let of_row = (n / rows) as u64;
        assert!(
            n.is_multiple_of(rows),
            "{n} values are not as many for each of {rows} rows"
        );
        let start = self.position + of_row * first as u64;
        self.position += of_row * all as u64;
        start
    }

    /// The words from a position on.
    #[inline(always)]
    fn write_words(&self, position: u64, out: &mut [u64; BLOCK]) {
        if position.is_multiple_of(2) {
            let (pairs, _) = out.as_chunks_mut::<{ 2 * philox::LANES }>();
            for (i, pairs) in pairs.iter_mut().enumerate() {
                *pairs = self.pairs(position / 2 + (i * philox::LANES) as u64);
            }
        } else {
            out.iter_mut()
                .zip(position..)
                .for_each(|(word, i)| *word = self.word(i));
        }
    }

    /// Both words of each of some blocks of the generator.
    #[inline(always)]
    fn pairs(&self, block: u64) -> [u64; 2 * philox::LANES] {
        let mut counters = [[0; philox::LANES]; 4];
        let [a, b, c, d] = &mut counters;
        for (l, (((a, b), c), d)) in a.iter_mut().zip(b).zip(c).zip(d).enumerate() {
            let counter = self.counter(block + l as u64);
            *a = u64::from(counter[0]);
            *b = u64::from(counter[1]);
            *c = u64::from(counter[2]);
            *d = u64::from(counter[3]);
        }
        let [first, second] = philox::words(counters, self.key());
        let mut words = [0; 2 * philox::LANES];
        for l in 0..philox::LANES {
            words[2 * l] = first[l];
            words[2 * l + 1] = second[l];
        }
        words
    }

    fn word(&self, position: u64) -> u64 {
        self.block(position / 2)[(position % 2) as usize]
    }

    fn block(&self, block: u64) -> [u64; 2] {
        let [a, b, c, d] = philox::philox(self.counter(block), self.key()).map(u64::from);
        [a | (b << 32), c | (d << 32)]
    }

    #[inline(always)]
    fn counter(&self, block: u64) -> [u32; 4] {
        [
            block as u32,
            ((block >> 32) as u32 & 0xFFFF) | (u32::from(self.stream) << 16),
            self.step as u32,
            (self.step >> 32) as u32,
        ]
    }

    #[inline(always)]
    fn key(&self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }
}

/// Values from a position on. It and the law are types, not functions, because what the compiler
/// leaves a function of its own is compiled for the oldest processor.
struct Filling<'a, L, T, R> {
    draws: &'a Draws,
    position: u64,
    law: PhantomData<L>,
    rounded: &'a R,
    out: &'a mut [T],
}

impl<L: Law, T, R: Fn(f64) -> T> pulp::WithSimd for Filling<'_, L, T, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let (mut words, mut numbers) = ([0; BLOCK], [0.0; BLOCK]);
        for (block, slots) in self.out.chunks_mut(BLOCK).enumerate() {
            let position = self.position + (block * BLOCK) as u64;
            self.draws.write_words(position, &mut words);
            L::values(&words, &mut numbers);
            let pairs = slots.iter_mut().zip(&numbers);
            pairs.for_each(|(slot, x)| *slot = (self.rounded)(*x));
        }
    }
}

/// The middle of the `2⁻⁵²`-wide cell that the upper bits of `word` name, so neither 0 nor 1 can
/// come out.
#[inline(always)]
fn to_unit(word: u64) -> f64 {
    // The bits of a number in [1, 2): a conversion from an integer would not vectorise everywhere.
    const ONE: u64 = 0x3FF << 52;
    (f64::from_bits(ONE | (word >> 12)) - 1.0) + 0.5 / (1u64 << 52) as f64
}

/// What a block of words is turned into.
trait Law {
    fn values(words: &[u64; BLOCK], out: &mut [f64; BLOCK]);
}

/// Uniform in (0, 1).
struct Uniform;

impl Law for Uniform {
    #[inline(always)]
    fn values(words: &[u64; BLOCK], out: &mut [f64; BLOCK]) {
        out.iter_mut()
            .zip(words)
            .for_each(|(u, word)| *u = to_unit(*word));
    }
}

/// Standard normal.
struct Normal;

impl Law for Normal {
    #[inline(always)]
    fn values(words: &[u64; BLOCK], out: &mut [f64; BLOCK]) {
        Uniform::values(words, out);
        quantile::quantiles(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_interval_is_open() {
        assert!(to_unit(0) > 0.0);
        assert!(to_unit(u64::MAX) < 1.0);
    }

    #[test]
    fn normals_have_the_moments_of_the_law() {
        let n = 1_000_000;
        let z = Noise::new(3).draws(Stream::Source, 0).normals_f64(n);
        let moment = |k: i32| z.iter().map(|z| z.powi(k)).sum::<f64>() / n as f64;
        let bound = 5.0 / (n as f64).sqrt();
        assert!(moment(1).abs() < bound);
        assert!((moment(2) - 1.0).abs() < bound * 2.0_f64.sqrt());
        assert!(moment(3).abs() < bound * 15.0_f64.sqrt());
        assert!((moment(4) - 3.0).abs() < bound * 96.0_f64.sqrt());
    }

    #[test]
    fn parallel_fills_equal_single_draws() {
        let noise = Noise::new(11);
        let many = noise.draws(Stream::Time, 5).normals_f64(3 * CHUNK + 17);
        let mut one = noise.draws(Stream::Time, 5);
        for (i, &value) in many.iter().enumerate() {
            assert_eq!(one.normal(), value, "value {i}");
        }
    }

    #[test]
    fn a_cursor_goes_on_where_it_stopped() {
        let mut split = Noise::new(1).draws(Stream::Data, 0);
        let mut joined = split.normals(5);
        joined.extend(split.normals(7));
        assert_eq!(joined, Noise::new(1).draws(Stream::Data, 0).normals(12));
    }

    #[test]
    fn parts_of_a_batch_draw_the_values_of_the_whole() {
        const ROWS: usize = 7;
        // Odd and even widths, and more than one chunk.
        let widths = [3, 2, CHUNK, 1];
        let draws = || Noise::new(4).draws(Stream::Dropout, 9);
        let mut whole = draws();
        let all = widths.map(|width| (whole.normals(ROWS * width), whole.uniform()));
        for rows in [0..3, 3..6, 6..7, 0..7] {
            let mut part = draws().of_rows(rows.clone(), ROWS);
            for (width, (values, single)) in widths.into_iter().zip(&all) {
                let expected = &values[rows.start * width..rows.end * width];
                assert_eq!(part.normals(rows.len() * width), expected, "{rows:?}");
                assert_eq!(part.uniform(), *single);
            }
        }
    }

    #[test]
    #[should_panic(expected = "3 values are not as many for each of 2 rows")]
    fn values_that_belong_to_no_row_are_refused() {
        let _ = Noise::new(0)
            .draws(Stream::Dropout, 0)
            .of_rows(0..2, 4)
            .uniforms(3);
    }

    #[test]
    fn seeds_streams_and_steps_are_independent() {
        let n = 100_000;
        let base = Noise::new(1).draws(Stream::Source, 1).normals_f64(n);
        for other in [
            Noise::new(2).draws(Stream::Source, 1),
            Noise::new(1).draws(Stream::Time, 1),
            Noise::new(1).draws(Stream::Source, 2),
        ] {
            let other = other.clone().normals_f64(n);
            let dot: f64 = base.iter().zip(&other).map(|(a, b)| a * b).sum();
            assert!((dot / n as f64).abs() < 5.0 / (n as f64).sqrt());
        }
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Noise::new(9).draws(Stream::Order, 0).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
