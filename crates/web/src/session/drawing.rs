//! A draw of samples.

use super::See;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::condition::Given;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_train::draw::{CHUNK, Plan, SampleError, sample};
use pyroclast_train::model::Model;
use pyroclast_train::stored_model::WithModel;

/// Draws samples on the model's scale, decodes latents, and counts evaluations per sample.
pub(super) struct Drawing<'a> {
    pub(super) n: usize,
    pub(super) plan: Plan,
    pub(super) given: Given,
    pub(super) see: See<'a>,
}

impl<B: Backend> WithModel<Autodiff<B>> for Drawing<'_> {
    type Output = Result<(Vec<f32>, usize), SampleError>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let (flow, device) = (model.flow.valid(), &model.device::<Autodiff<B>>());
        let (shape, dim) = (model.about.state_shape(), model.about.state_dim());
        let source = &flow.path.source;
        let x0 = source.for_sampling(self.n, dim, Noise::new(self.plan.seed), 0);
        let size = self.n * model.about.data.dim();
        let mut states = States::new(size, self.n <= CHUNK, self.see);
        let decoded = |values: Vec<f32>| match &model.latents {
            Some(latents) => latents.decode::<B>(&values, 0, device),
            None => Ok(values),
        };
        let mut undecoded = None;
        let observe = &mut |first: usize, t: f64, x: &Tensor<B, D>| {
            let values = x.to_data().convert::<f32>().into_vec::<f32>();
            match decoded(values.expect("converted to f32 just now")) {
                Ok(values) => states.put(first, t, &values),
                Err(error) => undecoded = Some(error),
            }
        };
        let (given, plan) = (&self.given, &self.plan);
        let drawn = sample(&flow, &x0, shape, given, plan, device, observe)?;
        if let Some(error) = undecoded {
            return Err(error.into());
        }
        states.finish();
        Ok((decoded(drawn.values)?, drawn.statistics.evaluations))
    }
}

/// Puts the states of the chunks of a draw together. A draw of one chunk is shown as it goes.
struct States<'a> {
    size: usize,
    is_shown_at_once: bool,
    see: See<'a>,
    kept: Vec<(f64, Vec<f32>)>,
    chunk: usize,
    seen: usize,
}

impl<'a> States<'a> {
    fn new(size: usize, is_shown_at_once: bool, see: See<'a>) -> Self {
        Self {
            size,
            is_shown_at_once,
            see,
            kept: Vec::new(),
            chunk: 0,
            seen: 0,
        }
    }

    /// A state of the chunk that begins with the sample `first`.
    fn put(&mut self, first: usize, t: f64, values: &[f32]) {
        if self.is_shown_at_once {
            (self.see)(t, values);
            return;
        }
        if first != self.chunk {
            (self.chunk, self.seen) = (first, 0);
        }
        if self.kept.len() == self.seen {
            self.kept.push((t, Vec::with_capacity(self.size)));
        }
        self.kept[self.seen].1.extend_from_slice(values);
        self.seen += 1;
    }

    fn finish(self) {
        for (t, values) in &self.kept {
            (self.see)(*t, values);
        }
    }
}
