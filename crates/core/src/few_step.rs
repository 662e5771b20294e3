//! How a model of few steps is trained: the losses of average velocities.
//!
//! `L(θ) = E‖u_θ(x_t, t, r) − sg[target]‖²`, where sg holds no gradient and, with d = r − t,
//!
//! | training | target |
//! |---|---|
//! | any, for the share of a batch with d = 0 | `v`: flow matching |
//! | MeanFlow | `v + d·(∂_t + v·∇_x)u(x, t, r)`, v of the pair |
//! | Eulerian | the same, with the marginal v: of a teacher, or `u(x, t, t)` |
//! | Lagrangian | `v(r, X) − d·∂_r u(x, t, r)`, `X = x + d·u(x, t, r)` |
//! | semigroup | `γ·u(x, t, q) + (1 − γ)·u(X, q, r)`, `q = t + γd`, `X = x + γd·u(x, t, q)` |
//! | shortcut | the same with γ = ½, d of a dyadic size, and u of the averaged parameters |
//! | distillation | `x1 − x0` of a teacher's pair, from t = 0 to 1 |
//! | consistency | the u of which `x_t + (1 − t)·u` is `f(x_q, q)`, r = 1 and q the time of the next level of noise |
//! | continuous consistency | `u + g/(‖g‖ + c)`, `g = α·(v − u + w·d·(∂_t + v·∇_x)u(x, t, 1))`, r = 1 |
//!
//! A consistency function is `f(x, t) = X(t, 1, x) = x + (1 − t)·u(x, t, 1)`, the identity at the
//! data. x_q is on the path of the same pair in consistency training, and where a teacher steps to
//! in consistency distillation. On EDM's clock, f is that of [`Prediction::Consistency`] in place of
//! an average velocity; then `v` is what EDM's F stands for, and the target the F of the same f.
//!
//! Reflow and Markovian fitting have the loss of the objective, on a teacher's pairs.
//!
//! Source: Geng et al. 2025 (MeanFlow), algorithm 1; Frans et al. 2024 (shortcut models), algorithm
//! 1; Boffi, Albergo & Vanden-Eijnden 2024 (flow map matching) for the Eulerian, the Lagrangian and
//! the semigroup identity, here with all that is not `u_θ(x_t, t, r)` itself held fixed; Song et al.
//! 2023 and Song & Dhariwal 2024 for consistency, Lu & Song 2025 for its continuous form. MeanFlow's
//! paper runs from data to noise, where its sign is a minus. Each identity holds for the exact
//! average velocity alone, given the velocity, so that the losses have one fixed point.

mod levels;
mod metric;
mod target;

pub use levels::Levels;
pub use metric::Metric;

use crate::condition::{Condition, Given};
use crate::endpoints::Endpoints;
use crate::field::BatchField;
use crate::flow::Flow;
use crate::jvp::Derivative;
use crate::named;
use crate::named::{COUNT, FINITE, POSITIVE, Range as Allowed};
use crate::network::Network;
use crate::noise::Draws;
use crate::path::{Path, PathSample};
use crate::per_sample::PerSample;
use crate::prediction::Prediction;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use std::ops::Range;
use target::{Points, with_end, with_flow};

/// Shares of a batch.
const SHARE: Allowed<f64> = Allowed {
    holds: |share| (0.0..=1.0).contains(share),
    remedy: "give a share from 0 to 1",
};

/// Numbers of intervals between levels of noise.
const LEVELS: Allowed<usize> = Allowed {
    holds: |n| (1..=1 << 16).contains(n),
    remedy: "give 1 to 65536",
};

