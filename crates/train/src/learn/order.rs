//! The order in which an epoch visits the rows of a dataset: a permutation per epoch.

use pyroclast_core::noise::{Noise, Stream};

/// The most rows whose permutation is kept as a list: 8 MiB.
const LISTED: usize = 1 << 20;
/// The rounds of the cipher.
const ROUNDS: usize = 8;

/// The permutation of the current epoch, kept from one batch to the next.
///
/// Up to 2²⁰ rows it is a shuffled list. Beyond, it is a cipher that maps each position to a row
/// and needs no list, however many rows there are.
#[derive(Debug, Clone, Default)]
pub struct Order {
    epoch: Option<(u64, usize)>,
    permutation: Permutation,
}

#[derive(Debug, Clone)]
enum Permutation {
    List(Vec<usize>),
    Cipher(Cipher),
}

impl Default for Permutation {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Order {
    /// The row at a position of an epoch of `n` rows.
    ///
    /// # Panics
    /// If the position is not below n.
    pub fn row(&mut self, noise: Noise, epoch: u64, index: usize, n: usize) -> usize {
        if self.epoch != Some((epoch, n)) {
            let mut draws = noise.draws(Stream::Order, epoch);
            self.permutation = if n <= LISTED {
                Permutation::List(draws.permutation(n))
            } else {
                Permutation::Cipher(Cipher {
                    n: n as u64,
                    keys: std::array::from_fn(|_| draws.bits()),
                })
            };
            self.epoch = Some((epoch, n));
        }
        match &self.permutation {
            Permutation::List(list) => list[index],
            Permutation::Cipher(cipher) => cipher.row(index as u64) as usize,
        }
    }
}

/// A permutation of 0, …, n − 1 by a Feistel network over the next even power of two, walked until
/// it is below n.
///
/// Source: Black & Rogaway 2002, "Ciphers with Arbitrary Finite Domains", section 3.2
/// (cycle-walking).
#[derive(Debug, Clone)]
struct Cipher {
    n: u64,
    keys: [u64; ROUNDS],
}

impl Cipher {
    fn row(&self, index: u64) -> u64 {
        assert!(index < self.n, "position {index} of {}", self.n);
        let bits = u64::BITS - (self.n - 1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let mask = (1 << half) - 1;
        let mut x = index;
        loop {
            let (mut left, mut right) = (x >> half, x & mask);
            for key in self.keys {
                (left, right) = (right, left ^ (mixed(right ^ key) & mask));
            }
            x = left << half | right;
            if x < self.n {
                return x;
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every bit depends on every other.
fn mixed(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cipher_visits_every_row_once() {
        for n in [1, 2, 3, 17, 64, 1000, 4097] {
            let cipher = Cipher {
                n,
                keys: std::array::from_fn(|i| 7 * i as u64 + n),
            };
            let mut rows: Vec<u64> = (0..n).map(|i| cipher.row(i)).collect();
            rows.sort_unstable();
            assert!(rows.into_iter().eq(0..n), "{n} rows");
        }
    }

    #[test]
    fn a_cipher_shuffles() {
        // The mean distance of a row from its position is n/3 for a uniform permutation, and its
        // standard error is below n/√n.
        let n = 1 << 16;
        let mut draws = Noise::new(1).draws(Stream::Order, 0);
        let cipher = Cipher {
            n,
            keys: std::array::from_fn(|_| draws.bits()),
        };
        let moved: u64 = (0..n).map(|i| cipher.row(i).abs_diff(i)).sum();
        let mean = moved as f64 / n as f64;
        assert!(
            (mean - n as f64 / 3.0).abs() < 5.0 * (n as f64).sqrt(),
            "{mean}"
        );
        let kept = (0..n - 1)
            .filter(|&i| cipher.row(i) + 1 == cipher.row(i + 1))
            .count();
        assert!(
            kept < 12,
            "{kept} neighbours stay together; about one is expected"
        );
    }

    #[test]
    fn many_rows_need_no_list_and_few_keep_theirs() {
        let (mut order, noise) = (Order::default(), Noise::new(2));
        let n = 14_000_000;
        let rows: Vec<usize> = (0..1000).map(|i| order.row(noise, 3, i, n)).collect();
        let distinct: std::collections::BTreeSet<_> = rows.iter().collect();
        assert!(distinct.len() == 1000 && rows.iter().all(|&row| row < n));
        assert!(matches!(order.permutation, Permutation::Cipher(_)));
        let list = noise.draws(Stream::Order, 5).permutation(100);
        let few: Vec<usize> = (0..100).map(|i| order.row(noise, 5, i, 100)).collect();
        assert_eq!(few, list);
    }
}
