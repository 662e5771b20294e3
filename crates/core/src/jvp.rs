//! The derivative of a network along a direction: a Jacobian–vector product.
//!
//! `d/dh u_θ(x + h·v, t + h·a, duration + h·b)` at h = 0
//!
//! The losses of few-step models need it for their targets, which hold no gradient of the
//! parameters. There are three ways:
//!
//! | way | cost, in evaluations | error |
//! |---|---|---|
//! | [tangents](Network::tangent_over) that the layers carry along | 2 to 3 | rounding |
//! | [`difference`] of two evaluations | 2, besides the output's own | 10⁻⁴ in single precision |
//! | [`double_backward`] | about 6 | rounding |
//!
//! The last needs the network on a tape over a tape, which doubles what has to be compiled, and
//! burn has no second derivative of its interpolation, by which a UNet changes sizes: training uses
//! the first two, and the third checks them.

use crate::condition::{Condition, Given};
use crate::named;
use crate::named::Range;
use crate::network::{Direction, Network};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, HasAutodiffModule};
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor};
use pyroclast_kernels::Precision;

/// A state, the time at which a step starts, and its duration.
pub type Inputs<B, const D: usize> = (Tensor<B, D>, Tensor<B, 1>, Tensor<B, 1>);

named! {
    /// How the derivative of a network along a direction is found.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Derivative as "way to differentiate" {
        /// By the tangents of the network's layers if they carry any, as those of the project do,
        /// and by a difference otherwise.
        "auto" => Auto,
        /// By the central difference of two evaluations. Of use only if the network is smooth in
        /// the time: sinusoids of 1000·t are not.
        "difference" => Difference {
            /// How far each of the two is from the point.
            step: f64 = STEP => Range {
                holds: |step| (1e-5..=0.1).contains(step),
                remedy: "give a number from 1e-5 to 0.1",
            },
        },
    }
}

/// The step of a difference: what it cuts off, of the order step², is as much as the rounding of
/// single precision, of the order 10⁻⁷/step.
const STEP: f64 = 4e-3;

/// By the network's own tangents if it has some.
impl Default for Derivative {
    fn default() -> Self {
        Self::Auto
    }
}

impl Derivative {
    /// The derivative of `u_θ(x, t, t + duration)` along the direction.
    pub fn slope<B, N, const D: usize>(
        self,
        network: &N,
        inputs: Inputs<B, D>,
        condition: &N::Condition,
        direction: &Direction<B, D>,
    ) -> Tensor<B, D>
    where
        B: Backend,
        N: Network<B, D>,
    {
        match self.exact(network, &inputs, condition, direction) {
            Ok((_, slope)) => slope,
            Err(step) => difference(network, inputs, condition, direction, step),
        }
    }

    /// `u_θ(x, t, t + duration)` and its derivative along the direction.
    pub fn along<B, N, const D: usize>(
        self,
        network: &N,
        inputs: Inputs<B, D>,
        condition: &N::Condition,
        direction: &Direction<B, D>,
    ) -> (Tensor<B, D>, Tensor<B, D>)
    where
        B: Backend,
        N: Network<B, D>,
    {
        match self.exact(network, &inputs, condition, direction) {
            Ok(both) => both,
            Err(step) => {
                let (x, t, duration) = inputs.clone();
                let slope = difference(network, inputs, condition, direction, step);
                (network.forward_over(x, t, duration, condition, None), slope)
            }
        }
    }

    /// How far a difference that stands for the derivative depends on its step: the root mean
    /// square by which it moves as the step is doubled, over those of both and of the output.
    /// `None` where the network's own tangents are taken.
    ///
    /// For `sin(ωt)` and a small step it is about `(ω·step)²/4`, and the error of the difference
    /// `(ω·step)²/6` of the derivative. Where the network has waves shorter than the step, it is of
    /// the order of 1.
    pub fn disagreement<B, N, const D: usize>(
        self,
        network: &N,
        inputs: Inputs<B, D>,
        condition: &N::Condition,
        direction: &Direction<B, D>,
    ) -> Option<f64>
    where
        B: Backend,
        N: Network<B, D>,
    {
        let step = self.exact(network, &inputs, condition, direction).err()?;
        let by = |step: f64| difference(network, inputs.clone(), condition, direction, step);
        let (near, far) = (by(step), by(2.0 * step));
        let (x, t, duration) = inputs.clone();
        let output = network.forward_over(x, t, duration, condition, None);
        let size = |x: Tensor<B, D>| x.square().mean().into_scalar().elem::<f64>().sqrt();
        let moved = size(far.clone() - near.clone());
        let sizes = size(near) + size(far) + size(output);
        Some(moved / sizes.max(f64::MIN_POSITIVE))
    }