named! {
    /// The training of an average velocity.
    #[derive(Clone, Copy, PartialEq)]
    pub enum FewStep as "few-step training" {
        /// None: the network learns what `[objective]` says.
        "none" => None,
        /// MeanFlow (Geng et al. 2025), from scratch: the derivative along the pair's velocity.
        "mean-flow" | "meanflow" => MeanFlow {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.25 => SHARE,
            /// p in the weight `1/(‖Δ‖² + c)^p` of a sample, the square summed over its numbers.
            power: f64 = 1.0 => Allowed {
                holds: |power| (0.0..=4.0).contains(power),
                remedy: "give a number from 0 to 4",
            },
            /// c in that weight.
            offset: f64 = 1e-3 => POSITIVE,
            /// w of guidance inside the training, `v ← w·v + (1 − w)·u(x, t, t | ∅)`: samples are
            /// then drawn without any.
            guidance: f64 = 1.0 => FINITE,
            /// How the derivative is found.
            derivative: Derivative = Derivative::Auto,
        },
        /// Shortcut models (Frans et al. 2024), from scratch: two steps of a size make one of twice
        /// the size.
        "shortcut" => Shortcut {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.75 => SHARE,
            /// How many of the smallest steps lead from noise to data, a power of two.
            steps: usize = 128 => Allowed {
                holds: |n| n.is_power_of_two() && (2..=1 << 20).contains(n),
                remedy: "give a power of two from 2 to 2^20",
            },
        },
        /// The semigroup identity of the flow map, at any times (Boffi et al. 2024).
        "semigroup" => Semigroup {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.5 => SHARE,
        },
        /// The Lagrangian identity of the flow map (Boffi et al. 2024).
        "lagrangian" => Lagrangian {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.5 => SHARE,
            /// How the derivative is found.
            derivative: Derivative = Derivative::Auto,
        },
        /// The Eulerian identity of the flow map (Boffi et al. 2024).
        "eulerian" => Eulerian {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.5 => SHARE,
            /// How the derivative is found.
            derivative: Derivative = Derivative::Auto,
        },
        /// Reflow (Liu, Gong & Liu 2023): flow matching on pairs of noise and of what a teacher
        /// makes of it, whose paths are nearly straight.
        "reflow" => Reflow {
            /// The pairs that the teacher makes.
            pairs: usize = 50_000 => COUNT,
        },
        /// Iterated Markovian fitting (Shi et al. 2023), which leads to the Schrödinger bridge: the
        /// velocity and the score of bridges between the ends that the SDE of a teacher joins. Its
        /// model is sampled in many steps, and is the teacher of a next iteration.
        "markovian-fitting" | "dsbm" => MarkovianFitting {
            /// The end that pairs start from. Iterations alternate, so that errors of the simulated
            /// end do not add up.
            start: PairStart = PairStart::Data,
            /// The pairs that the teacher makes.
            pairs: usize = 50_000 => COUNT,
            /// Steps of the SDE by which it makes them.
            steps: usize = 100 => Allowed {
                holds: |n| (1..=1 << 20).contains(n),
                remedy: "take 1 to 2^20 steps",
            },
        },
        /// Reflow, and the jump from the noise of a pair to its data beside it.
        "distillation" => Distillation {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.5 => SHARE,
            /// The pairs that the teacher makes.
            pairs: usize = 50_000 => COUNT,
        },
        /// Consistency training (Song et al. 2023; Song & Dhariwal 2024), from scratch: along a
        /// path, neighbouring levels of noise lead to the same data.
        "consistency-training" | "ct" | "ict" => ConsistencyTraining {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.25 => SHARE,
            /// Intervals between the levels at first.
            first: usize = 10 => LEVELS,
            /// Intervals between the levels at last.
            last: usize = 1280 => LEVELS,
            /// Training steps after which the intervals are halved.
            halving: usize = 2500 => COUNT,
            /// The distance that is trained.
            metric: Metric = Metric::default(),
        },
        /// Consistency distillation (Song et al. 2023): a step of a teacher's flow from one level
        /// of noise to the next leads to the same data.
        "consistency-distillation" | "cd" => ConsistencyDistillation {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.25 => SHARE,
            /// Intervals between the levels.
            levels: usize = 40 => LEVELS,
            /// The teacher's step: Heun's, or one evaluation of Euler's.
            step: TeacherStep = TeacherStep::Heun,
            /// The distance that is trained.
            metric: Metric = Metric::default(),
        },
        /// Consistency in continuous time (sCM; Lu & Song 2025): along the flow, nothing of where
        /// it leads changes.
        "continuous-consistency" | "scm" => ContinuousConsistency {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.25 => SHARE,
            /// c in the normalised tangent `g/(‖g‖ + c)`, with ‖g‖ the root of the mean square of a
            /// sample.
            offset: f64 = 0.1 => POSITIVE,
            /// Training steps over which the weight w of the derivative grows from 0 to 1.
            warm_up: usize = 10_000 => COUNT,
            /// How the derivative is found.
            derivative: Derivative = Derivative::Auto,
        },
    }
}

named! {
    /// How a teacher steps to the next level of noise.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum TeacherStep as "step of a teacher" {
        /// `x + h·v(t, x)`.
        "euler" => Euler,
        /// Heun's, of two evaluations.
        "heun" => Heun,
    }
}

named! {
    /// The end from which the pairs of a teacher are simulated.
    #[derive(Clone, Copy, PartialEq)]
    pub enum PairStart as "start of pairs" {
        /// Data, which the SDE carries back to noise.
        "data" => Data,
        /// Source points, which the SDE carries to data.
        "source" => Source,
    }
}

