//! A block of the transformer, modulated by an embedding: adaLN-Zero.

use crate::attention::attend;
use crate::dual::Dual;
use crate::init::Init;
use crate::sequence::CrossAttention;
use crate::stage::Seen;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use pyroclast_kernels::Activation;

/// ε of the layer normalisations.
pub(super) const EPSILON: f64 = 1e-6;

/// Attention of every token to every other, then two layers on each token. At first it changes
/// nothing.
#[derive(Module, Debug)]
pub(super) struct Block<B: Backend> {
    /// Shift, scale and gate of the attention, then those of the two layers.
    modulation: Linear<B>,
    qkv: Linear<B>,
    out: Linear<B>,
    sequence: Option<CrossAttention<B>>,
    first: Linear<B>,
    second: Linear<B>,
    heads: usize,
}

impl<B: Backend> Block<B> {
    /// `attends`: whether to a sequence too.
    pub(super) fn new(
        width: usize,
        hidden: usize,
        heads: usize,
        attends: bool,
        init: &mut Init<'_, B>,
    ) -> Self {
        Self {
            modulation: init.zero_linear(width, 6 * width),
            qkv: init.xavier_linear(width, 3 * width),
            out: init.xavier_linear(width, width),
            sequence: attends.then(|| CrossAttention::new(width, width, heads, init)),
            first: init.xavier_linear(width, hidden),
            second: init.xavier_linear(hidden, width),
            heads,
        }
    }

    /// The tokens x, `[batch, tokens, width]`, after the block; the embedding, `[batch, width]`, has
    /// already passed through its SiLU.
    ///
    /// A block that attends to a sequence needs its context.
    pub(super) fn forward(&self, x: Dual<B, 3>, seen: &Seen<B>) -> Dual<B, 3> {
        let modulation = (seen.embedding.clone()).dense(&self.modulation, Activation::Identity);
        let [shift, scale, gate, further @ ..] = modulation.split::<6>();
        let h = x.clone().layer_norm(scale, shift, EPSILON);
        let h = attend(&self.qkv, &self.out, self.heads, h);
        let x = x.gated_sum(h, gate);
        let x = match (&self.sequence, &seen.context) {
            (Some(attention), Some(context)) => x.clone().plus(attention.forward(x, context)),
            _ => x,
        };
        let [shift, scale, gate] = further;
        let h = x.clone().layer_norm(scale, shift, EPSILON);
        let h = h.dense(&self.first, Activation::GeluTanh);
        let h = h.dense(&self.second, Activation::Identity);
        x.gated_sum(h, gate)
    }
}
