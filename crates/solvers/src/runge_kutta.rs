//! One stage loop for all explicit Runge–Kutta methods.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`, `h = s − t`

use crate::method::{EmbeddedMethod, Method};
use crate::tableau::Tableau;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use pyroclast_core::field::VectorField;

/// An explicit Runge–Kutta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplicitRk(pub &'static Tableau);

/// An explicit Runge–Kutta method with a second set of weights that estimates its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbeddedRk {
    /// The method whose step is kept.
    pub method: ExplicitRk,
    /// The weights b̂ of the comparison.
    pub embedded: &'static [f64],
    /// The order of the comparison.
    pub embedded_order: usize,
}

/// The slope at the end of a step, where a method is first-same-as-last and has taken one.
#[derive(Debug, Clone)]
pub struct LastSlope<B: Backend, const D: usize>(Option<Tensor<B, D>>);

impl ExplicitRk {
    /// The stages of one step, and the state that its end holds where the last stage is that state (FSAL).
    fn stages<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize>(
        &self,
        field: &F,
        t: f64,
        h: f64,
        x: &Tensor<B, D>,
        first: Option<Tensor<B, D>>,
    ) -> (Vec<Tensor<B, D>>, Option<Tensor<B, D>>) {
        let Tableau { a, c, .. } = self.0;
        let mut k = Vec::with_capacity(a.len());
        k.push(first.unwrap_or_else(|| field.velocity(t, x.clone())));
        let mut end = None;
        for i in 1..a.len() {
            let y = advance(x.clone(), h, a[i], &k);
            if self.0.first_same_as_last && i + 1 == a.len() {
                end = Some(y.clone());
            }
            k.push(field.velocity(t + c[i] * h, y));
        }
        (k, end)
    }

    fn finish<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        h: f64,
        mut k: Vec<Tensor<B, D>>,
        end: Option<Tensor<B, D>>,
    ) -> (Tensor<B, D>, LastSlope<B, D>) {
        let x = end.unwrap_or_else(|| advance(x, h, self.0.b, &k));
        let last = k.pop().filter(|_| self.0.first_same_as_last);
        (x, LastSlope(last))
    }
}

/// `x + h·Σ w_i·k_i`, skipping the weights that are 0.
fn advance<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    h: f64,
    weights: &[f64],
    k: &[Tensor<B, D>],
) -> Tensor<B, D> {
    (weights.iter().zip(k))
        .filter(|(w, _)| **w != 0.0)
        .fold(x, |x, (w, k)| x + k.clone() * (h * w))
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for ExplicitRk {
    type State = LastSlope<B, D>;

    fn init(&self, _: &F, _: f64, _: &Tensor<B, D>) -> Self::State {
        LastSlope(None)
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State) {
        let (k, end) = self.stages(field, t, s - t, &x, state.0);
        self.finish(x, s - t, k, end)
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> Method<B, F, D> for EmbeddedRk {
    type State = LastSlope<B, D>;

    fn init(&self, field: &F, t: f64, x: &Tensor<B, D>) -> Self::State {
        self.method.init(field, t, x)
    }

    fn step(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Self::State) {
        self.method.step(field, t, s, x, state)
    }
}

impl<B: Backend, F: VectorField<B, D> + ?Sized, const D: usize> EmbeddedMethod<B, F, D>
    for EmbeddedRk
{
    fn order(&self) -> usize {
        self.method.0.order
    }

    fn error_order(&self) -> usize {
        self.embedded_order.min(self.method.0.order) + 1
    }

    fn first_slope(
        &self,
        field: &F,
        t: f64,
        x: &Tensor<B, D>,
        state: &mut Self::State,
    ) -> Tensor<B, D> {
        let slope = field.velocity(t, x.clone());
        state.0 = Some(slope.clone());
        slope
    }

    fn slope(&self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
        field.velocity(t, x)
    }

    fn step_with_error(
        &self,
        field: &F,
        t: f64,
        s: f64,
        x: Tensor<B, D>,
        state: Self::State,
    ) -> (Tensor<B, D>, Tensor<B, D>, Self::State) {
        let h = s - t;
        let (k, end) = self.method.stages(field, t, h, &x, state.0);
        let mut differences = (self.method.0.b.iter().zip(self.embedded).zip(&k))
            .map(|((b, b_hat), k)| (b - b_hat, k))
            .filter(|(w, _)| *w != 0.0)
            .map(|(w, k)| k.clone() * (h * w));
        let first = differences.next().expect("the two sets of weights differ");
        let error = differences.fold(first, |sum, term| sum + term);
        let (x, state) = self.method.finish(x, h, k, end);
        (x, error, state)
    }
}