/// None.
impl Default for FewStep {
    fn default() -> Self {
        Self::None
    }
}

/// A trained velocity that a model of few steps may learn from.
///
/// # Shapes
/// - t: one time per row; x: `[batch, …]`, and the velocities alike; given: one condition per row,
///   or nothing
pub trait Teacher<B: Backend, const D: usize> {
    /// The velocity of each row at its time.
    fn velocities(&self, t: &[f64], x: Tensor<B, D>, given: &Given) -> Tensor<B, D>;
}

/// Any model whose velocity is known, whatever it predicts: at an end where the velocity cannot be
/// decoded, it is that of the time beside it ([`Flow::span`]).
impl<B: Backend, N: Network<B, D>, const D: usize> Teacher<B, D> for Flow<N> {
    fn velocities(&self, t: &[f64], x: Tensor<B, D>, given: &Given) -> Tensor<B, D> {
        let condition = N::Condition::upload(given, &x.device());
        let rows: Vec<usize> = (0..t.len()).collect();
        let (start, end) = self.span();
        let t: Vec<f64> = t.iter().map(|t| t.clamp(start, end)).collect();
        self.given(&condition).velocities(&t, x, &rows)
    }
}

/// The steps of a training batch, on the host: where each starts, and how long it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// The times at which they start.
    pub t: Vec<f64>,
    /// Their durations r − t, 0 for the first rows.
    pub durations: Vec<f64>,
    /// γ: the share of each duration after which the semigroup identity divides it, or at which the
    /// next level of noise lies.
    pub shares: Vec<f64>,
    /// The factor of each row in the loss: `1/(ς_i − ς_{i+1})` between levels of noise, 1 elsewhere.
    pub weights: Vec<f64>,
    /// w: the weight of the derivative in continuous consistency, which grows with the training.
    pub tangent: f64,
    /// How many rows have no duration.
    pub equal: usize,
}

impl Steps {
    /// Those of some rows.
    ///
    /// # Panics
    /// If a row does not exist.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        let of = |values: &[f64]| values[rows.clone()].to_vec();
        Self {
            t: of(&self.t),
            durations: of(&self.durations),
            shares: of(&self.shares),
            weights: of(&self.weights),
            tangent: self.tangent,
            equal: self.equal.clamp(rows.start, rows.end) - rows.start,
        }
    }
}

/// The loss of a batch of steps.
#[derive(Debug, Clone)]
pub struct FewStepLoss<B: AutodiffBackend> {
    /// What is differentiated, `[1]`.
    pub loss: Tensor<B, 1>,
    /// The mean squared error before it is weighted, `[1]`: the weighted one is about 1 throughout
    /// where the weight is that of MeanFlow.
    pub error: Tensor<B::InnerBackend, 1>,
}

impl FewStep {
    /// What a network of this training predicts; `None` for no training of this kind.
    pub fn prediction(&self) -> Option<Prediction> {
        match *self {
            Self::None => None,
            Self::Reflow { .. } => Some(Prediction::Velocity),
            Self::MarkovianFitting { .. } => Some(Prediction::VelocityAndScore),
            // One step is a jump; of two and more, each is Euler's.
            Self::Distillation { .. } => Some(Prediction::shortcuts(2)),
            Self::Shortcut { steps, .. } => Some(Prediction::shortcuts(steps)),
            Self::ConsistencyTraining { .. }
            | Self::ConsistencyDistillation { .. }
            | Self::ContinuousConsistency { .. } => Some(Prediction::average_to_data()),
            _ => Some(Prediction::average_velocity()),
        }
    }

    /// What a network of this training predicts where the objective asks for `own`: consistency
    /// between levels of noise may be that of [`Prediction::Consistency`], and anything else has one
    /// prediction.
    pub fn trained(&self, own: Prediction) -> Prediction {
        let between_levels = matches!(
            self,
            Self::ConsistencyTraining { .. } | Self::ConsistencyDistillation { .. }
        );
        match own {
            Prediction::Consistency { .. } if between_levels => own,
            _ => self.prediction().unwrap_or(own),
        }
    }

    /// How the derivative is found, for a training that needs one.
    pub fn derivative(&self) -> Option<Derivative> {
        match *self {
            Self::MeanFlow { derivative, .. }
            | Self::Lagrangian { derivative, .. }
            | Self::Eulerian { derivative, .. }
            | Self::ContinuousConsistency { derivative, .. } => Some(derivative),
            _ => None,
        }
    }

