//! Philox4x32-10 on a GPU: the words of a place, each by itself.
//!
//! Source: Salmon et al. 2011, §3.3.

use crate::words::Words;
use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

/// Where the words start, as a kernel takes it.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Place {
    key0: u32,
    key1: u32,
    /// The block of the first word.
    low: u32,
    high: u32,
    /// Which word of its block the first one is.
    odd: u32,
    counter1: u32,
    counter2: u32,
    counter3: u32,
}

pub(super) fn place<R: CubeRuntime>(words: &Words) -> PlaceLaunch<R> {
    let block = words.first / 2;
    let [counter1, counter2, counter3] = words.counter;
    PlaceLaunch::new(
        words.key[0],
        words.key[1],
        block as u32,
        (block >> 32) as u32,
        (words.first % 2) as u32,
        counter1,
        counter2,
        counter3,
    )
}

/// The i-th word from the place on, its lower half first.
#[cube]
pub(super) fn word(place: &Place, i: usize) -> (u32, u32) {
    let at = i as u32 + place.odd;
    let low = place.low + at / 2;
    // The block's index has more than 32 bits.
    let carry = select(low < place.low, 1u32, 0u32);
    let mut c0 = low;
    let mut c1 = place.counter1 + ((place.high + carry) & 0xFFFFu32);
    let mut c2 = place.counter2;
    let mut c3 = place.counter3;
    let mut k0 = place.key0;
    let mut k1 = place.key1;
    #[unroll]
    for _ in 0..10 {
        let high0 = c0.mul_hi(0xD251_1F53u32);
        let low0 = c0 * 0xD251_1F53u32;
        let high1 = c2.mul_hi(0xCD9E_8D57u32);
        let low1 = c2 * 0xCD9E_8D57u32;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E37_79B9u32;
        k1 += 0xBB67_AE85u32;
    }
    let is_second = at % 2 == 1;
    (select(is_second, c2, c0), select(is_second, c3, c1))
}
