//! Adaptive solves.
//!
//! `dX/dt = u_t(X)` over a span, with steps as long as a tolerance allows
//!
//! Source: Hairer, Nørsett & Wanner 1993, II.4. Step sizes are numbers on the host, and so carry no
//! gradient.

use super::control::Control;
use super::event::Event;
use super::own::Own;
use super::run::{Request, run};
use super::save::Save;
use super::shared::{Measured, Shared};
use super::solution::{Solution, Stopped};
use crate::grid::TimeGrid;
use crate::method::EmbeddedMethod;
use crate::runge_kutta::EmbeddedRk;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::{BatchField, Counted};

/// All samples of a batch take the same steps, whose error is the root mean square over the batch.
/// The result for a sample then depends on the others, by no more than the tolerance allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharedSteps;

/// Each sample of a batch takes steps of its own, and its result is the one that it would have
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnSteps;

/// How to solve with steps as long as a tolerance allows: what to aim for, what to save, where to
/// stop, and whether samples share their steps. Any of these can be combined.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_ndarray::NdArray;
/// use pyroclast_solvers::{Adaptive, DOPRI5, Direction, Event};
///
/// // x' = −x from 1, saved twice, until x falls to ½.
/// let decay = |_: f64, x: Tensor<NdArray<f64>, 2>| -x;
/// let half = Event::new(
///     |_, x: &Tensor<NdArray<f64>, 2>| x.clone().into_scalar() - 0.5,
///     Direction::Falling,
/// );
/// let solution = Adaptive::tolerance(1e-8)
///     .saving([0.1, 0.2])
///     .until(half)
///     .solve(&decay, &DOPRI5, Tensor::ones([1, 1], &Default::default()), (0.0, 10.0))?;
///
/// assert_eq!(solution.event, Some(0));
/// assert!((solution.t - 2_f64.ln()).abs() < 1e-7);
/// assert_eq!(solution.saved.len(), 2);
/// # Ok::<(), pyroclast_solvers::Stopped<NdArray<f64>, 2>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Adaptive<'a, B: Backend, const D: usize, S = SharedSteps> {
    /// The tolerance, and the bounds on steps.
    pub control: Control,
    /// What to save besides the final state.
    pub save: Save,
    /// Functions whose zeros end the solve; the first to occur counts.
    pub events: Vec<Event<'a, B, D>>,
    /// [`SharedSteps`] or [`OwnSteps`].
    pub steps: S,
}

impl<B: Backend, const D: usize> Default for Adaptive<'_, B, D> {
    fn default() -> Self {
        Self::new(Control::default())
    }
}

impl<'a, B: Backend, const D: usize> Adaptive<'a, B, D> {
    /// A solve to the end of the span, with shared steps.
    pub fn new(control: Control) -> Self {
        Self {
            control,
            save: Save::default(),
            events: Vec::new(),
            steps: SharedSteps,
        }
    }

    /// [`Adaptive::new`] with `rtol = atol = tolerance`.
    pub fn tolerance(tolerance: f64) -> Self {
        Self::new(Control::tolerance(tolerance))
    }

    /// Lets each sample choose its own steps.
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn_ndarray::NdArray;
    /// use pyroclast_core::per_sample::PerSample;
    /// use pyroclast_core::field::BatchField;
    /// use pyroclast_solvers::{Adaptive, DOPRI5};
    ///
    /// /// `x' = −k·x` with a rate k for each sample.
    /// struct Decay(Vec<f64>);
    ///
    /// impl BatchField<NdArray<f64>, 2> for Decay {
    ///     fn velocities(
    ///         &self,
    ///         _: &[f64],
    ///         x: Tensor<NdArray<f64>, 2>,
    ///         rows: &[usize],
    ///     ) -> Tensor<NdArray<f64>, 2> {
    ///         let rates = rows.iter().map(|&row| -self.0[row]);
    ///         x.clone() * PerSample::like(&x).tensor(rates)
    ///     }
    /// }
    ///
    /// let x = Tensor::ones([2, 1], &Default::default());
    /// let field = Decay(vec![1.0, 50.0]);
    /// let adaptive = Adaptive::tolerance(1e-6).per_sample();
    /// let solution = adaptive.solve(&field, &DOPRI5, x, (0.0, 1.0))?;
    /// // The fast sample takes more steps, and the slow one does not wait for it.
    /// let steps = |i: usize| solution.samples[i].statistics.steps;
    /// assert!(steps(1) > 2 * steps(0));
    /// # Ok::<(), pyroclast_solvers::Stopped<NdArray<f64>, 2>>(())
    /// ```
    pub fn per_sample(self) -> Adaptive<'a, B, D, OwnSteps> {
        Adaptive {
            control: self.control,
            save: self.save,
            events: self.events,
            steps: OwnSteps,
        }
    }
}

impl<'a, B: Backend, const D: usize, S> Adaptive<'a, B, D, S> {
    /// Saves the states at these times, without any effect on the steps.
    pub fn saving(mut self, times: impl IntoIterator<Item = f64>) -> Self {
        self.save.times = times.into_iter().collect();
        self.save.landing = false;
        self
    }

    /// Saves the states at these times, with steps that end on each of them.
    ///
    /// Each saved state is one of the method's own, of its full order.
    pub fn landing_on(mut self, times: impl IntoIterator<Item = f64>) -> Self {
        self.save.times = times.into_iter().collect();
        self.save.landing = true;
        self
    }