    /// The number of pairs that a teacher makes for this training, if it needs some: the teacher
    /// then has no further part in it.
    pub fn pairs(&self) -> Option<usize> {
        match *self {
            Self::Reflow { pairs }
            | Self::MarkovianFitting { pairs, .. }
            | Self::Distillation { pairs, .. } => Some(pairs),
            _ => None,
        }
    }

    /// Whether the training reads the velocity of a teacher, or pairs that it makes, and has nothing
    /// in their place.
    pub fn needs_teacher(&self) -> bool {
        self.pairs().is_some() || matches!(self, Self::ConsistencyDistillation { .. })
    }

    /// Whether the training has a loss of its own ([`FewStep::loss`]), and not that of the
    /// objective.
    pub fn has_loss(&self) -> bool {
        !matches!(
            self,
            Self::None | Self::Reflow { .. } | Self::MarkovianFitting { .. }
        )
    }

    /// Whether targets are made with the averaged parameters, and not with those in training.
    pub fn learns_from_average(&self) -> bool {
        matches!(self, Self::Shortcut { .. })
    }

    /// The steps of the batch of a training step whose times are `t`: the end of each is a second
    /// draw of the path's times, or lies a dyadic step ahead, or at the data.
    pub fn steps(
        &self,
        step: u64,
        mut t: Vec<f64>,
        path: &Path,
        prediction: Prediction,
        draws: &mut Draws,
    ) -> Steps {
        let n = t.len();
        let share = match *self {
            Self::None | Self::Reflow { .. } | Self::MarkovianFitting { .. } => 1.0,
            Self::MeanFlow { equal, .. }
            | Self::Distillation { equal, .. }
            | Self::Shortcut { equal, .. }
            | Self::Semigroup { equal }
            | Self::Lagrangian { equal, .. }
            | Self::Eulerian { equal, .. }
            | Self::ConsistencyTraining { equal, .. }
            | Self::ConsistencyDistillation { equal, .. }
            | Self::ContinuousConsistency { equal, .. } => equal,
        };
        let equal = (share * n as f64).round() as usize;
        let mut durations = vec![0.0; n];
        let mut shares = vec![0.5; n];
        let mut weights = vec![1.0; n];
        let mut tangent = 1.0;
        match *self {
            Self::Shortcut { steps, .. } => {
                let levels = steps.ilog2() as usize;
                for i in equal..n {
                    let d = 0.5_f64.powi(draws.below(levels) as i32);
                    let last = d.recip() - 1.0;
                    t[i] = (t[i] / d).floor().min(last) * d;
                    durations[i] = d;
                }
            }
            Self::Distillation { .. } => {
                t[equal..].fill(0.0);
                durations[equal..].fill(1.0);
            }
            Self::ConsistencyTraining { .. } | Self::ConsistencyDistillation { .. } => {
                let mut levels = Levels::new(self.intervals(step), &path.schedule);
                if matches!(prediction, Prediction::Consistency { .. }) {
                    levels = levels.with_noise_left(&path.schedule);
                }
                for i in equal..n {
                    let level = levels.draw(draws);
                    let (start, next) = (levels.times[level], levels.times[level + 1]);
                    (t[i], durations[i]) = (start, 1.0 - start);
                    shares[i] = (next - start) / (1.0 - start);
                    weights[i] = (levels.noise[level] - levels.noise[level + 1]).recip();
                }
            }
            Self::ContinuousConsistency { warm_up, .. } => {
                tangent = (step as f64 / warm_up as f64).min(1.0);
                for i in equal..n {
                    durations[i] = 1.0 - t[i];
                }
            }
            _ if equal < n => {
                let ends = path.times(n - equal, draws);
                for (i, end) in (equal..n).zip(ends) {
                    let (start, end) = (t[i].min(end), t[i].max(end));
                    (t[i], durations[i]) = (start, end - start);
                    shares[i] = draws.uniform();
                }
            }
            _ => {}
        }
        Steps {
            t,
            durations,
            shares,
            weights,
            tangent,
            equal,
        }
    }

    /// Intervals between the levels of noise at a training step.
    fn intervals(&self, step: u64) -> usize {
        match *self {
            Self::ConsistencyTraining {
                first,
                last,
                halving,
                ..
            } => {
                let halvings = (step / halving as u64).min(16);
                (first << halvings).min(last)
            }
            Self::ConsistencyDistillation { levels, .. } => levels,
            _ => 1,
        }
    }

