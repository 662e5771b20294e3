//! What an entry of the table of methods consists of, and how a method that is chosen at run time
//! samples a model.
//!
//! A room such as [`sampler`](crate::sampler) declares its files and describes their methods in one
//! list; the [`table`](crate::table) joins the rooms.

mod cost;
mod description;
mod error;
mod method_name;
pub mod option;
mod own_method;
mod sampled_field;
mod sampling_method;
mod settings;

pub use cost::Cost;
pub(crate) use description::PLAIN;
pub use description::{Description, Kind, Requirements};
pub use error::MethodError;
pub use method_name::MethodName;
pub use option::{MethodOption, Options, Setting};
pub use own_method::OwnMethod;
pub use sampled_field::{ByReference, Field, SampledField};
pub use sampling_method::{Described, SamplingMethod, Solve, Solved, Times};
pub use settings::Settings;

/// The files of a room with what they export, and the methods in them.
///
/// `mod file: Export, Export;` declares a file. After it stand its methods, if it has any:
/// `NAME: Kind { fields, ..base } maker;`, where the comment above is what help says about it.
macro_rules! methods {
    ($(
        mod $file:ident: $($Export:ident),+;
        $(
            #[doc = $about:literal]
            $id:ident: $kind:ident { $($field:ident: $value:expr,)* ..$base:expr } $make:expr;
        )*
    )*) => {
        $(
            mod $file;
            pub use $file::{$($Export),+};
        )*

        impl $crate::entry::MethodName {
            $($(
                #[doc = $about]
                pub const $id: Self = {
                    #[allow(clippy::needless_update, reason = "an entry may set every field")]
                    static DESCRIPTION: $crate::entry::Description = $crate::entry::Description {
                        about: $about,
                        kind: $crate::entry::Kind::$kind,
                        $($field: $value,)*
                        ..$base
                    };
                    Self(&DESCRIPTION)
                };
            )*)*
        }

        /// The methods of this room.
        pub(crate) const METHODS: &[$crate::entry::MethodName] =
            &[$($($crate::entry::MethodName::$id,)*)*];

        /// The requirements of a method of this room.
        pub(crate) fn requirements(
            name: $crate::entry::MethodName,
            settings: &$crate::entry::Settings<'_>,
        ) -> Option<$crate::entry::Requirements> {
            $($(if name == $crate::entry::MethodName::$id {
                let method = $crate::entry::made(settings, $make);
                return Some($crate::entry::methods!(@requirements $kind, name.name, method));
            })*)*
            None
        }

        /// Solves by a method of this room.
        pub(crate) fn solve<B: burn::tensor::backend::Backend, const D: usize>(
            name: $crate::entry::MethodName,
            solve: $crate::entry::Solve<'_, '_, B, D>,
        ) -> Result<$crate::entry::Solved<B, D>, $crate::entry::MethodError> {
            $($(if name == $crate::entry::MethodName::$id {
                let method = $crate::entry::made(solve.settings, $make);
                return $crate::entry::methods!(@solve $kind, solve, method);
            })*)*
            unreachable!("{name} is no method of this room")
        }
    };
    (@requirements Sampler, $name:expr, $method:ident) => {
        $crate::entry::Requirements::of_sampler($name, &$method)
    };
    (@requirements Sde, $name:expr, $method:ident) => {
        $crate::entry::Requirements::of_velocity($name, $method.noise_level > 0.0)
    };
    (@requirements FlowMap, $name:expr, $method:ident) => {
        $crate::entry::Requirements::of_flow_map($name, $method.adds_noise())
    };
    (@requirements $ode:ident, $name:expr, $method:ident) => {{
        let _ = $method;
        $crate::entry::Requirements::of_velocity($name, false)
    }};
    (@solve AdaptiveOde, $solve:ident, $method:ident) => { $solve.adaptive(&$method) };
    (@solve $fixed:ident, $solve:ident, $method:ident) => { $solve.fixed(&$method) };
}
pub(crate) use methods;

/// The method that an entry's closure makes. It tells the compiler the type of the closure.
pub(crate) fn made<M>(settings: &Settings<'_>, make: impl Fn(&Settings<'_>) -> M) -> M {
    make(settings)
}
