//! Methods for stochastic differential equations.
//!
//! `dX = f_t(X) dt + g_t(X) dW`
//!
//! The compiler checks that a method can solve an equation: Euler–Maruyama takes Itô equations,
//! Heun's method Stratonovich ones, [`Sra1`] and [`Shark`] additive noise, and [`Milstein`] either
//! calculus.

mod embedded;

crate::files! {
    euler_maruyama: EulerMaruyama;
    milstein: Milstein;
    shark: Shark;
    sra1: Sra1;
    stochastic_heun: StochasticHeun;
}
