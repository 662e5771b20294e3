//! A model in memory, and what a page asks of it.

mod density;
mod drawing;
mod suited;
mod velocities;

use crate::{About, Drawn, MethodAbout, Request, SessionError, check};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::read_sync;
use density::{Density, has_density};
use drawing::Drawing;
use pyroclast_train::model_file::ModelFile;
use pyroclast_train::stored_model::{StoredModel, StoredModelError, WithModel};
use std::path::Path;
use suited::Suited;
use velocities::Velocities;

/// A callback that sees the time and the values of every state of a draw, on the model's scale.
pub type See<'a> = &'a mut dyn FnMut(f64, &[f32]);

/// A model in memory.
///
/// Its methods take the device of any backend, and wait for it; only [`Session::sample_async`] does
/// not, since nothing can wait for a GPU in a browser.
///
/// ```
/// use burn_ndarray::NdArray;
/// use pyroclast_core::{flow::Flow, noise::Noise, path};
/// use pyroclast_models::{Init, MlpConfig};
/// use pyroclast_train::dataset::{Dataset, Scaling};
/// use pyroclast_train::model::Model;
/// use pyroclast_train::model_file::{About, DataInfo, ModelFile};
/// use pyroclast_train::network::NetworkConfig;
/// use pyroclast_web::{Request, Session};
///
/// // A model that has not learned anything yet, as the bytes of a file.
/// let device = Default::default();
/// let points = Dataset::new("points", vec![0.0, 1.0], vec![2]);
/// let about = About {
///     data: DataInfo::of_dataset(&points, &Scaling::identity()),
///     latents: None,
///     network: Some(NetworkConfig::default()),
///     origin: None,
///     sampling: Default::default(),
///     step: 0,
///     seed: 0,
/// };
/// let network = MlpConfig::new(2).init(&mut Init::<NdArray>::new(Noise::new(0), &device));
/// let flow = Flow::velocity(network, path::Path::optimal_transport());
/// let bytes = Model::new(flow, about).file().in_half_precision()?;
///
/// let session = Session::open("points", &bytes)?;
/// let about = session.about::<NdArray>(&device)?;
/// assert_eq!(about.shape, [2]);
/// let request = Request {
///     n: 5,
///     class: None,
///     method: "heun".into(),
///     steps: 4,
///     guidance: 1.0,
///     seed: 0,
/// };
/// let mut times = Vec::new();
/// let drawn = session.sample::<NdArray>(&request, &device, &mut |t, _| times.push(t))?;
/// assert_eq!((drawn.samples.len(), drawn.evaluations), (10, 8));
/// assert_eq!(times, [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    stored: StoredModel,
}

impl Session {
    /// Reads and checks the bytes of a model file, which errors call `name`.
    ///
    /// # Errors
    /// [`SessionError`]: the bytes are damaged, edited, of a newer format, or no model; or it is
    /// one that a page cannot sample ([`check`]).
    pub fn open(name: &str, bytes: &[u8]) -> Result<Self, SessionError> {
        let file = ModelFile::of_bytes(name, bytes).map_err(StoredModelError::from)?;
        check(name, file.header())?;
        let stored = StoredModel::of_file(file, Path::new(name))?;
        Ok(Self { stored })
    }

    /// What the model is, and how it may be sampled.
    ///
    /// # Errors
    /// [`SessionError::Model`]: the parameters are not those of the network in the header, or only
    /// the program that trained the network can build it.
    pub fn about<B: Backend>(&self, device: &B::Device) -> Result<About, SessionError> {
        let header = self.stored.header();
        let (data, config) = (&header.about.data, self.stored.config());
        let usual = config.plan(0);
        let mut methods = self.run::<B, _>(device, Suited(usual.clone()))?;
        methods.sort_by_key(|method| *method != usual.method);
        Ok(About {
            name: data.name.clone(),
            shape: data.shape.clone(),
            classes: data.classes.clone(),
            is_guided: !data.classes.is_empty() && !config.network.needs_class(),
            has_density: has_density(header),
            parameters: self.stored.parameters(),
            method: usual.method.name.to_owned(),
            steps: usual.steps().unwrap_or(config.sampling.steps),
            guidance: usual.guidance,
            methods: (methods.iter())
                .map(|method| MethodAbout {
                    name: method.name,
                    about: method.about,
                })
                .collect(),
        })
    }

