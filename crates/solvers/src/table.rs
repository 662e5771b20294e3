//! The table of methods: the entries of all rooms, and how a name finds its own.
//!
//! Each room lists its methods: [`tableau`], [`sde`], [`sampler`] and [`flow_map`]. An entry of a
//! room declares the method's file, what the file exports, and a description with a closure that makes the
//! method. Parsing, help, error messages and documentation are all printed from it.

use crate::entry::option::MethodOption;
use crate::entry::{
    Described, Description, Kind, MethodError, Requirements, SamplingMethod, Settings, Solve,
    Solved,
};
use crate::{flow_map, sampler, sde, tableau};
use burn::tensor::backend::Backend;
use pyroclast_core::named::{self, Choice, UnknownName};
use std::str::FromStr;

pub use crate::entry::MethodName;

/// The rooms, in the order in which their methods are listed.
macro_rules! rooms {
    ($($room:ident),*) => {
        const ROOMS: &[&[MethodName]] = &[$($room::METHODS),*];

        impl Described for MethodName {
            fn description(&self) -> &Description {
                self
            }

            fn requirements(&self, settings: &Settings<'_>) -> Requirements {
                $(if let Some(requirements) = $room::requirements(*self, settings) {
                    return requirements;
                })*
                unreachable!("a name is made by a room alone")
            }
        }

        impl<B: Backend, const D: usize> SamplingMethod<B, D> for MethodName {
            fn solve(&self, solve: Solve<'_, '_, B, D>) -> Result<Solved<B, D>, MethodError> {
                $(if $room::METHODS.contains(self) {
                    return $room::solve(*self, solve);
                })*
                unreachable!("a name is made by a room alone")
            }
        }
    };
}

rooms! { tableau, sde, sampler, flow_map }

/// The number of methods in all rooms.
const COUNT: usize = {
    let (mut count, mut room) = (0, 0);
    while room < ROOMS.len() {
        count += ROOMS[room].len();
        room += 1;
    }
    count
};

/// The methods of all rooms, one after another.
const METHODS: [MethodName; COUNT] = {
    let mut methods = [ROOMS[0][0]; COUNT];
    let (mut next, mut room) = (0, 0);
    while room < ROOMS.len() {
        let mut i = 0;
        while i < ROOMS[room].len() {
            methods[next] = ROOMS[room][i];
            next += 1;
            i += 1;
        }
        room += 1;
    }
    methods
};

impl MethodName {
    /// All methods, in the order of the rooms.
    pub const ALL: &'static [Self] = &METHODS;

    /// The methods of a kind, in the order of the table.
    pub fn of(kind: Kind) -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(move |method| method.kind == kind)
    }

    /// The methods that sample models of any prediction: all but those along a learned flow map.
    pub fn for_any_model() -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|method| method.kind != Kind::FlowMap)
    }

    /// The names of the adaptive methods, separated by commas.
    pub fn adaptive() -> String {
        joined(Self::of(Kind::AdaptiveOde), ", ")
    }

    /// The names of the methods that have an option, separated by "or".
    pub fn takers(option: &MethodOption) -> String {
        let takes = |method: &Self| method.options.iter().any(|s| s.option.name == option.name);
        joined(Self::ALL.iter().copied().filter(takes), " or ")
    }

    /// The options of all methods, each once.
    pub fn all_options() -> Vec<&'static MethodOption> {
        let mut options: Vec<&MethodOption> = Vec::new();
        for setting in Self::ALL.iter().flat_map(|method| method.options) {
            if !options
                .iter()
                .any(|option| option.name == setting.option.name)
            {
                options.push(setting.option);
            }
        }
        options
    }
}

/// The names of methods in a row.
fn joined(methods: impl Iterator<Item = MethodName>, between: &str) -> String {
    let names: Vec<_> = methods.map(|method| method.name).collect();
    names.join(between)
}

/// A name without the differences of spelling: `DPM++ 2M` and `dpmpp_2m` are `dpmpp-2m`.
fn spelling(name: &str) -> String {
    let name = name.to_lowercase().replace("++", "pp");
    name.replace(['-', '_', ' '], "")
}

impl FromStr for MethodName {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let asked = spelling(name);
        let is_asked = |method: &&Self| {
            let mut names = [method.name]
                .into_iter()
                .chain(method.aliases.iter().copied());
            names.any(|name| spelling(name) == asked)
        };
        let found = Self::ALL.iter().find(is_asked).copied();
        found.ok_or_else(|| UnknownName {
            what: "method",
            name: name.to_owned(),
            known: Self::ALL.iter().map(|method| method.name).collect(),
        })
    }
}

impl TryFrom<String> for MethodName {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

impl From<MethodName> for String {
    fn from(method: MethodName) -> Self {
        method.name.to_owned()
    }
}

impl named::Setting for MethodName {
    fn kind() -> named::Kind {
        let choice = |method: &Self| Choice {
            name: method.name,
            aliases: method.aliases,
            about: method.about,
            parameters: None,
        };
        named::Kind::Choice(Self::ALL.iter().map(choice).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_alias_names_one_method() {
        let mut seen: Vec<String> = Vec::new();
        for &method in MethodName::ALL {
            for name in [method.name].iter().chain(method.aliases) {
                assert_eq!(name.parse(), Ok(method), "{name}");
                assert!(
                    !seen.contains(&spelling(name)),
                    "{name} is twice in the table"
                );
                seen.push(spelling(name));
            }
            let json = serde_json::to_string(&method).expect("a word");
            assert_eq!(json, format!("\"{method}\""));
        }
        for (name, method) in [
            ("euler_a", MethodName::EULER_ANCESTRAL),
            ("dpm++2m", MethodName::DPMPP_2M),
            ("DPM++ 2M SDE", MethodName::DPMPP_SDE),
        ] {
            assert_eq!(name.parse(), Ok(method));
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest_one() {
        let error = "eular".parse::<MethodName>().expect_err("no method");
        let error = error.to_string();
        let start = "no method is called `eular`; did you mean `euler`? there are euler, midpoint";
        assert!(error.starts_with(start), "{error}");
    }
}
