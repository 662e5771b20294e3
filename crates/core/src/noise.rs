//! Noise as an argument: a counter-based generator on the host.
//!
//! `word(seed, stream, step, i) = Philox4x32-10(key = seed, counter = (i / 2, stream, step))`
//!
//! Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3". A value depends on its four
//! coordinates and on nothing else, so the same seed gives the same noise on every backend, at any thread count, in any
//! order, and after a resume. Normals are `Φ⁻¹(u)`, one word each (Wichura 1988, algorithm AS 241), so the i-th normal is
//! the i-th word whatever is drawn around it.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use rayon::prelude::*;

/// Values filled by one thread at a time: large enough to hide the cost of a task.
const CHUNK: usize = 8192;

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
    Noise = 4,
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
}

/// The source of all randomness of a run: a seed.
///
/// ```
/// use pyroclast_core::noise::{Noise, Stream};
///
/// let noise = Noise::new(7);
/// let a = noise.draws(Stream::Noise, 3).normals(4);
/// let b = noise.draws(Stream::Noise, 3).normals(8);
/// assert_eq!(a, b[..4]); // the same coordinates, the same values
/// assert_ne!(a, noise.draws(Stream::Noise, 4).normals(4));
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

    /// The draws of one stream at one step, from their beginning.
    pub fn draws(&self, stream: Stream, step: u64) -> Draws {
        Draws {
            seed: self.seed,
            stream: stream as u16,
            step,
            position: 0,
        }
    }
}

/// A cursor over the words of one (seed, stream, step).
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    stream: u16,
    step: u64,
    position: u64,
}

