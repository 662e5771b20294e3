//! A method of the table, by name.

use super::option::MethodOption;
use super::{Description, Kind};
use pyroclast_core::named::{self, Choice, UnknownName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// A method of the table, by name: it dereferences to its [`Description`].
///
/// ```
/// use pyroclast_train::draw::MethodName;
///
/// let method: MethodName = "DPM++ 2M".parse()?;
/// assert_eq!(method, MethodName::DPMPP_2M);
/// assert_eq!((method.name, method.order), ("dpmpp-2m", 2.0));
/// # Ok::<(), pyroclast_core::named::UnknownName>(())
/// ```
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MethodName(pub(super) &'static Description);

impl MethodName {
    /// The methods of a kind, in the order of the table.
    pub fn of(kind: Kind) -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(move |method| method.kind == kind)
    }

    /// The names of the adaptive methods, separated by commas.
    pub(super) fn adaptive() -> String {
        joined(Self::of(Kind::AdaptiveOde), ", ")
    }

    /// The names of the methods that have an option, separated by "or".
    pub(super) fn takers(option: &MethodOption) -> String {
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

fn joined(methods: impl Iterator<Item = MethodName>, between: &str) -> String {
    let names: Vec<_> = methods.map(|method| method.name).collect();
    names.join(between)
}

impl Deref for MethodName {
    type Target = Description;

    fn deref(&self) -> &Description {
        self.0
    }
}

impl PartialEq for MethodName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MethodName {}

impl fmt::Debug for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
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
