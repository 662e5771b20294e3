//! Drawing samples from a model with a method chosen at run time.
//!
//! `x(0) = σ(0)·x0, x0 ~ source; dX = u_θ(X, t) dt (+ noise)`
//!
//! This is the one place where a method's name becomes a method.

use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Int, Tensor, TensorData};
use pyroclast_core::extension::{Extended, NoiseLevel};
use pyroclast_core::field::{Counted, Denoiser, VectorField};
use pyroclast_core::flow::Flow;
use pyroclast_core::guidance::Guided;
use pyroclast_core::network::{Labels, Network};
use pyroclast_core::noise::Noise;
use pyroclast_core::schedule::Schedule;
use pyroclast_solvers::{
    BOGACKI_SHAMPINE, Control, DOPRI5, DOPRI8, EULER, EmbeddedRk, EulerMaruyama, ExplicitRk, HEUN,
    Increments, MIDPOINT, RALSTON, RK4, Shark, SolveError, Sra1, Statistics, StochasticHeun, TSIT5,
    TimeGrid, integrate_adaptive, integrate_observed,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Beyond this a sample has run away, though it is finite: its square would not be.
const LARGEST: f32 = 1e15;
/// Rows that go through the network at once.
const CHUNK: usize = 2048;

/// The methods by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MethodName {
    /// Euler's method.
    Euler,
    /// The explicit midpoint method.
    Midpoint,
    /// Heun's method 2(1).
    Heun,
    /// Ralston's method 2(1).
    Ralston,
    /// The classical Runge–Kutta method.
    Rk4,
    /// Bogacki–Shampine 3(2).
    Bosh3,
    /// Dormand–Prince 5(4).
    Dopri5,
    /// Tsitouras 5(4).
    Tsit5,
    /// Dormand–Prince 8(7).
    Dopri8,
    /// Euler–Maruyama, which adds noise.
    EulerMaruyama,
    /// Heun's method with noise.
    StochasticHeun,
    /// SRA1, which adds noise.
    Sra1,
    /// ShARK, which adds noise.
    Shark,
}

/// What a name stands for.
enum Recipe {
    Plain(ExplicitRk),
    Pair(EmbeddedRk),
    EulerMaruyama,
    StochasticHeun,
    Sra1,
    Shark,
}

impl MethodName {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Euler,
        Self::Midpoint,
        Self::Heun,
        Self::Ralston,
        Self::Rk4,
        Self::Bosh3,
        Self::Dopri5,
        Self::Tsit5,
        Self::Dopri8,
        Self::EulerMaruyama,
        Self::StochasticHeun,
        Self::Sra1,
        Self::Shark,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self.recipe() {
            Recipe::Plain(method) => method.0.name,
            Recipe::Pair(pair) => pair.method.0.name,
            Recipe::EulerMaruyama => "euler-maruyama",
            Recipe::StochasticHeun => "stochastic-heun",
            Recipe::Sra1 => "sra1",
            Recipe::Shark => "shark",
        }
    }

    fn recipe(self) -> Recipe {
        match self {
            Self::Euler => Recipe::Plain(EULER),
            Self::Midpoint => Recipe::Plain(MIDPOINT),
            Self::Rk4 => Recipe::Plain(RK4),
            Self::Heun => Recipe::Pair(HEUN),
            Self::Ralston => Recipe::Pair(RALSTON),
            Self::Bosh3 => Recipe::Pair(BOGACKI_SHAMPINE),
            Self::Dopri5 => Recipe::Pair(DOPRI5),
            Self::Tsit5 => Recipe::Pair(TSIT5),
            Self::Dopri8 => Recipe::Pair(DOPRI8),
            Self::EulerMaruyama => Recipe::EulerMaruyama,
            Self::StochasticHeun => Recipe::StochasticHeun,
            Self::Sra1 => Recipe::Sra1,
            Self::Shark => Recipe::Shark,
        }
    }

    /// Whether the method estimates its error, and so can choose its steps.
    pub fn is_adaptive(self) -> bool {
        matches!(self.recipe(), Recipe::Pair(_))
    }

    /// Whether the method adds noise, which needs the score.
    pub fn is_stochastic(self) -> bool {
        !matches!(self.recipe(), Recipe::Plain(_) | Recipe::Pair(_))
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MethodName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        (Self::ALL.into_iter().find(|m| m.name() == name))
            .ok_or_else(|| format!("there is no method `{name}`; methods: {known}"))
    }
}