    /// How far a difference that stands for the derivative in the targets depends on its step
    /// ([`Derivative::disagreement`]), at the points of these steps; `None` for a training without a
    /// derivative, and for a network with tangents.
    pub fn disagreement<B, N, const D: usize>(
        &self,
        network: &N,
        sample: &PathSample<B, D>,
        steps: &Steps,
        given: &Given,
    ) -> Option<f64>
    where
        B: Backend,
        N: Network<B, D>,
    {
        let way = self.derivative()?;
        let x = sample.x_t.clone();
        let per_sample = PerSample::like(&x);
        let [t, duration] =
            [&steps.t, &steps.durations].map(|v| per_sample.flat(v.iter().copied()));
        let condition = N::Condition::upload(given, &x.device());
        let direction = match self {
            Self::Lagrangian { .. } => with_end(),
            _ => with_flow(sample.d_x_t.clone()),
        };
        way.disagreement(network, (x, t, duration), &condition, &direction)
    }

    /// The loss of a batch of steps: a mean over its rows, so that the mean over parts of a batch,
    /// each with the weight of its rows, is that of the whole.
    ///
    /// `frozen` makes the targets: the network in training, or its average
    /// ([`FewStep::learns_from_average`]), without a tape. A teacher's velocity takes the place of
    /// that of the pairs.
    ///
    /// # Panics
    /// If the network takes no duration, or if the training needs a teacher and there is none.
    #[allow(
        clippy::too_many_arguments,
        reason = "a batch, two networks and a teacher"
    )]
    pub fn loss<B, N, const D: usize>(
        &self,
        flow: &Flow<N>,
        frozen: &Flow<N::InnerModule>,
        teacher: Option<&dyn Teacher<B::InnerBackend, D>>,
        sample: &PathSample<B, D>,
        steps: &Steps,
        given: &Given,
        dropout: Option<&mut Draws>,
    ) -> FewStepLoss<B>
    where
        B: AutodiffBackend,
        N: Network<B, D> + AutodiffModule<B>,
        N::InnerModule: Network<B::InnerBackend, D>,
    {
        let (x, pair) = (sample.x_t.clone(), sample.d_x_t.clone().inner());
        let points = Points {
            flow: frozen,
            teacher,
            steps,
            given,
            endpoints: Endpoints {
                x0: sample.endpoints.x0.clone().inner(),
                x1: sample.endpoints.x1.clone().inner(),
            },
            z: sample.z.clone().map(Tensor::inner),
        };
        let target = self.target(&points, x.clone().inner(), pair);
        let condition = N::Condition::upload(given, &x.device());
        let output = flow.over(&steps.t, &steps.durations, x, &condition, dropout);
        let squares = (output - Tensor::from_inner(target)).square();
        let error = squares.clone().inner().mean();
        let n = steps.t.len();
        let loss = match *self {
            Self::MeanFlow { power, offset, .. } if power > 0.0 => {
                let squares = squares.reshape([n as i32, -1]);
                let sums: Tensor<B, 1> = squares.sum_dim(1).squeeze_dim(1);
                let weights = (sums.clone().detach() + offset).powf_scalar(-power);
                (sums * weights).mean()
            }
            Self::ConsistencyTraining { metric, .. }
            | Self::ConsistencyDistillation { metric, .. } => {
                let squares = squares.reshape([n as i32, -1]);
                let factors = steps.t.iter().map(|&t| flow.end_shares(t).1.powi(2));
                let means = squares.mean_dim(1).squeeze_dim(1);
                of_consistency(metric, means, factors.collect(), steps)
            }
            _ => squares.mean(),
        };
        FewStepLoss { loss, error }
    }
}

/// The mean over a batch of the mean squared error where steps have no duration, and of the
/// weighted distance of where they lead elsewhere, whose square is that of the output times a
/// factor.
fn of_consistency<B: Backend>(
    metric: Metric,
    means: Tensor<B, 1>,
    factors: Vec<f64>,
    steps: &Steps,
) -> Tensor<B, 1> {
    let (n, equal) = (steps.t.len(), steps.equal);
    let mut sums = Vec::new();
    if equal > 0 {
        sums.push(means.clone().narrow(0, 0, equal).sum());
    }
    if equal < n {
        let per_row = PerSample::like(&means);
        let jumps = |values: Tensor<B, 1>| values.narrow(0, equal, n - equal);
        let factors = per_row.flat(factors.into_iter());
        let weights = per_row.flat(steps.weights.iter().copied());
        let distances = metric.of(jumps(means * factors)) * jumps(weights);
        sums.push(distances.sum());
    }
    Tensor::cat(sums, 0).sum() * (n as f64).recip()
}
