//! Which rows of a batch share a clock.
//!
//! One clock for the batch, or clock i for row i

use crate::rows::select;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::per_sample::PerSample;

/// Which rows of a batch share a clock. In what follows, "a state of clock k" is the whole batch in
/// the first case and row k in the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clocking {
    /// One clock for the whole batch.
    Shared,
    /// One clock per row.
    PerRow,
}

impl Clocking {
    /// The number of clocks.
    pub(super) fn count<B: Backend, const D: usize>(self, x: &Tensor<B, D>) -> usize {
        match self {
            Self::Shared => 1,
            Self::PerRow => x.dims()[0],
        }
    }

    /// The states of some clocks, one after another, in as few tensors as possible.
    pub(super) fn pick<B: Backend, const D: usize>(
        self,
        x: &Tensor<B, D>,
        clocks: &[usize],
    ) -> Vec<Tensor<B, D>> {
        match self {
            _ if clocks.is_empty() => Vec::new(),
            Self::Shared => vec![x.clone(); clocks.len()],
            Self::PerRow => vec![select(x.clone(), clocks)],
        }
    }

    /// The rows of the clocks that continue, of which there is at least one.
    pub(super) fn keep<B: Backend, const D: usize>(
        self,
        x: Tensor<B, D>,
        clocks: &[usize],
    ) -> Tensor<B, D> {
        match self {
            Self::Shared => x,
            Self::PerRow => select(x, clocks),
        }
    }

    /// One tensor per clock, from tensors that hold the states of clocks one after another.
    pub(super) fn split<B: Backend, const D: usize>(
        self,
        states: Vec<Tensor<B, D>>,
    ) -> Vec<Tensor<B, D>> {
        match self {
            Self::Shared => states,
            Self::PerRow => (states.iter())
                .flat_map(|x| (0..x.dims()[0]).map(|row| x.clone().narrow(0, row, 1)))
                .collect(),
        }
    }

    /// `c_k·x`, with a factor per clock.
    pub(super) fn scale<B: Backend, const D: usize>(
        self,
        x: Tensor<B, D>,
        factors: &[f64],
    ) -> Tensor<B, D> {
        match self {
            Self::Shared => x * factors[0],
            Self::PerRow => {
                let factors = PerSample::like(&x).tensor(factors.iter().copied());
                x * factors
            }
        }
    }
}

/// States of clocks that were set aside, and the place of each in the whole.
#[derive(Debug, Clone)]
pub(super) struct Pieces<B: Backend, const D: usize> {
    tensors: Vec<Tensor<B, D>>,
    places: Vec<usize>,
}

impl<B: Backend, const D: usize> Default for Pieces<B, D> {
    fn default() -> Self {
        Self {
            tensors: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<B: Backend, const D: usize> Pieces<B, D> {
    /// Sets aside the states of clocks, one after another, for these places.
    pub(super) fn push(
        &mut self,
        states: Vec<Tensor<B, D>>,
        places: impl IntoIterator<Item = usize>,
    ) {
        self.tensors.extend(states);
        self.places.extend(places);
    }

    /// What was set aside for place `place`, where a whole batch has one clock.
    pub(super) fn batch(&self, place: usize) -> Option<Tensor<B, D>> {
        let index = self.places.iter().position(|&p| p == place)?;
        Some(self.tensors[index].clone())
    }

    /// The rows of all n places, in order, where each row has a clock. A place without a row is
    /// NaN.
    pub(super) fn rows(mut self, n: usize, like: &Tensor<B, D>) -> Tensor<B, D> {
        // burn cannot concatenate nothing.
        if n == 0 {
            return like.clone();
        }
        let mut source: Vec<usize> = vec![self.places.len(); n];
        for (row, &place) in self.places.iter().enumerate() {
            source[place] = row;
        }
        if self.places.len() < n {
            let mut dims = like.dims();
            dims[0] = 1;
            let options = (&like.device(), like.dtype());
            self.tensors.push(Tensor::full(dims, f64::NAN, options));
        }
        select(Tensor::cat(self.tensors, 0), &source)
    }
}
