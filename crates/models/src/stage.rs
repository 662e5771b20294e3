//! The parts of a network that training may compute twice in place of keeping what they compute.
//!
//! `h' = f_θ(h…, embedding, context)`

use crate::dual::Dual;
use crate::inputs::Step;
use crate::sequence::Context;
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use pyroclast_core::noise::Draws;
use pyroclast_core::recompute::{self, Inputs, passed_on, stage};

/// What all blocks of a network see beside the state: an embedding of time and condition, and the
/// sequence that is attended to.
#[derive(Debug, Clone)]
pub(crate) struct Seen<B: Backend> {
    pub(crate) embedding: Dual<B, 2>,
    pub(crate) context: Option<Context<B>>,
}

/// What may carry a tangent. It is no input of a stage then, since a stage has values alone.
pub(crate) trait Moving {
    fn moves(&self) -> bool;
}

impl<B: Backend, const D: usize> Moving for Dual<B, D> {
    fn moves(&self) -> bool {
        self.tangent.is_some()
    }
}

impl<B: Backend, const D: usize> Inputs<B> for Dual<B, D> {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        self.value.replaced(f).into()
    }
}

impl<B: Backend> Moving for Step<B> {
    fn moves(&self) -> bool {
        self.t.moves() || self.duration.as_ref().is_some_and(Moving::moves)
    }
}

impl<B: Backend> Inputs<B> for Step<B> {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        Self {
            t: self.t.replaced(f),
            duration: self.duration.replaced(f),
        }
    }
}

impl<B: Backend> Moving for Seen<B> {
    fn moves(&self) -> bool {
        self.embedding.moves()
    }
}

impl<B: Backend> Inputs<B> for Seen<B> {
    fn replaced(self, f: &mut dyn FnMut(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        Self {
            embedding: self.embedding.replaced(f),
            context: self.context.map(|context| Context {
                tokens: context.tokens.replaced(f),
                ..context
            }),
        }
    }
}

/// Runs a part that sees nothing beside its input as a stage, unless the input moves.
pub(crate) fn alone<B, M, I, const D: usize>(
    module: &M,
    input: I,
    run: impl Fn(&M, I) -> Dual<B, D> + 'static,
) -> Dual<B, D>
where
    B: Backend,
    M: Module<B> + 'static,
    I: Inputs<B> + Moving,
{
    if input.moves() {
        return run(module, input);
    }
    let run = move |module: &M, input, _: Option<&mut Draws>| run(module, input).value;
    stage(module, input, None, run).into()
}

/// A state that two blocks take.
pub(crate) fn taken_twice<B: Backend, const D: usize>(x: Dual<B, D>) -> [Dual<B, D>; 2] {
    match x.tangent {
        None => recompute::taken_twice(x.value).map(Dual::from),
        Some(_) => x.fork(),
    }
}

/// What a block does to its states, under what it sees, with or without dropout.
type Run<B, M, const D: usize> =
    fn(&M, Vec<Dual<B, D>>, &Seen<B>, Option<&mut Draws>) -> Dual<B, D>;

/// Runs a block on these states as a stage, unless something moves.
pub(crate) fn block<B, M, const D: usize>(
    module: &M,
    states: Vec<Dual<B, D>>,
    seen: &mut Seen<B>,
    dropout: Option<&mut Draws>,
    run: Run<B, M, D>,
) -> Dual<B, D>
where
    B: Backend,
    M: Module<B> + 'static,
{
    if seen.moves() || states.iter().any(Moving::moves) {
        return run(module, states, seen, dropout);
    }
    let inputs = (states, seen.clone());
    let run = move |module: &M, (states, seen): (_, Seen<B>), dropout: Option<&mut Draws>| {
        run(module, states, &seen, dropout).value
    };
    let output = stage(module, inputs, dropout, run);
    seen.embedding.value = passed_on(seen.embedding.value.clone());
    if let Some(context) = &mut seen.context {
        context.tokens = passed_on(context.tokens.clone());
    }
    output.into()
}
