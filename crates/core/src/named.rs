//! Values that a configuration can name: one declaration gives the type, its names, its parameters
//! and its explanation.
//!
//! `"bridge"`, or `{ bridge = 0.2 }` · `"min-snr"`, or `{ min-snr = { gamma = 3 } }`
//!
//! [`named!`](crate::named!) declares an enum each of whose variants has a name, and
//! [`settings!`](crate::settings!) a struct of named values with defaults. Both read and write
//! themselves, check their ranges, and tell what they take ([`Setting::kind`]): whatever lists,
//! explains or refuses a value reads that.

use crate::shown::shown;
use pyroclast_kernels::{Activation, Precision};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::fmt;

/// A value that stands in a configuration.
pub trait Setting {
    /// What can stand there.
    fn kind() -> Kind;

    /// Refuses what is out of range; `key` is where the value stands.
    ///
    /// # Errors
    /// The first value that is out of range.
    fn check(&self, key: &str) -> Result<(), OutOfRange> {
        let _ = key;
        Ok(())
    }
}

/// What can stand at a place of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// An integer of at least 0.
    Integer,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list.
    List(Box<Kind>),
    /// One of these names, with its parameters.
    Choice(Vec<Choice>),
    /// These keys.
    Section(Vec<Key>),
}

/// One name of a choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The name.
    pub name: &'static str,
    /// Other names of the same.
    pub aliases: &'static [&'static str],
    /// What it is.
    pub about: &'static str,
    /// What it takes; none where the name says everything.
    pub parameters: Option<Kind>,
}

/// One key of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key, in kebab case.
    pub name: String,
    /// What it means.
    pub about: &'static str,
    /// What its value is restricted to.
    pub range: Option<&'static str>,
    /// What can stand there.
    pub kind: Kind,
}

/// Which values are allowed, and what to say about the others.
pub struct Range<T: ?Sized> {
    /// Whether a value is allowed.
    pub holds: fn(&T) -> bool,
    /// What to give instead.
    pub remedy: &'static str,
}

/// Numbers of things of which there is at least one: points, units, steps. Beyond 2²⁸, memory is
/// what fails.
pub const COUNT: Range<usize> = Range {
    holds: |n| *n >= 1 && *n <= 1 << 28,
    remedy: "give at least 1, and at most 2^28",
};

/// Finite numbers above 0.
pub const POSITIVE: Range<f64> = Range {
    holds: |v| *v > 0.0 && v.is_finite(),
    remedy: "give a positive number",
};

/// Standard deviations of noise on a signal of order 1. Beyond these, single precision loses one of
/// the two.
pub const NOISE: Range<f64> = Range {
    holds: |v| (1e-6..=1e6).contains(v),
    remedy: "give a number from 1e-6 to 1e6",
};

/// Finite numbers of at least 0.
pub const NOT_NEGATIVE: Range<f64> = Range {
    holds: |v| *v >= 0.0 && v.is_finite(),
    remedy: "give a number of at least 0",
};

/// Finite numbers.
pub const FINITE: Range<f64> = Range {
    holds: |v| v.is_finite(),
    remedy: "give a finite number",
};

/// A value that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {remedy}")]
pub struct OutOfRange {
    /// Where it stands.
    pub key: String,
    /// The value.
    pub value: String,
    /// What to give instead.
    pub remedy: String,
}

impl OutOfRange {
    /// Refuses a value that a range does not allow.
    ///
    /// # Errors
    /// If the range does not hold it.
    pub fn unless<T: fmt::Debug>(range: &Range<T>, key: &str, value: &T) -> Result<(), Self> {
        if (range.holds)(value) {
            return Ok(());
        }
        Err(Self {
            key: key.to_owned(),
            value: shown(&format!("{value:?}")),
            remedy: range.remedy.to_owned(),
        })
    }
}

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// What was to be named.
    pub what: &'static str,
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<&'static str>,
}

impl std::error::Error for UnknownName {}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, known } = self;
        write!(f, "no {what} is called `{}`; ", shown(name))?;
        if let Some(near) = nearest(name, known.iter().copied()) {
            write!(f, "did you mean `{near}`? ")?;
        }
        write!(f, "there are {}", known.join(", "))
    }
}

/// The most bytes of a name that may be a misspelt one.
const LONGEST: usize = 100;

/// The known name that a misspelt one is nearest to, if it is near: at most a third of its letters
/// are wrong.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing long is near; comparing it letter by letter would take long.
    if name.len() > LONGEST {
        return None;
    }
    let distances = known.into_iter().map(|known| (edits(name, known), known));
    let (edits, near) = distances.min_by_key(|(edits, _)| *edits)?;
    (edits <= name.chars().count().max(3) / 3).then_some(near)
}

