//! The Runge–Kutta methods: each is its coefficients, in a file of its own.
//!
//! `k_i = u(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)`, `x' = x + h·Σ b_i·k_i`,
//! `error = h·Σ (b_i − b̂_i)·k_i`
//!
//! The tests check the order conditions of every rooted tree, so that a wrong digit cannot pass.

use crate::entry::{Description, methods};
use crate::runge_kutta::{EmbeddedRk, ExplicitRk};

/// The list of methods: those of fixed steps, and pairs, which estimate their error and so can
/// choose their steps. A line is `file: CONSTANT as NAME [aliases];`.
macro_rules! tableaus {
    (
        fixed { $(#[doc = $about:literal] $fixed:ident: $FIXED:ident as $name:ident;)* }
        pairs { $(
            #[doc = $pair_about:literal]
            $pair:ident: $PAIR:ident as $pair_name:ident [$($alias:literal),*];
        )* }
    ) => {
        methods! {
            $(
                mod $fixed: $FIXED;
                #[doc = $about]
                $name: Ode { ..Description::of($FIXED.0) } |_| $FIXED;
            )*
            $(
                mod $pair: $PAIR;
                #[doc = $pair_about]
                $pair_name: AdaptiveOde {
                    aliases: &[$($alias),*],
                    ..Description::of($PAIR.method.0)
                } |_| $PAIR;
            )*
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
        /// Euler's method.
        euler: EULER as EULER;
        /// The explicit midpoint method.
        midpoint: MIDPOINT as MIDPOINT;
        /// The classical Runge–Kutta method.
        rk4: RK4 as RK4;
    }
    pairs {
        /// Heun's method 2(1), the trapezoidal rule.
        heun: HEUN as HEUN ["heun2"];
        /// Ralston's method 2(1), with the smallest error of its order.
        ralston: RALSTON as RALSTON [];
        /// Bogacki–Shampine 3(2).
        bogacki_shampine: BOGACKI_SHAMPINE as BOSH3 ["rk23", "ode23"];
        /// Dormand–Prince 5(4).
        dopri5: DOPRI5 as DOPRI5 ["rk45", "ode45"];
        /// Tsitouras 5(4).
        tsit5: TSIT5 as TSIT5 [];
        /// Dormand–Prince 8(7).
        dopri8: DOPRI8 as DOPRI8 [];
    }
}
