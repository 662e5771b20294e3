//! Sequences: encoded text, or any set of tokens.
//!
//! `c = (c_1, …, c_L), c_i ∈ ℝʷ`, L ≤ the most tokens of any sample; a dropped sequence has L = 0

use super::{Condition, Given, gather, indices};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor, TensorData};

/// A sequence per sample, on the host, padded with zeros to one number of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceRows {
    values: Vec<f32>,
    lengths: Vec<usize>,
    tokens: usize,
    width: usize,
}

impl SequenceRows {
    pub(super) fn new(values: &[f32], [tokens, width]: [usize; 2], lengths: &[usize]) -> Self {
        assert_eq!(
            values.len(),
            lengths.len() * tokens * width,
            "sequences are [n, tokens, width]"
        );
        assert!(
            lengths.iter().all(|&length| length <= tokens),
            "a sequence has at most {tokens} tokens"
        );
        let mut rows = Self {
            values: values.to_vec(),
            lengths: lengths.to_vec(),
            tokens,
            width,
        };
        for (row, &length) in lengths.iter().enumerate() {
            rows.clear(row, length);
        }
        rows
    }

    /// The shape of a padded sequence: tokens, and numbers in each.
    pub fn shape(&self) -> [usize; 2] {
        [self.tokens, self.width]
    }

    /// All values, row-major; zeros beyond the end of a sequence.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The tokens of each sequence that count.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            values: gather(&self.values, self.tokens * self.width, rows),
            lengths: gather(&self.lengths, 1, rows),
            ..*self
        }
    }

    pub(super) fn drop_row(&mut self, row: usize) {
        self.lengths[row] = 0;
        self.clear(row, 0);
    }

    /// Zeros from a token of a row on.
    fn clear(&mut self, row: usize, token: usize) {
        let [first, end] = [row * self.tokens + token, (row + 1) * self.tokens];
        self.values[first * self.width..end * self.width].fill(0.0);
    }
}

/// A sequence per row of a batch; none where every row is without.
///
/// A network that attends to the tokens adds one of its own, so that a dropped sequence leaves it something to
/// attend to.
#[derive(Debug, Clone, Default)]
pub struct Sequences<B: Backend>(Option<Padded<B>>);

/// Padded sequences, and which of their tokens count.
#[derive(Debug, Clone)]
struct Padded<B: Backend> {
    tokens: Tensor<B, 3>,
    counts: Tensor<B, 2, Bool>,
}

impl<B: Backend> Sequences<B> {
    /// Sequences of tokens, `[batch, tokens, width]`, of which those count that `counts` says,
    /// `[batch, tokens]`.
    ///
    /// # Panics
    /// If the two have different numbers of tokens.
    pub fn from_tensors(tokens: Tensor<B, 3>, counts: Tensor<B, 2, Bool>) -> Self {
        let [batch, count, _] = tokens.dims();
        assert_eq!(counts.dims(), [batch, count], "one flag per token");
        Self(Some(Padded { tokens, counts }))
    }

    /// The tokens, `[batch, tokens, width]`, zero beyond a sequence's end, and which of them count,
    /// `[batch, tokens]`. Without sequences there are no tokens: `[batch, 0, width]` cannot be built on every
    /// backend, so it is none.
    pub fn tokens(&self) -> Option<(Tensor<B, 3>, Tensor<B, 2, Bool>)> {
        (self.0.as_ref()).map(|padded| (padded.tokens.clone(), padded.counts.clone()))
    }
}

impl<B: Backend> Condition<B> for Sequences<B> {
    fn upload(given: &Given, device: &B::Device) -> Self {
        Self(given.sequences.as_ref().map(|rows| {
            let (n, [tokens, width]) = (rows.len(), rows.shape());
            let counts =
                (rows.lengths.iter()).flat_map(|&length| (0..tokens).map(move |i| i < length));
            let counts: Vec<bool> = counts.collect();
            let values = TensorData::new(rows.values.clone(), [n, tokens, width]);
            Padded {
                tokens: Tensor::from_data(values, device),
                counts: Tensor::from_data(TensorData::new(counts, [n, tokens]), device),
            }
        }))
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self(self.0.as_ref().map(|padded| {
            let rows = indices(rows, &padded.tokens.device());
            // Not every backend selects from booleans.
            let counts = padded.counts.clone().int().select(0, rows.clone());
            Padded {
                tokens: padded.tokens.clone().select(0, rows),
                counts: counts.bool(),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_ndarray::NdArray;

    #[test]
    fn tokens_beyond_the_end_are_zero_and_do_not_count() {
        let device = Default::default();
        let values: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        let given = Given::sequences(&values, [3, 2], &[2, 3]).dropped(&[false, true]);
        let sequences = Sequences::<NdArray>::upload(&given, &device).select(&[1, 0]);
        let (tokens, counts) = sequences.tokens().expect("sequences");
        let tokens: Vec<f32> = tokens.into_data().to_vec().expect("single precision");
        assert_eq!(tokens[..6], [0.0; 6]);
        assert_eq!(tokens[6..], [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
        let counts: Vec<bool> = counts.into_data().to_vec().expect("booleans");
        assert_eq!(counts, [false, false, false, true, true, false]);
    }

    #[test]
    #[should_panic(expected = "at most 1 tokens")]
    fn a_sequence_longer_than_its_row_is_refused() {
        let _ = Given::sequences(&[0.0, 1.0], [1, 1], &[1, 2]);
    }
}
