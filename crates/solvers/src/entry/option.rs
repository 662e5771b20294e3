//! The options of methods. Each option is described once, here.
//!
//! The entry of a method lists its options, with their default and range: `ETA.or(0.0).up_to(1.0)`.

use pyroclast_core::ddpm::Variance;
use pyroclast_core::named::UnknownName;
use std::fmt;

/// An option that one or more methods have, such as [`ETA`].
#[derive(Debug, PartialEq)]
pub struct MethodOption {
    /// The name, in lower case with dashes.
    pub name: &'static str,
    /// The placeholder for its value in help texts.
    pub symbol: &'static str,
    /// One line about its effect.
    pub about: &'static str,
    /// The type of its values.
    pub values: Values,
}

/// The type of an option's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// Real numbers.
    Numbers,
    /// Whole numbers.
    Whole,
    /// One of these words.
    Words(&'static [&'static str]),
}

/// The variance that a value of [`VARIANCE`] names; `None` for any other value.
pub fn variance(value: Value) -> Option<Variance> {
    match value {
        Value::Word(word) => word.parse().ok(),
        Value::Number(_) => None,
    }
}

/// A value of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A number, real or whole.
    Number(f64),
    /// A word of [`Values::Words`].
    Word(&'static str),
}

/// η: the noise of each step, relative to DDPM's.
pub static ETA: MethodOption = MethodOption {
    name: "eta",
    symbol: "ETA",
    about: "Noise of each step: 0 adds none, 1 as much as ddpm.",
    values: Values::Numbers,
};

/// S_churn: the noise that is added before each step and removed by it.
pub static CHURN: MethodOption = MethodOption {
    name: "churn",
    symbol: "S",
    about: "Noise that is added before each step and removed by it, summed over all steps \
            (S_churn); useful up to about 80.",
    values: Values::Numbers,
};

/// The order of a multistep method.
pub static ORDER: MethodOption = MethodOption {
    name: "order",
    symbol: "P",
    about: "Order of a multistep method: the number of evaluations that each step combines.",
    values: Values::Whole,
};

/// The variance of DDPM's step, `small` or `large`.
pub static VARIANCE: MethodOption = MethodOption {
    name: "variance",
    symbol: "VARIANCE",
    about: "Variance of each step, in place of the configuration's.",
    values: Values::Words(&["small", "large"]),
};

/// The number of Langevin steps of the corrector.
pub static CORRECTOR_STEPS: MethodOption = MethodOption {
    name: "corrector-steps",
    symbol: "N",
    about: "Langevin steps after each step of the predictor.",
    values: Values::Whole,
};

/// The signal-to-noise ratio of the corrector.
pub static CORRECTOR_RATIO: MethodOption = MethodOption {
    name: "corrector-ratio",
    symbol: "R",
    about: "Signal-to-noise ratio of a Langevin step.",
    values: Values::Numbers,
};

/// Whether a multistep method lowers its order over the last steps.
pub static TAPER: MethodOption = MethodOption {
    name: "taper",
    symbol: "WHEN",
    about: "When the order falls to 1 over the last steps: always, never, or with few steps (fewer \
            than 15).",
    values: Values::Words(&["few", "always", "never"]),
};

/// The output that PNDM averages, `noise` or `v`.
pub static AVERAGED: MethodOption = MethodOption {
    name: "averaged",
    symbol: "OUTPUT",
    about: "Output that is averaged over evaluations: the noise, or v, as diffusers does for models \
            that predict v.",
    values: Values::Words(&["noise", "v"]),
};

/// The factor c in the noise `g_t = c·σ_t` of the SDE, or `c·s` for bridges of diffusion s.
pub static NOISE_LEVEL: MethodOption = MethodOption {
    name: "noise-level",
    symbol: "G",
    about: "Noise of the SDE, g = G·σ(t), or G·s for a model that has learned the score of bridges of \
            diffusion s; with enough steps every G gives the same distribution.",
    values: Values::Numbers,
};

impl MethodOption {
    /// The option with a default, and values of 0 or more.
    pub(crate) const fn or(&'static self, default: f64) -> Setting {
        Setting {
            option: self,
            default: Some(Value::Number(default)),
            range: (0.0, f64::INFINITY),
        }
    }

    /// The option without a default: the model decides unless it is set.
    pub(crate) const fn or_the_models(&'static self) -> Setting {
        Setting {
            option: self,
            default: None,
            range: (0.0, f64::INFINITY),
        }
    }