    /// Both by the network's own tangents, or the step of a difference in their place.
    fn exact<B, N, const D: usize>(
        self,
        network: &N,
        (x, t, duration): &Inputs<B, D>,
        condition: &N::Condition,
        direction: &Direction<B, D>,
    ) -> Result<(Tensor<B, D>, Tensor<B, D>), f64>
    where
        B: Backend,
        N: Network<B, D>,
    {
        match self {
            Self::Difference { step } => Err(step),
            Self::Auto => {
                let (x, t, duration) = (x.clone(), t.clone(), duration.clone());
                let both = network.tangent_over(x, t, duration, condition, direction);
                both.ok_or(STEP)
            }
        }
    }
}

/// The central difference `[u(+h) − u(−h)]/2h` along a direction.
pub fn difference<B, N, const D: usize>(
    network: &N,
    (x, t, duration): Inputs<B, D>,
    condition: &N::Condition,
    direction: &Direction<B, D>,
    step: f64,
) -> Tensor<B, D>
where
    B: Backend,
    N: Network<B, D>,
{
    let at = |h: f64| {
        let x = match &direction.x {
            Some(v) => x.clone() + v.clone() * h,
            None => x.clone(),
        };
        let (t, duration) = (
            t.clone() + h * direction.t,
            duration.clone() + h * direction.duration,
        );
        // A difference would see the rounding of a coarser precision and little else.
        Precision::F32.within(|| network.forward_over(x, t, duration, condition, None))
    };
    (at(step) - at(-step)) * (0.5 / step)
}

/// The derivative along a direction to rounding, for any network, by two passes backward:
/// `g(w) = ∇⟨u, w⟩` is linear in w, so that `∇_w⟨g(w), direction⟩` is it.
///
/// It runs on `Autodiff<Autodiff<B>>`, where kernels run the operations that they are composed of.
///
/// # Panics
/// If the network does not depend on its inputs at all.
pub fn double_backward<B, N, M, const D: usize>(
    network: &N,
    (x, t, duration): Inputs<B, D>,
    given: &Given,
    direction: &Direction<B, D>,
) -> Tensor<B, D>
where
    B: Backend,
    N: HasAutodiffModule<Autodiff<B>> + burn::module::Module<B>,
    N::TrainModule: HasAutodiffModule<Autodiff<Autodiff<B>>, TrainModule = M>,
    M: Network<Autodiff<Autodiff<B>>, D>
        + AutodiffModule<Autodiff<Autodiff<B>>, InnerModule = N::TrainModule>,
{
    type Once<B> = Autodiff<B>;
    type Twice<B> = Autodiff<Autodiff<B>>;
    let device = x.device();
    let once: N::TrainModule = AutodiffModule::<Once<B>>::from_inner(network.clone());
    let twice: M = AutodiffModule::<Twice<B>>::from_inner(once);
    let condition = M::Condition::upload(given, &device);
    let lift = |x: Tensor<B, 1>| -> Tensor<Twice<B>, 1> {
        Tensor::<Twice<B>, 1>::from_inner(Tensor::from_inner(x)).require_grad()
    };
    let w = Tensor::<Once<B>, D>::from_inner(x.zeros_like()).require_grad();
    let states = Tensor::<Twice<B>, D>::from_inner(Tensor::from_inner(x)).require_grad();
    let (t, duration) = (lift(t), lift(duration));
    let u = twice.forward_over(
        states.clone(),
        t.clone(),
        duration.clone(),
        &condition,
        None,
    );
    let gradients = (u * Tensor::from_inner(w.clone())).sum().backward();
    let mut along: Option<Tensor<Once<B>, 1>> = None;
    let mut add = |term: Tensor<Once<B>, 1>| {
        along = Some(match along.take() {
            Some(sum) => sum + term,
            None => term,
        });
    };
    if let (Some(v), Some(g)) = (&direction.x, states.grad(&gradients)) {
        add((g * Tensor::from_inner(v.clone())).sum());
    }
    for (factor, input) in [(direction.t, t), (direction.duration, duration)] {
        if let (true, Some(g)) = (factor != 0.0, input.grad(&gradients)) {
            add(g.sum() * factor);
        }
    }
    let gradients = along
        .expect("a network that depends on its inputs")
        .backward();
    w.grad(&gradients).expect("the sum is linear in w")
}
