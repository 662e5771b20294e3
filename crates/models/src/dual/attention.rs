//! Attention that carries a tangent along.
//!
//! `S = s·q·kᵀ + m`, `P = softmax(S)`, `o = P·v` →
//! `Ṡ = s·(q̇·kᵀ + q·k̇ᵀ)`, `Ṗ = P∘Ṡ − P·Σ(P∘Ṡ)`, `ȯ = Ṗ·v + P·v̇`

use super::{Dual, sum};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use pyroclast_kernels as kernels;

/// What each query finds among the values, `softmax(scale·q·kᵀ + mask)·v`.
///
/// # Shapes
/// - q, k, v and output: `[batch, heads, tokens, depth]`
/// - mask: `[batch, 1, 1, tokens of k]`
pub(crate) fn attention<B: Backend>(
    q: Dual<B, 4>,
    k: Dual<B, 4>,
    v: Dual<B, 4>,
    scale: f64,
    mask: Option<&Tensor<B, 4>>,
) -> Dual<B, 4> {
    let still = q.tangent.is_none() && k.tangent.is_none() && v.tangent.is_none();
    if let (true, None) = (still, mask) {
        return kernels::attention(q.value, k.value, v.value, scale).into();
    }
    let product = kernels::matmul::<B, 4>;
    let scores = |q: Tensor<B, 4>, k: Tensor<B, 4>| product(q, k.swap_dims(2, 3)) * scale;
    let of_q = q.tangent.map(|along| scores(along, k.value.clone()));
    let of_k = k.tangent.map(|along| scores(q.value.clone(), along));
    let all = scores(q.value, k.value);
    let weights = match mask {
        Some(mask) => softmax(all + mask.clone(), 3),
        None => softmax(all, 3),
    };
    let of_weights = sum([of_q, of_k]).map(|along| {
        let along = weights.clone() * along;
        let shared = along.clone().sum_dim(3);
        product(along - weights.clone() * shared, v.value.clone())
    });
    let of_v = (v.tangent).map(|along| product(weights.clone(), along));
    Dual {
        value: product(weights, v.value),
        tangent: sum([of_weights, of_v]),
    }
}

impl<B: Backend> Dual<B, 3> {
    /// Attention of tokens to each other, by queries, keys and values side by side.
    ///
    /// # Shapes
    /// - of self: `[batch, tokens, 3·width]`; output: `[batch, tokens, width]`
    pub(crate) fn self_attention(self, heads: usize, scale: f64) -> Self {
        if self.tangent.is_none() {
            return kernels::self_attention(self.value, heads, scale).into();
        }
        let [batch, tokens, width] = self.dims();
        let depth = width / (3 * heads);
        let split = self.linearly(|x| x.reshape([batch, tokens, 3 * heads, depth]).swap_dims(1, 2));
        let part = |i: usize| split.clone().linearly(|x| x.narrow(1, i * heads, heads));
        let mixed = attention(part(0), part(1), part(2), scale, None);
        mixed.linearly(|x| x.swap_dims(1, 2).reshape([batch, tokens, width / 3]))
    }
}
