//! The Runge–Kutta methods: each is its coefficients, in a file of its own.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`,
//! `error = h·Σ (b_i − b̂_i)·k_i`
//!
//! The tests check the order conditions of every rooted tree, so that a wrong digit cannot pass.

use crate::runge_kutta::{EmbeddedRk, ExplicitRk};

/// The list of methods: those of fixed steps, and pairs, which estimate their error and so can
/// choose their steps.
macro_rules! tableaus {
    (fixed { $($fixed:ident: $FIXED:ident;)* } pairs { $($pair:ident: $PAIR:ident;)* }) => {
        crate::files! {
            $($fixed: $FIXED;)*
            $($pair: $PAIR;)*
        }

        impl ExplicitRk {
            /// Every method of this crate.
            pub const ALL: &'static [Self] = &[$($FIXED,)* $($PAIR.method,)*];
        }

        impl EmbeddedRk {
            /// Every method of this crate that estimates its error.
            pub const ALL: &'static [Self] = &[$($PAIR,)*];
        }
    };
}

tableaus! {
    fixed {
        euler: EULER;
        midpoint: MIDPOINT;
        rk4: RK4;
    }
    pairs {
        heun: HEUN;
        ralston: RALSTON;
        bogacki_shampine: BOGACKI_SHAMPINE;
        dopri5: DOPRI5;
        tsit5: TSIT5;
        dopri8: DOPRI8;
    }
}