impl Draws {
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
        self.filled(n, to_unit)
    }

    /// `n` standard normal numbers in double precision.
    pub fn normals_f64(&mut self, n: usize) -> Vec<f64> {
        self.filled(n, |word| normal_quantile(to_unit(word)))
    }

    /// `n` standard normal numbers in single precision: [`Draws::normals_f64`], rounded.
    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        self.filled(n, |word| normal_quantile(to_unit(word)) as f32)
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
    pub fn scaled_normal_tensor<B: Backend, const D: usize>(
        &mut self,
        std: f64,
        shape: [usize; D],
        device: &B::Device,
        dtype: DType,
    ) -> Tensor<B, D> {
        let n = shape.iter().product();
        let value = |word| std * normal_quantile(to_unit(word));
        let data = match dtype {
            DType::F64 => TensorData::new(self.filled(n, value), Shape::from(shape)),
            _ => {
                let values = self.filled(n, |word| value(word) as f32);
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

    fn filled<T: Send + Clone + Default>(
        &mut self,
        n: usize,
        value: impl Fn(u64) -> T + Sync,
    ) -> Vec<T> {
        let mut out = vec![T::default(); n];
        let start = self.position;
        let fill = |(index, chunk): (usize, &mut [T])| {
            let mut position = start + (index * CHUNK) as u64;
            let mut slots = chunk.iter_mut();
            if !position.is_multiple_of(2)
                && let Some(slot) = slots.next()
            {
                *slot = value(self.word(position));
                position += 1;
            }
            // A block of the generator holds two words.
            while let Some(slot) = slots.next() {
                let [even, odd] = self.block(position / 2);
                *slot = value(even);
                if let Some(slot) = slots.next() {
                    *slot = value(odd);
                }
                position += 2;
            }
        };
        if n > CHUNK {
            out.par_chunks_mut(CHUNK).enumerate().for_each(fill);
        } else {
            out.chunks_mut(CHUNK).enumerate().for_each(fill);
        }
        self.position += n as u64;
        out
    }

    fn word(&self, position: u64) -> u64 {
        self.block(position / 2)[(position % 2) as usize]
    }

    fn block(&self, block: u64) -> [u64; 2] {
        let counter = [
            block as u32,
            ((block >> 32) as u32 & 0xFFFF) | (u32::from(self.stream) << 16),
            self.step as u32,
            (self.step >> 32) as u32,
        ];
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let [a, b, c, d] = philox(counter, key).map(u64::from);
        [a | (b << 32), c | (d << 32)]
    }
}

/// The middle of the `2⁻⁵²`-wide cell that the upper bits of `word` name, so neither 0 nor 1 can come out.
fn to_unit(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// Philox4x32 with ten rounds (Salmon et al. 2011, §3.3).
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let p0 = u64::from(counter[0]) * 0xD251_1F53;
        let p1 = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    counter
}

/// The quantile function `Φ⁻¹(p)` of the standard normal law, to 16 digits (Wichura 1988, AS 241, PPND16).
///
/// The tails use `libm`'s logarithm rather than the platform's, so that a seed means the same numbers everywhere.
///
/// Range: p in (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    const CENTRE: ([f64; 8], [f64; 8]) = (
        [
            3.387_132_872_796_366_5,
            133.141_667_891_784_38,
            1_971.590_950_306_551_3,
            13_731.693_765_509_46,
            45_921.953_931_549_87,
            67_265.770_927_008_7,
            33_430.575_583_588_13,
            2_509.080_928_730_122_7,
        ],
        [
            1.0,
            42.313_330_701_600_91,
            687.187_007_492_057_9,
            5_394.196_021_424_751,
            21_213.794_301_586_597,
            39_307.895_800_092_71,
            28_729.085_735_721_943,
            5_226.495_278_852_854,
        ],
    );
    const NEAR: ([f64; 8], [f64; 8]) = (
        [
            1.423_437_110_749_683_5,
            4.630_337_846_156_546,
            5.769_497_221_460_691,
            3.647_848_324_763_204_5,
            1.270_458_252_452_368_4,
            0.241_780_725_177_450_6,
            0.022_723_844_989_269_184,
            7.745_450_142_783_414e-4,
        ],
        [
            1.0,
            2.053_191_626_637_759,
            1.676_384_830_183_803_8,
            0.689_767_334_985_1,
            0.148_103_976_427_480_08,
            0.015_198_666_563_616_457,
            5.475_938_084_995_345e-4,
            1.050_750_071_644_416_9e-9,
        ],
    );
    const FAR: ([f64; 8], [f64; 8]) = (
        [
            6.657_904_643_501_103,
            5.463_784_911_164_114,
            1.784_826_539_917_291_3,
            0.296_560_571_828_504_87,
            0.026_532_189_526_576_124,
            0.001_242_660_947_388_078_4,
            2.711_555_568_743_487_6e-5,
            2.010_334_399_292_288_1e-7,
        ],
        [
            1.0,
            0.599_832_206_555_888,
            0.136_929_880_922_735_8,
            0.014_875_361_290_850_615,
            7.868_691_311_456_133e-4,
            1.846_318_317_510_054_8e-5,
            1.421_511_758_316_446e-7,
            2.044_263_103_389_94e-15,
        ],
    );
    let ratio = |(top, bottom): &([f64; 8], [f64; 8]), r: f64| {
        let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, &c| sum * r + c);
        horner(top) / horner(bottom)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&CENTRE, 0.180625 - q * q);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail)).sqrt();
    let z = if r <= 5.0 {
        ratio(&NEAR, r - 1.6)
    } else {
        ratio(&FAR, r - 5.0)
    };
    if q < 0.0 { -z } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_agrees_with_the_published_vectors() {
        // Known-answer vectors distributed with the paper's Random123 library.
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }

    #[test]
    fn the_quantile_inverts_the_distribution_function() {
        let phi = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        for i in 1..2000 {
            let p = f64::from(i) / 2000.0;
            assert!((phi(normal_quantile(p)) - p).abs() < 1e-15, "p = {p}");
        }
        for p in [1e-300, 1e-100, 1e-20, 1e-12, 1e-6] {
            let relative = phi(normal_quantile(p)) / p - 1.0;
            assert!(relative.abs() < 1e-12, "p = {p}: {relative}");
        }
    }

    #[test]
    fn the_unit_interval_is_open() {
        assert!(to_unit(0) > 0.0);
        assert!(to_unit(u64::MAX) < 1.0);
    }

    #[test]
    fn normals_have_the_moments_of_the_law() {
        let n = 1_000_000;
        let z = Noise::new(3).draws(Stream::Noise, 0).normals_f64(n);
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
    fn seeds_streams_and_steps_are_independent() {
        let n = 100_000;
        let base = Noise::new(1).draws(Stream::Noise, 1).normals_f64(n);
        for other in [
            Noise::new(2).draws(Stream::Noise, 1),
            Noise::new(1).draws(Stream::Time, 1),
            Noise::new(1).draws(Stream::Noise, 2),
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
