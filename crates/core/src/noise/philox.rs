//! Philox4x32 with ten rounds.
//!
//! Source: Salmon et al. 2011, §3.3.

/// Counters that are taken together: two of the widest vectors there are, so that one is worked on
/// while the other waits.
pub(super) const LANES: usize = 16;

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The lower half of a lane.
const LOW: u64 = 0xFFFF_FFFF;

/// Four random numbers of a counter and a key.
pub(super) fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    rounds(counter.map(|c| [u64::from(c)]), key).map(|[c]| c as u32)
}

/// The same of many counters, as two words of 64 bits each.
#[inline(always)]
pub(super) fn words(counters: [[u64; LANES]; 4], key: [u32; 2]) -> [[u64; LANES]; 2] {
    let [a, b, c, d] = rounds(counters, key);
    let joined = |low: [u64; LANES], high: [u64; LANES]| {
        let mut out = [0; LANES];
        for l in 0..LANES {
            out[l] = (low[l] & LOW) | (high[l] << 32);
        }
        out
    };
    [joined(a, b), joined(c, d)]
}

/// Ten rounds of numbers of 32 bits in lanes of 64, which is what a vector instruction multiplies.
/// What stands above the lower half of a lane is never read.
#[inline(always)]
fn rounds<const L: usize>(mut c: [[u64; L]; 4], key: [u32; 2]) -> [[u64; L]; 4] {
    let mut key = key;
    for _ in 0..10 {
        let mut next = [[0; L]; 4];
        let [k0, k1] = key.map(u64::from);
        for l in 0..L {
            let p0 = (c[0][l] & LOW) * MULTIPLIERS[0];
            let p1 = (c[2][l] & LOW) * MULTIPLIERS[1];
            next[0][l] = (p1 >> 32) ^ c[1][l] ^ k0;
            next[1][l] = p1;
            next[2][l] = (p0 >> 32) ^ c[3][l] ^ k1;
            next[3][l] = p0;
        }
        c = next;
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c
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
}
