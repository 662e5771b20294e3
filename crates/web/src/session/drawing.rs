//! A draw of samples.

use super::See;
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, read_sync};
use pyroclast_core::condition::Given;
use pyroclast_core::flow::Flow;
use pyroclast_core::network::Network;
use pyroclast_core::noise::Noise;
use pyroclast_train::draw::{CHUNK, DeviceError, Plan, SampleError, sample_async};
use pyroclast_train::latents::Latents;
use pyroclast_train::model::Model;
use pyroclast_train::model_file::About;
use pyroclast_train::stored_model::WithModel;
use std::pin::Pin;
use std::sync::Arc;

/// Draws samples on the model's scale, decodes latents, and counts evaluations per sample.
pub(super) struct Drawing<'a> {
    pub(super) n: usize,
    pub(super) plan: Plan,
    pub(super) given: Given,
    /// Whether states are read as they come about, by waiting for the device, or after the draw.
    pub(super) waits: bool,
    pub(super) see: See<'a>,
}

/// The values of a draw, and its evaluations per sample, when the device has them.
pub(super) type Drawn<'a> =
    Pin<Box<dyn Future<Output = Result<(Vec<f32>, usize), SampleError>> + 'a>>;

impl<'a, B: Backend> WithModel<Autodiff<B>> for Drawing<'a> {
    type Output = Drawn<'a>;

    fn with<N, const D: usize>(self, model: Model<N>) -> Self::Output
    where
        N: Network<Autodiff<B>, D> + AutodiffModule<Autodiff<B>>,
        N::InnerModule: Network<B, D>,
    {
        let (device, flow) = (model.device::<Autodiff<B>>(), model.flow.valid());
        let pictures = Pictures {
            latents: model.latents,
            device,
        };
        Box::pin(self.draw::<B, _, D>(flow, model.about, pictures))
    }
}

impl Drawing<'_> {
    async fn draw<B: Backend, N: Network<B, D>, const D: usize>(
        self,
        flow: Flow<N>,
        about: About,
        pictures: Pictures<B>,
    ) -> Result<(Vec<f32>, usize), SampleError> {
        let source = &flow.path.source;
        let x0 = source.for_sampling(self.n, about.state_dim(), Noise::new(self.plan.seed), 0);
        let size = self.n * about.data.dim();
        let mut states = States::new(size, self.n <= CHUNK, self.see);
        let (mut unread, mut failed) = (Vec::new(), None);
        let observe = &mut |first: usize, t: f64, x: &Tensor<B, D>| {
            if !self.waits {
                unread.push((first, t, x.clone()));
                return;
            }
            match read_sync(pictures.of(x.clone())) {
                Ok(values) => states.put(first, t, &values),
                Err(error) => failed = Some(error),
            }
        };
        let (shape, device) = (about.state_shape(), &pictures.device);
        let (given, plan) = (&self.given, &self.plan);
        let drawn = sample_async(&flow, &x0, shape, given, plan, device, observe).await?;
        if let Some(error) = failed {
            return Err(error);
        }
        for (first, t, x) in unread {
            states.put(first, t, &pictures.of(x).await?);
        }
        states.finish();
        let values = pictures.decoded(drawn.values).await?;
        Ok((values, drawn.statistics.evaluations))
    }
}

/// What a model's states look like: decoded, if they are latents.
struct Pictures<B: Backend> {
    latents: Option<Arc<Latents>>,
    device: B::Device,
}

impl<B: Backend> Pictures<B> {
    async fn of<const D: usize>(&self, state: Tensor<B, D>) -> Result<Vec<f32>, SampleError> {
        let values = state.into_data_async().await.map_err(DeviceError::from)?;
        let values = values.convert::<f32>().into_vec::<f32>();
        self.decoded(values.expect("converted to f32 just now"))
            .await
    }

    async fn decoded(&self, states: Vec<f32>) -> Result<Vec<f32>, SampleError> {
        match &self.latents {
            Some(latents) => Ok(latents.decode_async::<B>(&states, 0, &self.device).await?),
            None => Ok(states),
        }
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

#[cfg(test)]
mod tests {
    use crate::{Request, Session, SessionError};
    use burn::tensor::read_sync;
    use burn_ndarray::NdArray;
    use pyroclast_train::draw::CHUNK;
    use std::fs;

    fn shipped(name: &str) -> Session {
        let folder = env!("CARGO_MANIFEST_DIR");
        let bytes = fs::read(format!("{folder}/models/{name}.safetensors"));
        Session::open(name, &bytes.expect("a model that ships")).expect("a model")
    }

    #[test]
    fn more_states_than_a_device_should_hold_are_refused() {
        let request = Request {
            n: Request::MOST_SAMPLES,
            class: None,
            method: "heun".into(),
            steps: Request::MOST_STEPS,
            guidance: 1.0,
            seed: 0,
        };
        let (session, device, see) = (shipped("digits"), Default::default(), &mut |_, _: &_| {});
        let drawn = read_sync(session.sample_async::<NdArray>(&request, &device, see));
        assert!(
            matches!(
                drawn,
                Err(SessionError::States {
                    samples: 20_000,
                    steps: 1000
                })
            ),
            "{drawn:?}"
        );
    }

    #[test]
    fn states_read_afterwards_are_those_read_as_they_come_about() {
        let session = shipped("moons");
        let mut request = Request {
            n: 7,
            class: None,
            method: "heun".into(),
            steps: 3,
            guidance: 1.0,
            seed: 0,
        };
        // Of one chunk, and of two.
        for n in [7, CHUNK + 5] {
            request.n = n;
            let of = |waits: bool| {
                let mut states = Vec::new();
                let see = &mut |t: f64, values: &[f32]| states.push((t, values.to_vec()));
                let device = Default::default();
                let drawn = match waits {
                    true => session.sample::<NdArray>(&request, &device, see),
                    false => read_sync(session.sample_async::<NdArray>(&request, &device, see)),
                };
                (drawn.expect("samples"), states)
            };
            let (waiting, after) = (of(true), of(false));
            assert_eq!(waiting, after);
            assert_eq!((waiting.1.len(), waiting.1[3].1.len()), (4, 2 * n));
        }
    }
}