    /// Keeps every step, so that [`Solution::at`] gives the state at any time.
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn_ndarray::NdArray;
    /// use pyroclast_solvers::{Adaptive, TSIT5};
    ///
    /// let decay = |_: f64, x: Tensor<NdArray<f64>, 2>| -x;
    /// let x = Tensor::ones([1, 1], &Default::default());
    /// let solution = Adaptive::tolerance(1e-8).dense().solve(&decay, &TSIT5, x, (0.0, 2.0))?;
    /// let x = solution.at(0.7).expect("a time of the span").into_scalar();
    /// assert!((x - (-0.7_f64).exp()).abs() < 1e-6);
    /// # Ok::<(), pyroclast_solvers::Stopped<NdArray<f64>, 2>>(())
    /// ```
    pub fn dense(mut self) -> Self {
        self.save.dense = true;
        self
    }

    /// Ends the solve at this event too.
    pub fn until(mut self, event: Event<'a, B, D>) -> Self {
        self.events.push(event);
        self
    }

    fn request(&self, span: (f64, f64)) -> Request<'_, 'a, B, D> {
        Request {
            control: self.control,
            save: &self.save,
            events: &self.events,
            span,
        }
    }
}

impl<B: Backend, const D: usize> Adaptive<'_, B, D, SharedSteps> {
    /// Solves from x at the start of `span` to its end or to the first event, forward or backward
    /// in time. All samples take the same steps; a step reads one number from the device.
    ///
    /// # Errors
    /// [`Stopped`], with the solution up to there: for settings that make no sense, a time to save
    /// outside the span, a field that is not finite, and a step size or number of steps beyond its
    /// bound.
    pub fn solve<F, M>(
        &self,
        field: &F,
        method: &M,
        x: Tensor<B, D>,
        span: (f64, f64),
    ) -> Result<Solution<B, D>, Stopped<B, D>>
    where
        F: ?Sized,
        M: for<'f> EmbeddedMethod<B, Counted<'f, F>, D>,
    {
        let field = Counted::new(field);
        shared(
            &self.request(span),
            Measured::All,
            &field,
            method,
            x,
            |_, _, _| {},
        )
    }
}

impl<B: Backend, const D: usize> Adaptive<'_, B, D, OwnSteps> {
    /// Solves each sample from its row of x at the start of `span` to the end or to its
    /// first event, with steps of its own: its result does not depend on the rest of the
    /// batch. The control applies to each sample separately. A step of all samples reads one
    /// row of errors from the device.
    ///
    /// # Errors
    /// [`Stopped`], for settings that make no sense and a time to save outside the span. The
    /// failure of a sample is in its [`Outcome`](crate::Outcome).
    pub fn solve<F>(
        &self,
        field: &F,
        method: &EmbeddedRk,
        x: Tensor<B, D>,
        span: (f64, f64),
    ) -> Result<Solution<B, D>, Stopped<B, D>>
    where
        F: BatchField<B, D> + ?Sized,
    {
        let tolerances = (self.control.rtol, self.control.atol);
        let own = Own::new(field, method, tolerances, x.dims()[0]);
        run(&own, &self.request(span), x, |_, _, _| {})
    }
}

fn shared<'f, B, F, M, const D: usize>(
    request: &Request<'_, '_, B, D>,
    measured: Measured,
    field: &Counted<'f, F>,
    method: &M,
    x: Tensor<B, D>,
    before: impl FnMut(f64, &Tensor<B, D>, &M::State),
) -> Result<Solution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: EmbeddedMethod<B, Counted<'f, F>, D>,
{
    let shared = Shared {
        field,
        method,
        tolerances: (request.control.rtol, request.control.atol),
        measured,
    };
    run(&shared, request, x, before)
}

/// A shared solve of states that carry integrals behind their first entries.
pub(crate) fn solve_measured<B, F, M, const D: usize>(
    control: Control,
    measured: Measured,
    field: &F,
    method: &M,
    x: Tensor<B, D>,
    span: (f64, f64),
) -> Result<Solution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: for<'f> EmbeddedMethod<B, Counted<'f, F>, D>,
{
    let request = Adaptive::<B, D>::new(control);
    let field = Counted::new(field);
    shared(
        &request.request(span),
        measured,
        &field,
        method,
        x,
        |_, _, _| {},
    )
}

/// A shared solve over `times` that lands on each of them, and shows the time, state and memory
/// before each step.
pub(crate) fn land<'f, B, F, M, const D: usize>(
    control: Control,
    field: &Counted<'f, F>,
    method: &M,
    x: Tensor<B, D>,
    times: &TimeGrid,
    before: impl FnMut(f64, &Tensor<B, D>, &M::State),
) -> Result<Solution<B, D>, Stopped<B, D>>
where
    B: Backend,
    F: ?Sized,
    M: EmbeddedMethod<B, Counted<'f, F>, D>,
{
    let times = times.times();
    let span = (times[0], times[times.len() - 1]);
    let adaptive = Adaptive::<B, D>::new(control).landing_on(times.iter().copied());
    shared(
        &adaptive.request(span),
        Measured::All,
        field,
        method,
        x,
        before,
    )
}
