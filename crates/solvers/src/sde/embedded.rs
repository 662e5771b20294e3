//! SDE methods that estimate their error.
//!
//! `(x_s, x_s − x̂_s) = attempt(t, s, x_t, W)`

/// Implements [`Method`](crate::Method) and [`EmbeddedMethod`](crate::EmbeddedMethod) for a method
/// whose `attempt` returns a step and its error, for fields F with the given bounds. The error
/// falls like h to the given power. Steps can be chosen only on a Brownian motion that can be
/// replayed.
macro_rules! embedded_sde_method {
    ($method:ident, error_order: $error_order:expr, where $($bounds:tt)*) => {
        impl<B, F, W, const D: usize> crate::method::Method<B, F, D> for $method<W>
        where
            B: Backend,
            W: BrownianMotion<B, D>,
            $($bounds)*
        {
            type State = u64;

            fn step(
                &self,
                field: &F,
                t: f64,
                s: f64,
                x: Tensor<B, D>,
                step: u64,
            ) -> (Tensor<B, D>, u64) {
                (self.attempt(field, t, s, x, step).0, step + 1)
            }
        }

        impl<B, F, W, const D: usize> crate::method::EmbeddedMethod<B, F, D> for $method<W>
        where
            B: Backend,
            W: BrownianMotion<B, D> + crate::brownian::Replays,
            $($bounds)*
        {
            fn order(&self) -> usize {
                1
            }

            fn error_order(&self) -> f64 {
                $error_order
            }

            fn slope(&self, field: &F, t: f64, x: Tensor<B, D>) -> Tensor<B, D> {
                field.drift(t, x)
            }

            fn landing(&self, t: f64, s: f64) -> f64 {
                self.brownian.landing(t, s)
            }

            fn step_with_error(
                &self,
                field: &F,
                t: f64,
                s: f64,
                x: Tensor<B, D>,
                step: u64,
            ) -> crate::method::Attempt<B, u64, D> {
                let (x, error) = self.attempt(field, t, s, x, step);
                crate::method::Attempt {
                    x,
                    error,
                    state: step + 1,
                    slopes: Vec::new(),
                }
            }
        }
    };
}

pub(super) use embedded_sde_method;
