//! The divergence of a field, and its estimates.
//!
//! `∇·u = Σ_i e_iᵀ(∂u/∂x)e_i` over the unit vectors, or `E[εᵀ(∂u/∂x)ε]` over probes with
//! `E[εεᵀ] = I`
//!
//! Source: Hutchinson 1990; Grathwohl et al. 2019 (one probe for a whole trajectory). Each term is
//! a vector–Jacobian product: one forward and one backward pass on `Autodiff<B>`, which this module
//! wraps around the caller's backend.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, HasAutodiffModule, Module};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use pyroclast_core::field::VectorField;
use pyroclast_core::noise::{Noise, Stream};
use pyroclast_core::per_sample::from_host;

/// The distribution of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Probe {
    /// ±1 with equal probability: the least variance among distributions with independent
    /// coordinates.
    #[default]
    Rademacher,
    /// N(0, 1).
    Gaussian,
}

/// How a divergence is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Exactly, with one pass per coordinate.
    Exact,
    /// Hutchinson's unbiased estimate: the mean over some probes, which stay the same along a
    /// trajectory.
    Hutchinson {
        /// The distribution of the probes.
        probe: Probe,
        /// The number of probes; each costs one pass.
        probes: usize,
        /// The source of the probes.
        noise: Noise,
        /// The step of [`Stream::Likelihood`] from which the first is drawn. Another step gives
        /// another estimate.
        first: u64,
    },
}

impl Trace {
    /// Hutchinson's estimate with one Rademacher probe.
    pub fn hutchinson(noise: Noise, first: u64) -> Self {
        Self::Hutchinson {
            probe: Probe::Rademacher,
            probes: 1,
            noise,
            first,
        }
    }

    /// The vectors by which the Jacobian is multiplied, all with the same weight.
    ///
    /// # Panics
    /// If there is no probe.
    pub fn vectors<B: Backend, const D: usize>(&self, like: &Tensor<B, D>) -> Vectors<B, D> {
        let (shape, device, dtype) = (like.dims(), like.device(), like.dtype());
        let size: usize = shape[1..].iter().product();
        match *self {
            Self::Exact => {
                let mut row = shape;
                row[0] = 1;
                let unit = |i: usize| {
                    let values = (0..size).map(|j| f64::from(u8::from(i == j))).collect();
                    from_host(values, row, &device, dtype).expand(shape)
                };
                Vectors {
                    vectors: (0..size).map(unit).collect(),
                    weight: 1.0,
                }
            }
            Self::Hutchinson {
                probe,
                probes,
                noise,
                first,
            } => {
                assert!(probes > 0, "an estimate needs at least one probe");
                let draw = |i: usize| {
                    let mut draws = noise.draws(Stream::Likelihood, first + i as u64);
                    match probe {
                        Probe::Gaussian => draws.normal_tensor(shape, &device, dtype),
                        Probe::Rademacher => {
                            let n = shape.iter().product();
                            let signs = draws.uniforms(n).into_iter();
                            let signs: Vec<f64> =
                                signs.map(|u| if u < 0.5 { -1.0 } else { 1.0 }).collect();
                            let data = TensorData::new(signs, shape).convert_dtype(dtype);
                            Tensor::from_data(data, (&device, dtype))
                        }
                    }
                };
                Vectors {
                    vectors: (0..probes).map(draw).collect(),
                    weight: 1.0 / probes as f64,
                }
            }
        }
    }
}

/// The vectors by which a Jacobian is multiplied from both sides.
#[derive(Debug, Clone)]
pub struct Vectors<B: Backend, const D: usize> {
    vectors: Vec<Tensor<B, D>>,
    weight: f64,
}

impl<B: Backend, const D: usize> Vectors<B, D> {
    /// `u_t(x)` and `∇·u_t(x)`: `[batch, …]` and `[batch]`.
    ///
    /// B may itself be an autodiff backend: the divergence is then on its tape, and can be trained
    /// through.
    pub fn velocity_and_divergence<F>(
        &self,
        field: &F,
        t: f64,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, 1>)
    where
        F: VectorField<Autodiff<B>, D> + ?Sized,
    {
        let batch = x.dims()[0];
        let size = x.shape().num_elements() / batch.max(1);
        let mut velocity = None;
        let mut sum: Option<Tensor<B, D>> = None;
        for vector in &self.vectors {
            let leaf = Tensor::<Autodiff<B>, D>::from_inner(x.clone()).require_grad();
            let u = field.velocity(t, leaf.clone());
            let gradients = (u.clone() * Tensor::from_inner(vector.clone()))
                .sum()
                .backward();
            velocity.get_or_insert_with(|| u.inner());
            // A field that does not depend on x has no gradient, and its divergence is zero.
            let Some(product) = leaf.grad(&gradients) else {
                continue;
            };
            let term = product * vector.clone();
            sum = Some(match sum {
                Some(sum) => sum + term,
                None => term,
            });
        }
        let velocity = velocity.expect("at least one vector");
        let sum = sum.unwrap_or_else(|| x.zeros_like());
        let sum: Tensor<B, 2> = sum.reshape([batch, size]).sum_dim(1) * self.weight;
        (velocity, sum.squeeze_dim(1))
    }
}