    /// The option with a word as its default.
    pub(crate) const fn or_word(&'static self, default: &'static str) -> Setting {
        Setting {
            option: self,
            default: Some(Value::Word(default)),
            range: (0.0, f64::INFINITY),
        }
    }

    /// Parses a value of the option.
    ///
    /// # Errors
    /// A message if the text is not a value of the right type.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        match self.values {
            Values::Numbers => {
                (text.parse().map(Value::Number)).map_err(|_| format!("`{text}` is not a number"))
            }
            Values::Whole => (text.parse::<u32>())
                .map(|number| Value::Number(f64::from(number)))
                .map_err(|_| format!("`{text}` is not a whole number")),
            Values::Words(words) => (words.iter().find(|word| **word == text))
                .map(|word| Value::Word(word))
                .ok_or_else(|| {
                    let (what, name) = (self.name, text.to_owned());
                    let known = words.to_vec();
                    UnknownName { what, name, known }.to_string()
                }),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// An option of a particular method, with the default and the range that the method gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// The option.
    pub option: &'static MethodOption,
    /// The default; `None` if the model decides.
    pub default: Option<Value>,
    /// The least and the largest number that the method accepts.
    pub range: (f64, f64),
}

impl Setting {
    /// The same with this largest number.
    pub(crate) const fn up_to(mut self, most: f64) -> Self {
        self.range.1 = most;
        self
    }

    /// The same with this least number.
    pub(crate) const fn from(mut self, least: f64) -> Self {
        self.range.0 = least;
        self
    }

    /// The values that the method accepts, in words.
    pub fn range(&self) -> String {
        match (self.option.values, self.range) {
            (Values::Words([others @ .., second, last]), _) if !others.is_empty() => {
                format!("{}, {second} or {last}", others.join(", "))
            }
            (Values::Words(words), _) => words.join(" or "),
            (_, (least, most)) if most.is_finite() => format!("{least} to {most}"),
            (_, (least, _)) => format!("{least} or more"),
        }
    }

    pub(super) fn takes(&self, value: Value) -> bool {
        match (self.option.values, value) {
            (Values::Words(words), Value::Word(word)) => words.contains(&word),
            (Values::Words(_), Value::Number(_)) | (_, Value::Word(_)) => false,
            (values, Value::Number(number)) => {
                let (least, most) = self.range;
                let is_whole = values != Values::Whole || number.fract() == 0.0;
                number.is_finite() && least <= number && number <= most && is_whole
            }
        }
    }
}

/// `eta = 0 (0 to 1)`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.option.name)?;
        if let Some(default) = self.default {
            write!(f, " = {default}")?;
        }
        write!(f, " ({})", self.range())
    }
}

/// Values of options; an option that is not set has the method's default.
///
/// ```
/// use pyroclast_solvers::entry::option::{self, Options};
/// use pyroclast_solvers::table::MethodName;
///
/// let mut options = Options::default();
/// options.set(&option::ETA, 0.5);
/// assert!(MethodName::DDIM.check(&options).is_ok());
///
/// options.set(&option::CHURN, 2.0);
/// let error = MethodName::DDIM.check(&options).unwrap_err().to_string();
/// assert!(error.starts_with("ddim has no option churn"), "{error}");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options(Vec<(&'static MethodOption, Value)>);

impl Options {
    /// Sets an option to a number.
    pub fn set(&mut self, option: &'static MethodOption, number: f64) {
        self.set_value(option, Value::Number(number));
    }

    /// Sets an option to a value.
    pub fn set_value(&mut self, option: &'static MethodOption, value: Value) {
        self.0.retain(|(other, _)| other.name != option.name);
        self.0.push((option, value));
    }

    /// Every option that is set, with its value.
    pub(super) fn set_values(&self) -> impl Iterator<Item = (&'static MethodOption, Value)> {
        self.0.iter().copied()
    }

    /// The value of an option, if it is set.
    pub fn get(&self, option: &MethodOption) -> Option<Value> {
        let mut found = self.0.iter().filter(|(other, _)| other.name == option.name);
        found.next().map(|(_, value)| *value)
    }

    /// Removes an option, and returns its value if it was set.
    pub fn take(&mut self, option: &MethodOption) -> Option<Value> {
        let value = self.get(option);
        self.0.retain(|(other, _)| other.name != option.name);
        value
    }
}
