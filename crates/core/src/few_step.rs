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
//!
//! Source: Geng et al. 2025 (MeanFlow), algorithm 1; Frans et al. 2024 (shortcut models), algorithm
//! 1; Boffi, Albergo & Vanden-Eijnden 2024 (flow map matching) for the Eulerian, the Lagrangian and
//! the semigroup identity, here with all that is not `u_θ(x_t, t, r)` itself held fixed. MeanFlow's
//! paper runs from data to noise, where its sign is a minus. Each identity holds for the exact
//! average velocity alone, given the velocity, so that the losses have one fixed point.

use crate::condition::{Condition, Given};
use crate::field::BatchField;
use crate::flow::Flow;
use crate::jvp::{Derivative, Inputs};
use crate::named;
use crate::named::{COUNT, FINITE, POSITIVE, Range as Allowed};
use crate::network::{Direction, Network};
use crate::noise::Draws;
use crate::path::{Path, PathSample};
use crate::per_sample::PerSample;
use crate::prediction::Prediction;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use std::ops::Range;

/// Shares of a batch.
const SHARE: Allowed<f64> = Allowed {
    holds: |share| (0.0..=1.0).contains(share),
    remedy: "give a share from 0 to 1",
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
        /// Reflow, and the jump from the noise of a pair to its data beside it.
        "distillation" => Distillation {
            /// Share of a batch whose steps have no duration: there it is flow matching.
            equal: f64 = 0.5 => SHARE,
            /// The pairs that the teacher makes.
            pairs: usize = 50_000 => COUNT,
        },
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

/// Any model whose velocity is known, whatever it predicts.
impl<B: Backend, N: Network<B, D>, const D: usize> Teacher<B, D> for Flow<N> {
    fn velocities(&self, t: &[f64], x: Tensor<B, D>, given: &Given) -> Tensor<B, D> {
        let condition = N::Condition::upload(given, &x.device());
        let rows: Vec<usize> = (0..t.len()).collect();
        self.given(&condition).velocities(t, x, &rows)
    }
}

/// The steps of a training batch, on the host: where each starts, and how long it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// The times at which they start.
    pub t: Vec<f64>,
    /// Their durations r − t, 0 for the first rows.
    pub durations: Vec<f64>,
    /// γ: the share of each duration after which the semigroup identity divides it.
    pub shares: Vec<f64>,
    /// How many rows have no duration.
    pub equal: usize,
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
            // One step is a jump; of two and more, each is Euler's.
            Self::Distillation { .. } => Some(Prediction::AverageVelocity { steps: 2 }),
            Self::Shortcut { steps, .. } => Some(Prediction::AverageVelocity { steps }),
            _ => Some(Prediction::AverageVelocity { steps: 0 }),
        }
    }

    /// How the derivative is found, for a training that needs one.
    pub fn derivative(&self) -> Option<Derivative> {
        match *self {
            Self::MeanFlow { derivative, .. }
            | Self::Lagrangian { derivative, .. }
            | Self::Eulerian { derivative, .. } => Some(derivative),
            _ => None,
        }
    }

    /// The number of pairs that a teacher makes for this training, if it needs some: the teacher
    /// then has no further part in it.
    pub fn pairs(&self) -> Option<usize> {
        match *self {
            Self::Reflow { pairs } | Self::Distillation { pairs, .. } => Some(pairs),
            _ => None,
        }
    }

    /// Whether the training has a loss of its own ([`FewStep::loss`]), and not that of the
    /// objective.
    pub fn has_loss(&self) -> bool {
        !matches!(self, Self::None | Self::Reflow { .. })
    }

    /// Whether targets are made with the averaged parameters, and not with those in training.
    pub fn learns_from_average(&self) -> bool {
        matches!(self, Self::Shortcut { .. })
    }

    /// The steps of a batch whose times are `t`: the end of each is a second draw of the path's
    /// times, or lies a dyadic step ahead.
    pub fn steps(&self, mut t: Vec<f64>, path: &Path, draws: &mut Draws) -> Steps {
        let n = t.len();
        let share = match *self {
            Self::None | Self::Reflow { .. } => 1.0,
            Self::MeanFlow { equal, .. }
            | Self::Distillation { equal, .. }
            | Self::Shortcut { equal, .. }
            | Self::Semigroup { equal }
            | Self::Lagrangian { equal, .. }
            | Self::Eulerian { equal, .. } => equal,
        };
        let equal = (share * n as f64).round() as usize;
        let mut durations = vec![0.0; n];
        let mut shares = vec![0.5; n];
        if let Self::Shortcut { steps, .. } = *self {
            let levels = steps.ilog2() as usize;
            for i in equal..n {
                let d = 0.5_f64.powi(draws.below(levels) as i32);
                let last = d.recip() - 1.0;
                t[i] = (t[i] / d).floor().min(last) * d;
                durations[i] = d;
            }
        } else if let Self::Distillation { .. } = *self {
            t[equal..].fill(0.0);
            durations[equal..].fill(1.0);
        } else if equal < n {
            let ends = path.times(n - equal, draws);
            for (i, end) in (equal..n).zip(ends) {
                let (start, end) = (t[i].min(end), t[i].max(end));
                (t[i], durations[i]) = (start, end - start);
                shares[i] = draws.uniform();
            }
        }
        Steps {
            t,
            durations,
            shares,
            equal,
        }
    }

    /// The loss of a batch of steps.
    ///
    /// `frozen` makes the targets: the network in training, or its average
    /// ([`FewStep::learns_from_average`]), without a tape. A teacher's velocity takes the place of
    /// that of the pairs.
    ///
    /// # Panics
    /// If the network takes no duration.
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
            network: &frozen.network,
            teacher,
            steps,
            given,
            jump: matches!(self, Self::Distillation { .. })
                .then(|| (sample.endpoints.x1.clone() - x.clone()).inner()),
        };
        let target = self.target(&points, x.clone().inner(), pair);
        let per_sample = PerSample::like(&x);
        let [t, duration] =
            [&steps.t, &steps.durations].map(|v| per_sample.flat(v.iter().copied()));
        let condition = N::Condition::upload(given, &x.device());
        let output = (flow.network).forward_over(x, t, duration, &condition, dropout);
        let squares = (output - Tensor::from_inner(target)).square();
        let error = squares.clone().inner().mean();
        let loss = match *self {
            Self::MeanFlow { power, offset, .. } if power > 0.0 => {
                let n = steps.t.len() as i32;
                let sums: Tensor<B, 1> = squares.reshape([n, -1]).sum_dim(1).squeeze_dim(1);
                let weights = (sums.clone().detach() + offset).powf_scalar(-power);
                (sums * weights).mean()
            }
            _ => squares.mean(),
        };
        FewStepLoss { loss, error }
    }

    /// What the network should put out, by the frozen network and the teacher.
    fn target<B, N, const D: usize>(
        &self,
        points: &Points<'_, B, N, D>,
        x: Tensor<B, D>,
        pair: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        B: Backend,
        N: Network<B, D>,
    {
        let (n, equal) = (points.steps.t.len(), points.steps.equal);
        // Only MeanFlow reads the velocity where steps have a duration.
        let read = match self {
            Self::MeanFlow { .. } => n,
            _ => equal,
        };
        let part =
            |of: &Tensor<B, D>, rows: Range<usize>| of.clone().narrow(0, rows.start, rows.len());
        let mut velocity =
            (read > 0).then(|| points.velocity(0..read, part(&x, 0..read), part(&pair, 0..read)));
        if let (Self::MeanFlow { guidance, .. }, Some(v)) = (self, &mut velocity)
            && *guidance != 1.0
        {
            *v = points.guided(*guidance, x.clone(), v.clone());
        }
        let still = velocity
            .as_ref()
            .filter(|_| equal > 0)
            .map(|v| part(v, 0..equal));
        let mut targets: Vec<Tensor<B, D>> = still.into_iter().collect();
        if equal < n {
            let rows = equal..n;
            let along = velocity
                .filter(|_| read == n)
                .map(|v| part(&v, rows.clone()));
            targets.push(self.target_of_jumps(points, rows.clone(), part(&x, rows), along));
        }
        Tensor::cat(targets, 0)
    }

    /// What the network should put out for the rows whose steps have a duration.
    fn target_of_jumps<B, N, const D: usize>(
        &self,
        points: &Points<'_, B, N, D>,
        rows: Range<usize>,
        x: Tensor<B, D>,
        along: Option<Tensor<B, D>>,
    ) -> Tensor<B, D>
    where
        B: Backend,
        N: Network<B, D>,
    {
        let per_sample = PerSample::<B, D>::like(&x);
        let numbers = |of: &[f64]| of[rows.clone()].to_vec();
        let (t, d) = (numbers(&points.steps.t), numbers(&points.steps.durations));
        let factor = |values: &[f64]| per_sample.tensor(values.iter().copied());
        match *self {
            Self::MeanFlow { derivative, .. } | Self::Eulerian { derivative, .. } => {
                let marginal = || points.marginal(&t, rows.clone(), x.clone());
                let v = along.unwrap_or_else(marginal);
                let slope = points.along_flow(derivative, rows.clone(), x, v.clone());
                v + slope * factor(&d)
            }
            Self::Lagrangian { derivative, .. } => {
                let (u, slope) = points.along_end(derivative, rows.clone(), x.clone());
                let end = x + u * factor(&d);
                let r: Vec<f64> = t.iter().zip(&d).map(|(t, d)| t + d).collect();
                points.marginal(&r, rows.clone(), end) - slope * factor(&d)
            }
            Self::None | Self::Reflow { .. } | Self::Distillation { .. } => {
                let jump = points
                    .jump
                    .clone()
                    .expect("only distillation has pairs and a loss");
                jump.narrow(0, rows.start, rows.len())
            }
            Self::Semigroup { .. } | Self::Shortcut { .. } => {
                let given = points.of(rows.clone());
                let shares = numbers(&points.steps.shares);
                let rests: Vec<f64> = shares.iter().map(|share| 1.0 - share).collect();
                let of_duration = |shares: &[f64]| -> Vec<f64> {
                    d.iter().zip(shares).map(|(d, share)| d * share).collect()
                };
                let (first, second) = (of_duration(&shares), of_duration(&rests));
                let u = points.own(&t, &self.shown(&first), x.clone(), &given);
                let middle = x + u.clone() * factor(&first);
                let q: Vec<f64> = t.iter().zip(&first).map(|(t, d)| t + d).collect();
                let w = points.own(&q, &self.shown(&second), middle, &given);
                u * factor(&shares) + w * factor(&rests)
            }
        }
    }

    /// The durations as the network is shown them.
    fn shown(&self, durations: &[f64]) -> Vec<f64> {
        let shown = |&d: &f64| (self.prediction()).map_or(d, |prediction| prediction.duration(d));
        durations.iter().map(shown).collect()
    }
}