/// The least number of letters to insert, remove or replace, or neighbours to swap, that turns one
/// word into another.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1);
            least = least.min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// `{ name = value }`, or the name alone where the value takes no parameters.
///
/// # Errors
/// Those of the serializer.
#[doc(hidden)]
pub fn write_choice<T: Serialize, S: Serializer>(
    name: &'static str,
    parameters: Option<&Kind>,
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match parameters {
        Some(Kind::Section(keys)) if keys.is_empty() => serializer.serialize_str(name),
        _ => {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(name, value)?;
            map.end()
        }
    }
}

macro_rules! leaves {
    ($($leaf:ty => $kind:expr),* $(,)?) => {
        $(impl Setting for $leaf {
            fn kind() -> Kind {
                $kind
            }
        })*
    };
}

leaves![
    bool => Kind::Flag,
    u64 => Kind::Integer,
    usize => Kind::Integer,
    f64 => Kind::Number,
    String => Kind::Text,
];

impl Setting for Activation {
    fn kind() -> Kind {
        let choice = |(name, _)| Choice {
            name,
            aliases: &[],
            about: "",
            parameters: None,
        };
        Kind::Choice(Activation::ALL.into_iter().map(choice).collect())
    }
}

impl Setting for Precision {
    fn kind() -> Kind {
        let choice = |(name, _, about)| Choice {
            name,
            aliases: &[],
            about,
            parameters: None,
        };
        Kind::Choice(Precision::ALL.into_iter().map(choice).collect())
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
}

impl<T: Setting> Setting for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }

    fn check(&self, key: &str) -> Result<(), OutOfRange> {
        self.as_ref().map_or(Ok(()), |value| value.check(key))
    }
}