/// Where the steps are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stepping {
    /// This many equal steps.
    Fixed(usize),
    /// As many as the tolerance asks for.
    Adaptive(Control),
}

/// How samples are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The method.
    pub method: MethodName,
    /// Its steps.
    pub stepping: Stepping,
    /// Weight of classifier-free guidance, for labelled samples; 1 is the conditional model.
    pub guidance: f64,
    /// c in `g = c·σ_t`, for methods that add noise.
    pub noise_level: f64,
    /// The seed of Brownian increments.
    pub seed: u64,
}

/// Why nothing was drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The adaptive solve stopped.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The method has no error estimate.
    #[error(
        "{0} does not estimate its error; use --steps, or one of heun, ralston, bosh3, dopri5, tsit5, dopri8"
    )]
    NotAdaptive(MethodName),
    /// A sample came out infinite or undefined.
    #[error(
        "{0} of the samples ran away to infinity; take more steps, guide less, or train longer"
    )]
    NotFinite(usize),
}

/// Samples on the host, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// `[n, dim]`.
    pub values: Vec<f32>,
    /// Steps, rejections and evaluations, of the chunk that took most. Guidance counts both of its networks.
    pub statistics: Statistics,
    /// `E Σ ‖x_{k+1} − x_k‖²/h_k`, the path energy along the way; not known for adaptive steps.
    pub path_energy: Option<f64>,
    /// `E Σ h_k·‖(x_{k+1} − x_k)/h_k − (x_n − x_0)‖²`: 0 for straight paths (Liu et al. 2023, eq. 2).
    pub straightness: Option<f64>,
}

/// What is handed the states of a chunk on the way: its first row, the time, the state.
pub type Observer<'a, B, const D: usize> = &'a mut dyn FnMut(usize, f64, &Tensor<B, D>);

/// Carries source points to data.
///
/// # Shapes
/// - x0: `[n, dim]`, row-major; shape: of one sample; labels: one a row, or none
///
/// # Errors
/// [`SampleError`].
pub fn sample<B, N, S, const D: usize>(
    flow: &Flow<N, S>,
    x0: &[f32],
    shape: &[usize],
    labels: Option<&[i64]>,
    plan: Plan,
    device: &B::Device,
    observer: Observer<'_, B, D>,
) -> Result<Samples, SampleError>
where
    B: Backend,
    N: Network<B, D, Condition = Labels<B>>,
    S: Schedule,
{
    if let (Stepping::Adaptive(_), false) = (plan.stepping, plan.method.is_adaptive()) {
        return Err(SampleError::NotAdaptive(plan.method));
    }
    let dim: usize = shape.iter().product();
    let n = x0.len() / dim;
    let base = flow.schedule.at(flow.span().0);
    let mut out = Samples {
        values: Vec::with_capacity(x0.len()),
        statistics: Statistics::default(),
        path_energy: Some(0.0),
        straightness: Some(0.0),
    };
    for first in (0..n).step_by(CHUNK) {
        let rows = CHUNK.min(n - first);
        let mut dims = [rows; D];
        dims[1..].copy_from_slice(shape);
        let values = x0[first * dim..(first + rows) * dim].to_vec();
        let x = Tensor::<B, D>::from_data(TensorData::new(values, dims), device) * base.sigma;
        let condition: Labels<B> = labels.map(|labels| {
            let labels = labels[first..first + rows].to_vec();
            Tensor::<B, 1, Int>::from_data(TensorData::new(labels, [rows]), device)
        });
        let mut path = PathMeter::default();
        let observe = &mut |t: f64, x: &Tensor<B, D>| {
            path.see(t, x);
            observer(first, t, x);
        };
        let none = None;
        let (x, mut statistics) = if condition.is_some() && plan.guidance != 1.0 {
            let field = Guided {
                conditional: flow.given(&condition),
                unconditional: flow.given(&none),
                weight: plan.guidance,
            };
            solve(field, x, flow.span(), plan, first, observe)?
        } else {
            solve(flow.given(&condition), x, flow.span(), plan, first, observe)?
        };
        if condition.is_some() && plan.guidance != 1.0 && plan.guidance != 0.0 {
            // Each evaluation of a guided field is one of either network.
            statistics.evaluations *= 2;
        }
        let (energy, straightness) = match plan.method.is_stochastic() {
            // A Brownian path has no speed.
            true => (None, None),
            false => path.totals(),
        };
        let add = |sum: &mut Option<f64>, part: Option<f64>| {
            *sum = sum.zip(part).map(|(sum, part)| sum + part / n as f64);
        };
        add(&mut out.path_energy, energy);
        add(&mut out.straightness, straightness);
        if statistics.evaluations > out.statistics.evaluations {
            out.statistics = statistics;
        }
        let values = x.into_data().convert::<f32>().into_vec::<f32>();
        out.values
            .extend(values.expect("converted to f32 just now"));
    }
    let lost = |v: &f32| !v.is_finite() || v.abs() > LARGEST;
    let bad = (out.values.chunks(dim))
        .filter(|row| row.iter().any(lost))
        .count();
    if bad > 0 {
        return Err(SampleError::NotFinite(bad));
    }
    Ok(out)
}

