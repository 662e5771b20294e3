//! Variants of presets: a method of training, as what it changes in a configuration.

use super::preset::{Preset, presets, shipped};
use include_dir::{Dir, include_dir};
use std::sync::LazyLock;
use toml::{Table, Value};

/// What stands for the name of the preset in the text of a variant.
const PRESET: &str = "PRESET";

/// Settings that ship with the library and go over those of a preset, to train its data by another
/// method: `moons-mean-flow` is the preset `moons` with the variant `mean-flow`.
///
/// It may be given with any preset, and is an error of the setting at fault where it does not fit.
///
/// ```
/// use pyroclast_train::config::{Config, variants};
///
/// let config = Config::load("moons-reflow", &[])?;
/// assert_eq!(config.few_step.teacher, "runs/moons");
/// let reflow = variants().iter().find(|variant| variant.name == "reflow");
/// assert!(reflow.is_some_and(|variant| variant.presets.contains(&"moons".to_owned())));
/// # Ok::<(), pyroclast_train::config::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The name, which follows that of a preset and a hyphen.
    pub name: String,
    /// The method, in words that follow "by".
    pub about: String,
    /// The presets that it is made for.
    pub presets: Vec<String>,
    text: String,
}

/// The folder of variants: a file there is a variant.
static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets/variants");

/// All variants, in the order of their names.
pub fn variants() -> &'static [Variant] {
    static VARIANTS: LazyLock<Vec<Variant>> = LazyLock::new(|| {
        let variant = |(name, text): (&str, &str)| {
            let table = table(text);
            let names = table["presets"].as_array().into_iter().flatten();
            Variant {
                name: name.to_owned(),
                about: word(&table["about"]).to_owned(),
                presets: names.map(|name| word(name).to_owned()).collect(),
                text: text.to_owned(),
            }
        };
        shipped(&FOLDER).map(variant).collect()
    });
    &VARIANTS
}

impl Variant {
    /// The preset and the variant in a name such as `moons-mean-flow`.
    pub(super) fn split(name: &str) -> Option<(&'static Preset, &'static Self)> {
        variants().iter().find_map(|variant| {
            let preset = name.strip_suffix(&variant.name)?.strip_suffix('-')?;
            let mut presets = presets().iter();
            Some((presets.find(|known| known.name == preset)?, variant))
        })
    }

    /// A preset with these settings in place of its own, under both names.
    pub(super) fn over(&self, preset: &Preset) -> Preset {
        let mut merged = table(&preset.text);
        let mut own = table(&self.text.replace(PRESET, &preset.name));
        own.remove("presets");
        let about = format!("{}, by {}", word(&merged["about"]), word(&own["about"]));
        own.insert("about".to_owned(), about.into());
        merge(&mut merged, own);
        Preset {
            name: format!("{}-{}", preset.name, self.name),
            text: toml::to_string(&merged).expect("tables of plain values"),
        }
    }
}

/// Sets the values of a table in another; tables in both are merged likewise.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn table(text: &str) -> Table {
    text.parse().expect("what ships with the library is TOML")
}

fn word(value: &Value) -> &str {
    value.as_str().expect("what ships with the library is text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_task_of_the_benchmark_has_every_method() {
        assert_eq!(variants().len(), 6);
        let mut seen = Vec::new();
        for variant in variants() {
            assert_eq!(variant.presets.len(), 4, "{}", variant.name);
            for name in &variant.presets {
                let plain = Config::load(name, &[]).expect(name);
                let full = format!("{name}-{}", variant.name);
                let config = Config::load(&full, &[]).expect(&full);
                // The task, the network and its training stay, and the method is another one.
                assert_eq!(config.data, plain.data, "{full}");
                assert_eq!(config.path.source, plain.path.source, "{full}");
                assert_eq!(config.network, plain.network, "{full}");
                assert_eq!(config.training, plain.training, "{full}");
                let about = config.about.strip_prefix(&plain.about).expect(&full);
                assert_eq!(
                    about,
                    format!(", by {}", variant.about.replace(PRESET, name))
                );
                let taught = config.few_step.method.needs_teacher();
                let teacher = format!("runs/{name}");
                assert_eq!(config.few_step.teacher == teacher, taught, "{full}");
                let again = Config::parse(&config.to_toml(), &full, &[]).expect(&full);
                assert_eq!(config, again, "{full}");
                for other in [&plain, &config] {
                    assert!(!seen.contains(other) || *other == plain, "{full}");
                }
                seen.extend([plain, config]);
            }
        }
    }

    #[test]
    fn tables_are_merged_and_values_replaced() {
        let mut into = table("a = 1\nb = 2\n[c]\nd = 3\ne = { f = 4 }\n");
        merge(
            &mut into,
            table("b = { g = 5 }\n[c]\ne = { h = 6 }\ni = 7\n"),
        );
        let merged = "a = 1\nb = { g = 5 }\nc = { d = 3, e = { f = 4, h = 6 }, i = 7 }\n";
        assert_eq!(into, table(merged));
    }

    #[test]
    fn a_variant_that_does_not_fit_is_an_error_of_the_setting() {
        let error = |name: &str| Config::load(name, &[]).expect_err(name).to_string();
        let message = error("digits-edm-shortcut");
        assert!(message.contains("objective.prediction = edm"), "{message}");
        let message = error("digits-ddpm-sf2m");
        assert!(message.contains("objective.variance = hybrid"), "{message}");
    }
}