/// Declares an enum whose values have names.
///
/// After the type's documentation come what a value of it is called in messages, and for each
/// variant its name, its aliases, and its parameters with their defaults and ranges. A name alone
/// stands for the variant with its defaults. Variants after `else` have no name: they cannot be
/// written to a file.
///
/// The type then has `FromStr`, `Display` (the name), serde's two traits,
/// [`Setting`](crate::named::Setting), and `names()`.
///
/// ```
/// use pyroclast_core::named;
/// use pyroclast_core::named::POSITIVE;
///
/// named! {
///     /// How much a time counts.
///     #[derive(Clone, Copy, PartialEq)]
///     pub enum Weight as "weighting" {
///         /// All times alike.
///         "uniform" => Uniform,
///         /// min(SNR, γ).
///         "min-snr" | "truncated-snr" => MinSnr {
///             /// The ceiling γ.
///             gamma: f64 = 5.0 => POSITIVE,
///         },
///         /// tᵖ.
///         "power" => Power(p: f64 = 2.0),
///     }
/// }
///
/// assert_eq!("truncated-snr".parse::<Weight>().unwrap().to_string(), "min-snr");
/// let error = "unifrom".parse::<Weight>().err().unwrap().to_string();
/// assert!(error.contains("did you mean `uniform`?"));
/// ```
#[macro_export]
macro_rules! named {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),* $(,)?)])?
        pub enum $Type:ident as $what:literal {
            $(
                $(#[doc = $about:literal])*
                $name:literal $(| $alias:literal)* => $Variant:ident
                $(($p:ident: $P:ty = $p_default:expr $(=> $p_range:expr)?))?
                $({$(
                    $(#[doc = $f_about:literal])*
                    $f:ident: $F:ty = $f_default:expr $(=> $f_range:expr)?
                ),* $(,)?})?
            ),* $(,)?
        }
        $(else {
            $(
                $(#[doc = $own_about:literal])*
                $Own:ident($O:ty)
            ),* $(,)?
        })?
    ) => {
        $(#[doc = $doc])*
        $(#[derive($($derive),*)])?
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum $Type {
            $(
                $(#[doc = $about])*
                $Variant
                $(($P))?
                $({$(
                    $(#[doc = $f_about])*
                    $f: $F
                ),*})?
            ,)*
            $($(
                $(#[doc = $own_about])*
                $Own($O),
            )*)?
        }

        impl $Type {
            /// The names, without their aliases.
            pub fn names() -> impl Iterator<Item = &'static str> {
                [$($name),*].into_iter()
            }

            /// The name; none for a value of the user's own.
            pub fn name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$Variant { .. } => Some($name),)*
                    $($(Self::$Own(_) => None,)*)?
                }
            }

            /// The value that a name stands for, with the defaults of its parameters.
            ///
            /// # Errors
            /// Where nothing has this name.
            pub fn named(name: &str) -> Result<Self, $crate::named::UnknownName> {
                match name {
                    $($name $(| $alias)* => Ok(
                        Self::$Variant $(($p_default))? $({$($f: $f_default),*})?
                    ),)*
                    _ => Err($crate::named::UnknownName {
                        what: $what,
                        name: name.to_owned(),
                        known: Self::names().collect(),
                    }),
                }
            }
        }

        impl ::std::str::FromStr for $Type {
            type Err = $crate::named::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::named(name)
            }
        }

        impl ::std::fmt::Display for $Type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.name().unwrap_or("custom"))
            }
        }

        impl $crate::named::Setting for $Type {
            fn kind() -> $crate::named::Kind {
                $crate::named::Kind::Choice(vec![$($crate::named::Choice {
                    name: $name,
                    aliases: &[$($alias),*],
                    about: concat!($($about),*).trim_ascii_start(),
                    parameters: $crate::named!(
                        @parameters
                        $(($P))?
                        $({$($(#[doc = $f_about])* $f: $F $(=> $f_range)?),*})?
                    ),
                }),*])
            }

            #[allow(unused_variables, reason = "a value may have nothing to check")]
            fn check(&self, key: &str) -> Result<(), $crate::named::OutOfRange> {
                match self {
                    $(Self::$Variant $(($p))? $({$($f),*})? => {
                        $(
                            let key = format!("{key}.{}", $name);
                            $($crate::named::OutOfRange::unless::<$P>(&$p_range, &key, $p)?;)?
                            $crate::named::Setting::check($p, &key)?;
                        )?
                        $($(
                            let field = stringify!($f).replace('_', "-");
                            let at = format!("{key}.{}.{field}", $name);
                            $($crate::named::OutOfRange::unless::<$F>(&$f_range, &at, $f)?;)?
                            $crate::named::Setting::check($f, &at)?;
                        )*)?
                        Ok(())
                    })*
                    $($(Self::$Own(_) => Ok(()),)*)?
                }
            }
        }

        impl ::serde::Serialize for $Type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$Variant $(($p))? $({$($f),*})? => $crate::named!(
                        @write serializer $name $(($p: $P))? $({$($f: $F),*})?
                    ),)*
                    $($(Self::$Own(_) => Err(::serde::ser::Error::custom(concat!(
                        "a ", $what, " of your own has no name to be written by"
                    ))),)*)?
                }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $Type {
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: ::serde::Deserializer<'de>,
            {
                struct Visitor;

                impl<'de> ::serde::de::Visitor<'de> for Visitor {
                    type Value = $Type;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str(concat!("the name of a ", $what, ", or {name = parameters}"))
                    }

                    fn visit_str<E: ::serde::de::Error>(self, name: &str) -> Result<$Type, E> {
                        $Type::named(name).map_err(E::custom)
                    }

                    fn visit_map<A>(self, mut map: A) -> Result<$Type, A::Error>
                    where
                        A: ::serde::de::MapAccess<'de>,
                    {
                        use ::serde::de::Error;
                        let none = || {
                            A::Error::custom(concat!("a ", $what, " has one name; this has none"))
                        };
                        let name: String = map.next_key()?.ok_or_else(none)?;
                        let value = match name.as_str() {
                            $($name $(| $alias)* => $crate::named!(
                                @read map $Variant $(($P))? $({$($f: $F = $f_default),*})?
                            ),)*
                            // Not a name: `named` says which there are.
                            other => $Type::named(other).map_err(A::Error::custom)?,
                        };
                        match map.next_key::<String>()? {
                            None => Ok(value),
                            Some(second) => Err(A::Error::custom(format!(
                                "a {} has one name; this has `{name}` and `{second}`", $what
                            ))),
                        }
                    }
                }

                deserializer.deserialize_any(Visitor)
            }
        }
    };

    (@parameters) => { None };
    (@parameters ($P:ty)) => { Some(<$P as $crate::named::Setting>::kind()) };
    (@parameters {$($(#[doc = $about:literal])* $f:ident: $F:ty $(=> $range:expr)?),*}) => {
        Some($crate::named::Kind::Section(vec![$($crate::named!(
            @key $(#[doc = $about])* $f: $F $(=> $range)?
        )),*]))
    };

    (@key $(#[doc = $about:literal])* $f:ident: $F:ty $(=> $range:expr)?) => {
        $crate::named::Key {
            name: stringify!($f).replace('_', "-"),
            about: concat!($($about),*).trim_ascii_start(),
            range: $crate::named!(@remedy $F $(=> $range)?),
            kind: <$F as $crate::named::Setting>::kind(),
        }
    };
    (@remedy $F:ty) => { None };
    (@remedy $F:ty => $range:expr) => {{
        let range: $crate::named::Range<$F> = $range;
        Some(range.remedy)
    }};

    (@write $serializer:ident $name:literal) => { $serializer.serialize_str($name) };
    (@write $serializer:ident $name:literal ($p:ident: $P:ty)) => {
        $crate::named::write_choice(
            $name,
            Some(&<$P as $crate::named::Setting>::kind()),
            $p,
            $serializer,
        )
    };
    (@write $serializer:ident $name:literal {$($f:ident: $F:ty),*}) => {{
        #[derive(::serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        struct Fields<'a> {
            $($f: &'a $F),*
        }
        $crate::named::write_choice($name, None, &Fields { $($f),* }, $serializer)
    }};

    (@read $map:ident $Variant:ident) => {{
        // A name without parameters may still be written as a table, an empty one.
        #[derive(::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        let Nothing {} = $map.next_value()?;
        Self::Value::$Variant
    }};
    (@read $map:ident $Variant:ident ($P:ty)) => {
        Self::Value::$Variant($map.next_value::<$P>()?)
    };
    (@read $map:ident $Variant:ident {$($f:ident: $F:ty = $default:expr),*}) => {{
        #[derive(::serde::Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        struct Fields {
            $($f: $F),*
        }
        impl Default for Fields {
            fn default() -> Self {
                Self { $($f: $default),* }
            }
        }
        let Fields { $($f),* } = $map.next_value()?;
        Self::Value::$Variant { $($f),* }
    }};
}

/// Declares a struct of named values, each with its default and its range; after `where`, rules
/// between them.
///
/// The type then has `Default`, serde's two traits with kebab-case keys that are all optional, and
/// [`Setting`](crate::named::Setting).
///
/// ```
/// use pyroclast_core::named::{Kind, POSITIVE, Setting};
/// use pyroclast_core::settings;
///
/// settings! {
///     /// A power of the time.
///     #[derive(Clone, Copy, PartialEq)]
///     pub struct Power {
///         /// The degree n.
///         degree: f64 = 2.0 => POSITIVE,
///     }
/// }
///
/// let Kind::Section(keys) = Power::kind() else { unreachable!() };
/// assert_eq!((keys[0].name.as_str(), keys[0].about), ("degree", "The degree n."));
/// let error = Power { degree: -1.0 }.check("path.power").unwrap_err();
/// assert_eq!(error.to_string(), "path.power.degree = -1.0: give a positive number");
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),* $(,)?)])?
        pub struct $Type:ident;
    ) => {
        $(#[doc = $doc])*
        $(#[derive($($derive),*)])?
        #[derive(Debug, Default, ::serde::Serialize, ::serde::Deserialize)]
        pub struct $Type;

        impl $crate::named::Setting for $Type {
            fn kind() -> $crate::named::Kind {
                $crate::named::Kind::Section(Vec::new())
            }
        }
    };
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),* $(,)?)])?
        pub struct $Type:ident {
            $(
                $(#[doc = $about:literal])*
                $f:ident: $F:ty = $default:expr $(=> $range:expr)?
            ),* $(,)?
        }
        $(where {$(
            $rule_f:ident: $rule:expr => $remedy:expr
        ),* $(,)?})?
    ) => {
        $(#[doc = $doc])*
        $(#[derive($($derive),*)])?
        #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $Type {
            $(
                $(#[doc = $about])*
                pub $f: $F
            ),*
        }

        impl Default for $Type {
            fn default() -> Self {
                Self { $($f: $default),* }
            }
        }

        impl $crate::named::Setting for $Type {
            fn kind() -> $crate::named::Kind {
                $crate::named::Kind::Section(vec![$($crate::named!(
                    @key $(#[doc = $about])* $f: $F $(=> $range)?
                )),*])
            }

            #[allow(unused_variables, reason = "a value may have nothing to check")]
            fn check(&self, key: &str) -> Result<(), $crate::named::OutOfRange> {
                $(
                    let at = format!("{key}.{}", stringify!($f).replace('_', "-"));
                    $($crate::named::OutOfRange::unless::<$F>(&$range, &at, &self.$f)?;)?
                    $crate::named::Setting::check(&self.$f, &at)?;
                )*
                $($(
                    let holds: fn(&Self) -> bool = $rule;
                    if !holds(self) {
                        return Err($crate::named::OutOfRange {
                            key: format!("{key}.{}", stringify!($rule_f).replace('_', "-")),
                            value: format!("{:?}", self.$rule_f),
                            remedy: $remedy.to_owned(),
                        });
                    }
                )*)?
                Ok(())
            }
        }
    };
}