/// What targets are made of.
struct Points<'a, B: Backend, N, const D: usize> {
    network: &'a N,
    teacher: Option<&'a dyn Teacher<B, D>>,
    steps: &'a Steps,
    given: &'a Given,
    /// `x1 − x_t`, for distillation.
    jump: Option<Tensor<B, D>>,
}

impl<B: Backend, N: Network<B, D>, const D: usize> Points<'_, B, N, D> {
    /// The conditions of some rows.
    fn of(&self, rows: Range<usize>) -> Given {
        let rows: Vec<usize> = rows.collect();
        self.given.select(&rows)
    }

    /// The average velocity of the network.
    fn own(&self, t: &[f64], durations: &[f64], x: Tensor<B, D>, given: &Given) -> Tensor<B, D> {
        let per_sample = PerSample::like(&x);
        let [t, durations] = [t, durations].map(|v| per_sample.flat(v.iter().copied()));
        let condition = N::Condition::upload(given, &x.device());
        self.network.forward_over(x, t, durations, &condition, None)
    }

    /// The velocity that flow matching learns: of the pair, or of the teacher.
    fn velocity(&self, rows: Range<usize>, x: Tensor<B, D>, pair: Tensor<B, D>) -> Tensor<B, D> {
        match self.teacher {
            Some(teacher) => teacher.velocities(&self.steps.t[rows.clone()], x, &self.of(rows)),
            None => pair,
        }
    }

    /// `w·v + (1 − w)·u(x, t, t | ∅)` for the rows that have a condition.
    fn guided(&self, weight: f64, x: Tensor<B, D>, velocity: Tensor<B, D>) -> Tensor<B, D> {
        let t = &self.steps.t;
        let without = self.own(t, &vec![0.0; t.len()], x, &Given::nothing());
        let weights = (0..t.len()).map(|row| {
            if self.given.is_dropped(row) {
                1.0
            } else {
                weight
            }
        });
        let weights: Tensor<B, D> = PerSample::like(&velocity).tensor(weights);
        without.clone() + (velocity - without) * weights
    }

    /// The velocity at a point: of the teacher, or the network's own.
    fn marginal(&self, t: &[f64], rows: Range<usize>, x: Tensor<B, D>) -> Tensor<B, D> {
        let given = self.of(rows);
        match self.teacher {
            Some(teacher) => teacher.velocities(t, x, &given),
            None => self.own(t, &vec![0.0; t.len()], x, &given),
        }
    }

    /// What the network is evaluated at.
    fn inputs(&self, rows: Range<usize>, x: Tensor<B, D>) -> Inputs<B, D> {
        let per_sample = PerSample::like(&x);
        let [t, duration] = [&self.steps.t, &self.steps.durations]
            .map(|v| per_sample.flat(v[rows.clone()].iter().copied()));
        (x, t, duration)
    }

    /// The derivative of the average velocity along the flow, as the end stays:
    /// `(∂_t + v·∇_x)u(x, t, r)`.
    fn along_flow(
        &self,
        way: Derivative,
        rows: Range<usize>,
        x: Tensor<B, D>,
        velocity: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let condition = N::Condition::upload(&self.of(rows.clone()), &x.device());
        let direction = Direction {
            x: Some(velocity),
            t: 1.0,
            duration: -1.0,
        };
        way.slope(self.network, self.inputs(rows, x), &condition, &direction)
    }

    /// The average velocity, and its derivative as the end moves: `∂_r u(x, t, r)`.
    fn along_end(
        &self,
        way: Derivative,
        rows: Range<usize>,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let condition = N::Condition::upload(&self.of(rows.clone()), &x.device());
        let direction = Direction {
            x: None,
            t: 0.0,
            duration: 1.0,
        };
        way.along(self.network, self.inputs(rows, x), &condition, &direction)
    }
}
