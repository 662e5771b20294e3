//! What the network should put out, by each training.

use super::{FewStep, Steps, Teacher, TeacherStep};
use crate::condition::{Condition, Given};
use crate::endpoints::Endpoints;
use crate::flow::Flow;
use crate::jvp::{Derivative, Inputs};
use crate::network::{Direction, Network};
use crate::per_sample::PerSample;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::ops::Range;

impl FewStep {
    /// What the network should put out, by the frozen network and the teacher.
    pub(super) fn target<B, N, const D: usize>(
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
        // Few read that of the pairs where steps have a duration.
        let read = match self {
            Self::MeanFlow { .. } | Self::ContinuousConsistency { .. } => n,
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
        let still = velocity.as_ref().filter(|_| equal > 0).map(|v| {
            let t = &points.steps.t[..equal];
            points.output_of_velocity(t, part(&x, 0..equal), part(v, 0..equal))
        });
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
                let slope = points.slope_along_flow(derivative, rows.clone(), x, v.clone());
                v + slope * factor(&d)
            }
            Self::Lagrangian { derivative, .. } => {
                let (u, slope) = points.along_end(derivative, rows.clone(), x.clone());
                let end = x + u * factor(&d);
                let r: Vec<f64> = t.iter().zip(&d).map(|(t, d)| t + d).collect();
                points.marginal(&r, rows.clone(), end) - slope * factor(&d)
            }
            Self::ContinuousConsistency {
                offset, derivative, ..
            } => {
                let v = along.expect("the velocity of every row");
                let (u, slope) = points.along_flow(derivative, rows.clone(), x, v.clone());
                let weight = points.steps.tangent;
                let derivative = v - u.clone() + slope * factor(&d) * weight;
                let alpha = t.iter().map(|t| points.flow.path.schedule.at(*t).alpha);
                let g = derivative * per_sample.tensor(alpha);
                let size = root_mean_square(g.clone());
                u + g / (size + offset)
            }
            Self::None
            | Self::Reflow { .. }
            | Self::MarkovianFitting { .. }
            | Self::Distillation { .. } => {
                let x1 = points.endpoints.x1.clone();
                x1.narrow(0, rows.start, rows.len()) - x
            }
            Self::ConsistencyTraining { .. } | Self::ConsistencyDistillation { .. } => {
                let shares = numbers(&points.steps.shares);
                let h: Vec<f64> = d.iter().zip(&shares).map(|(d, share)| d * share).collect();
                let q: Vec<f64> = t.iter().zip(&h).map(|(t, h)| t + h).collect();
                let next = match *self {
                    Self::ConsistencyDistillation { step, .. } => {
                        points.taught(step, &t, &h, rows.clone(), x.clone())
                    }
                    _ => points.of_pairs(&q, rows.clone()),
                };
                let rest: Vec<f64> = d.iter().zip(&h).map(|(d, h)| d - h).collect();
                let given = points.of(rows.clone());
                let end = points.end(&q, &rest, next, &given);
                points.output_of_end(&t, x, end)
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
pub(super) struct Points<'a, B: Backend, N, const D: usize> {
    /// The flow that makes the targets.
    pub(super) flow: &'a Flow<N>,
    pub(super) teacher: Option<&'a dyn Teacher<B, D>>,
    pub(super) steps: &'a Steps,
    pub(super) given: &'a Given,
    pub(super) endpoints: Endpoints<B, D>,
    pub(super) z: Option<Tensor<B, D>>,
}

impl<B: Backend, N: Network<B, D>, const D: usize> Points<'_, B, N, D> {
    /// The conditions of some rows.
    fn of(&self, rows: Range<usize>) -> Given {
        let rows: Vec<usize> = rows.collect();
        self.given.select(&rows)
    }

    /// The average velocity of the network.
    fn own(&self, t: &[f64], durations: &[f64], x: Tensor<B, D>, given: &Given) -> Tensor<B, D> {
        let condition = N::Condition::upload(given, &x.device());
        self.flow.over(t, durations, x, &condition, None)
    }

    /// Where the flow ends, by the consistency function of the network: `f(x, t)`.
    fn end(&self, t: &[f64], rests: &[f64], x: Tensor<B, D>, given: &Given) -> Tensor<B, D> {
        let (own, of_output) = self.end_shares(t, &x);
        let output = self.own(t, rests, x.clone(), given);
        x * own + output * of_output
    }

    /// The output of which f is this.
    fn output_of_end(&self, t: &[f64], x: Tensor<B, D>, end: Tensor<B, D>) -> Tensor<B, D> {
        let (own, of_output) = self.end_shares(t, &x);
        (end - x * own) / of_output
    }

    /// The factors of x and of an output in f.
    fn end_shares(&self, t: &[f64], x: &Tensor<B, D>) -> (Tensor<B, D>, Tensor<B, D>) {
        let per_sample = PerSample::like(x);
        let shares = || t.iter().map(|&t| self.flow.end_shares(t));
        let own = per_sample.tensor(shares().map(|shares| shares.0));
        (own, per_sample.tensor(shares().map(|shares| shares.1)))
    }

    /// The output of which the velocity at x is this.
    fn output_of_velocity(
        &self,
        t: &[f64],
        x: Tensor<B, D>,
        velocity: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let prediction = self.flow.objective.prediction;
        if prediction.is_velocity() {
            return velocity;
        }
        let per_sample = PerSample::<B, D>::like(&x);
        let schedule = &self.flow.path.schedule;
        let shares = || (t.iter()).map(|&t| prediction.velocity_shares(schedule.at(t)));
        let own = per_sample.tensor(shares().map(|shares| shares.0));
        (velocity - x * own) / per_sample.tensor(shares().map(|shares| shares.1))
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

    /// The points at these times on the paths of the pairs.
    fn of_pairs(&self, t: &[f64], rows: Range<usize>) -> Tensor<B, D> {
        let part = |x: &Tensor<B, D>| x.clone().narrow(0, rows.start, rows.len());
        let endpoints = Endpoints {
            x0: part(&self.endpoints.x0),
            x1: part(&self.endpoints.x1),
        };
        self.flow
            .path
            .sample(endpoints, self.z.as_ref().map(part), t)
            .x_t
    }

    /// Where a step of these lengths by the teacher leads.
    ///
    /// # Panics
    /// If there is none.
    fn taught(
        &self,
        step: TeacherStep,
        t: &[f64],
        h: &[f64],
        rows: Range<usize>,
        x: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let teacher = self
            .teacher
            .expect("consistency distillation has a teacher");
        let given = self.of(rows);
        let factor: Tensor<B, D> = PerSample::like(&x).tensor(h.iter().copied());
        let v = teacher.velocities(t, x.clone(), &given);
        let euler = x.clone() + v.clone() * factor.clone();
        match step {
            TeacherStep::Euler => euler,
            TeacherStep::Heun => {
                let q: Vec<f64> = t.iter().zip(h).map(|(t, h)| t + h).collect();
                let end = teacher.velocities(&q, euler, &given);
                x + (v + end) * factor * 0.5
            }
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
    fn slope_along_flow(
        &self,
        way: Derivative,
        rows: Range<usize>,
        x: Tensor<B, D>,
        velocity: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let condition = N::Condition::upload(&self.of(rows.clone()), &x.device());
        let direction = with_flow(velocity);
        way.slope(
            &self.flow.network,
            self.inputs(rows, x),
            &condition,
            &direction,
        )
    }

    /// The average velocity, and that derivative of it.
    fn along_flow(
        &self,
        way: Derivative,
        rows: Range<usize>,
        x: Tensor<B, D>,
        velocity: Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let condition = N::Condition::upload(&self.of(rows.clone()), &x.device());
        let direction = with_flow(velocity);
        way.along(
            &self.flow.network,
            self.inputs(rows, x),
            &condition,
            &direction,
        )
    }

    /// The average velocity, and its derivative as the end moves: `∂_r u(x, t, r)`.
    fn along_end(
        &self,
        way: Derivative,
        rows: Range<usize>,
        x: Tensor<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>) {
        let condition = N::Condition::upload(&self.of(rows.clone()), &x.device());
        let direction = with_end();
        way.along(
            &self.flow.network,
            self.inputs(rows, x),
            &condition,
            &direction,
        )
    }
}

/// The end of a step moves, and its start stays.
pub(super) fn with_end<B: Backend, const D: usize>() -> Direction<B, D> {
    Direction {
        x: None,
        t: 0.0,
        duration: 1.0,
    }
}

/// The start of a step moves with the flow, and its end stays.
pub(super) fn with_flow<B: Backend, const D: usize>(velocity: Tensor<B, D>) -> Direction<B, D> {
    Direction {
        x: Some(velocity),
        t: 1.0,
        duration: -1.0,
    }
}

/// The root of the mean square of each row, `[batch, 1, …]`.
fn root_mean_square<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let dims = x.dims();
    let mut rows = [1; D];
    rows[0] = dims[0];
    let squares: Tensor<B, 2> = x.square().reshape([dims[0] as i32, -1]);
    squares.mean_dim(1).sqrt().reshape(rows)
}