    /// Draws samples; `see` is told every state on the way, from the noise to the data, decoded if
    /// it is a latent.
    ///
    /// These are the samples of the command `pyroclast sample` for the same seed, up to rounding.
    ///
    /// # Errors
    /// [`SessionError`]: the request is out of range, the method does not suit the model, or
    /// samples diverged.
    pub fn sample<B: Backend>(
        &self,
        request: &Request,
        device: &B::Device,
        see: See<'_>,
    ) -> Result<Drawn, SessionError> {
        read_sync(self.draw::<B>(request, device, true, see))
    }

    /// As [`Session::sample`], without waiting for the device: the states are read after the last
    /// step has been put on it.
    ///
    /// # Errors
    /// As [`Session::sample`], the states are more than [`Request::MOST_NUMBERS`], or the device
    /// failed.
    pub async fn sample_async<B: Backend>(
        &self,
        request: &Request,
        device: &B::Device,
        see: See<'_>,
    ) -> Result<Drawn, SessionError> {
        let Request { n, steps, .. } = *request;
        let numbers = n.saturating_mul(self.stored.header().about.state_dim());
        if numbers.saturating_mul(steps) > Request::MOST_NUMBERS {
            return Err(SessionError::States { samples: n, steps });
        }
        self.draw::<B>(request, device, false, see).await
    }

    async fn draw<B: Backend>(
        &self,
        request: &Request,
        device: &B::Device,
        waits: bool,
        see: See<'_>,
    ) -> Result<Drawn, SessionError> {
        let data = &self.stored.header().about.data;
        let drawing = Drawing {
            n: request.n,
            plan: request.plan(&self.stored)?,
            given: request.given(&self.stored)?,
            waits,
            see,
        };
        let (values, evaluations) = self.run::<B, _>(device, drawing)?.await?;
        let samples = data.without_samples().in_units(&values, &data.scaling)?;
        Ok(Drawn {
            samples,
            evaluations,
        })
    }

    /// The velocity `u_t(x)` at states of the flow (of latents, if it is one), under the
    /// condition and the guidance of a request. Its class is that of all points; without one,
    /// classes follow in turn.
    ///
    /// # Shapes
    /// - points: `[n, dim]`, row-major, and the result alike
    ///
    /// # Errors
    /// [`SessionError`]: as [`Session::sample`], or `points` are not whole samples.
    pub fn velocity<B: Backend>(
        &self,
        request: &Request,
        t: f64,
        points: &[f32],
        device: &B::Device,
    ) -> Result<Vec<f32>, SessionError> {
        let request = self.request_at(request, points)?;
        let velocities = Velocities {
            t,
            points,
            plan: request.plan(&self.stored)?,
            given: request.given(&self.stored)?,
        };
        Ok(self.run::<B, _>(device, velocities)??)
    }

    /// The log-density of the model's samples at points on its scale, in nats, by the change of
    /// variables along the flow. Its error is within `tolerance` at every step.
    ///
    /// # Shapes
    /// - points: `[n, 2]`, row-major
    /// - result: `[n]`
    ///
    /// # Errors
    /// [`SessionError`]: samples are not points of the plane, noise is not normal, or the solve
    /// stopped.
    pub fn log_density<B: Backend>(
        &self,
        request: &Request,
        points: &[f32],
        tolerance: f64,
        device: &B::Device,
    ) -> Result<Vec<f64>, SessionError> {
        if !has_density(self.stored.header()) {
            return Err(SessionError::NoDensity);
        }
        let request = self.request_at(request, points)?;
        let given = request.given(&self.stored)?;
        let density = Density {
            points,
            given,
            tolerance,
        };
        self.run::<B, _>(device, density)?
    }

    /// A request for as many samples as these points are.
    fn request_at(&self, request: &Request, points: &[f32]) -> Result<Request, SessionError> {
        let (values, dim) = (points.len(), self.stored.header().about.state_dim());
        if !values.is_multiple_of(dim) {
            return Err(SessionError::Points { values, dim });
        }
        Ok(Request {
            n: values / dim,
            ..request.clone()
        })
    }

    fn run<B: Backend, W: WithModel<Autodiff<B>>>(
        &self,
        device: &B::Device,
        user: W,
    ) -> Result<W::Output, StoredModelError> {
        self.stored.with_model::<Autodiff<B>, _>(device, user)
    }
}