/// A field and the integral of its divergence, as a field of rows `[x | ∫∇·u dt]`.
///
/// ```
/// use burn::backend::Autodiff;
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_solvers::divergence::WithDivergence;
/// use pyroclast_solvers::{RK4, TimeGrid, Trace, integrate};
///
/// // u = −x in three dimensions: the divergence is −3.
/// let field = |_: f64, x: Tensor<Autodiff<NdArray>, 2>| -x;
/// let x = Tensor::<NdArray, 2>::ones([1, 3], &Default::default());
/// let both = WithDivergence::new(&field, Trace::Exact, &x);
/// let rows = integrate(&both, &RK4, both.pack(x), &TimeGrid::uniform(0.0, 2.0, 10));
/// let (_, integral) = both.unpack(rows);
/// assert!((integral.into_scalar() + 6.0).abs() < 1e-5);
/// ```
#[derive(Debug)]
pub struct WithDivergence<'a, F, B: Backend, const D: usize> {
    field: &'a F,
    vectors: Vectors<B, D>,
    shape: [usize; D],
}

impl<'a, F, B: Backend, const D: usize> WithDivergence<'a, F, B, D> {
    /// The field for batches with the shape of `x`.
    pub fn new(field: &'a F, trace: Trace, x: &Tensor<B, D>) -> Self {
        Self {
            field,
            vectors: trace.vectors(x),
            shape: x.dims(),
        }
    }

    /// The number of entries of a sample.
    pub fn size(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// The rows `[x | 0]` from which a solve starts.
    pub fn pack(&self, x: Tensor<B, D>) -> Tensor<B, 2> {
        pack(x)
    }

    /// The inverse of [`WithDivergence::pack`]: x and the integral.
    pub fn unpack(&self, z: Tensor<B, 2>) -> (Tensor<B, D>, Tensor<B, 1>) {
        let size = self.size();
        (
            z.clone().narrow(1, 0, size).reshape(self.shape),
            z.narrow(1, size, 1).squeeze_dim(1),
        )
    }
}

fn pack<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 2> {
    let batch = x.dims()[0];
    let size = x.shape().num_elements() / batch.max(1);
    let x: Tensor<B, 2> = x.reshape([batch, size]);
    let nothing = Tensor::zeros([batch, 1], (&x.device(), x.dtype()));
    Tensor::cat(vec![x, nothing], 1)
}

impl<B, F, const D: usize> VectorField<B, 2> for WithDivergence<'_, F, B, D>
where
    B: Backend,
    F: VectorField<Autodiff<B>, D>,
{
    fn velocity(&self, t: f64, z: Tensor<B, 2>) -> Tensor<B, 2> {
        let (x, _) = self.unpack(z);
        let (u, divergence) = self.vectors.velocity_and_divergence(self.field, t, x);
        let u: Tensor<B, 2> = u.reshape([self.shape[0], self.size()]);
        Tensor::cat(vec![u, divergence.unsqueeze_dim(1)], 1)
    }
}

/// A trainable field of points `[batch, d]` and the integral of its divergence, as a field of rows
/// `[x | ∫∇·u dt]`. A continuous normalising flow is trained on it by maximum likelihood, through
/// gradients of gradients.
///
/// For each divergence the field is lifted to the autodiff backend over the caller's. So it
/// works on B, and on `Autodiff<B>` with every function of [`gradient`](crate::gradient).
#[derive(Module, Debug)]
pub struct Augmented<B: Backend, F: Module<B>> {
    /// The field.
    pub field: F,
    #[module(skip)]
    trace: Trace,
    #[module(skip)]
    backend: std::marker::PhantomData<B>,
}

impl<B: Backend, F: Module<B>> Augmented<B, F> {
    /// The field with its divergence.
    pub fn new(field: F, trace: Trace) -> Self {
        Self {
            field,
            trace,
            backend: std::marker::PhantomData,
        }
    }

    /// The same field with other probes.
    pub fn with_trace(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// The rows `[x | 0]` from which a solve starts.
    pub fn pack(x: Tensor<B, 2>) -> Tensor<B, 2> {
        pack(x)
    }
}

impl<B, F> VectorField<B, 2> for Augmented<B, F>
where
    B: Backend,
    F: Module<B> + HasAutodiffModule<Autodiff<B>>,
    F::TrainModule: VectorField<Autodiff<B>, 2>,
{
    fn velocity(&self, t: f64, z: Tensor<B, 2>) -> Tensor<B, 2> {
        let size = z.dims()[1] - 1;
        let x = z.narrow(1, 0, size);
        // Gradients of parameters are recorded by the caller's backend alone.
        let field = F::TrainModule::from_inner(self.field.clone()).no_grad();
        let vectors = self.trace.vectors(&x);
        let (u, divergence) = vectors.velocity_and_divergence(&field, t, x);
        Tensor::cat(vec![u, divergence.unsqueeze_dim(1)], 1)
    }
}