/// One chunk, by the method of the plan.
fn solve<B, F, const D: usize>(
    field: F,
    x: Tensor<B, D>,
    span: (f64, f64),
    plan: Plan,
    first_row: usize,
    observe: &mut dyn FnMut(f64, &Tensor<B, D>),
) -> Result<(Tensor<B, D>, Statistics), SampleError>
where
    B: Backend,
    F: VectorField<B, D> + Denoiser<B, D>,
{
    let steps = match (plan.stepping, plan.method.recipe()) {
        (Stepping::Adaptive(control), Recipe::Pair(pair)) => {
            observe(span.0, &x);
            let solution = integrate_adaptive(&field, &pair, x, span, control);
            let solution = solution.map_err(SolveError::from)?;
            return Ok((solution.x, solution.statistics));
        }
        (Stepping::Adaptive(_), _) => return Err(SampleError::NotAdaptive(plan.method)),
        (Stepping::Fixed(steps), _) => steps,
    };
    let grid = TimeGrid::uniform(span.0, span.1, steps);
    let ode = Counted::new(&field);
    let sde = Extended {
        field: Counted::new(&field),
        noise_level: NoiseLevel::Sigma(plan.noise_level),
    };
    // Chunks of one solve draw from streams that cannot meet.
    let brownian = Increments {
        noise: Noise::new(plan.seed),
        first: 1 + ((first_row as u64) << 32),
    };
    let x = match plan.method.recipe() {
        Recipe::Plain(method) => integrate_observed(&ode, &method, x, &grid, observe),
        Recipe::Pair(method) => integrate_observed(&ode, &method, x, &grid, observe),
        Recipe::EulerMaruyama => {
            integrate_observed(&sde, &EulerMaruyama { brownian }, x, &grid, observe)
        }
        Recipe::StochasticHeun => {
            integrate_observed(&sde, &StochasticHeun { brownian }, x, &grid, observe)
        }
        Recipe::Sra1 => integrate_observed(&sde, &Sra1 { brownian }, x, &grid, observe),
        Recipe::Shark => integrate_observed(&sde, &Shark { brownian }, x, &grid, observe),
    };
    let statistics = Statistics {
        steps,
        rejections: 0,
        evaluations: ode.evaluations() + sde.field.evaluations(),
    };
    Ok((x, statistics))
}

/// Adds up what a trajectory costs, on the device until it is asked.
struct PathMeter<B: Backend, const D: usize> {
    start: Option<Tensor<B, D>>,
    last: Option<(f64, Tensor<B, D>)>,
    energy: Option<Tensor<B, 1>>,
    length: f64,
}

impl<B: Backend, const D: usize> Default for PathMeter<B, D> {
    fn default() -> Self {
        Self {
            start: None,
            last: None,
            energy: None,
            length: 0.0,
        }
    }
}

impl<B: Backend, const D: usize> PathMeter<B, D> {
    fn see(&mut self, t: f64, x: &Tensor<B, D>) {
        if let Some((s, previous)) = self.last.take() {
            let part = (x.clone() - previous).square().sum() / (t - s);
            self.length += t - s;
            self.energy = Some(match self.energy.take() {
                Some(sum) => sum + part,
                None => part,
            });
        } else {
            self.start = Some(x.clone());
        }
        self.last = Some((t, x.clone()));
    }

    /// Sums over the rows. With `v_k = Δx_k/h_k` of mean `(x_n − x_0)/T`, the spread about the mean is the energy less the mean's.
    fn totals(self) -> (Option<f64>, Option<f64>) {
        let (Some(energy), Some(start), Some((_, end))) = (self.energy, self.start, self.last)
        else {
            return (None, None);
        };
        let chord = (end - start).square().sum() / self.length;
        let energy = energy.into_scalar().elem::<f64>();
        let straightness = energy - chord.into_scalar().elem::<f64>();
        (Some(energy), Some(straightness.max(0.0)))
    }
}
