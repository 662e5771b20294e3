//! The configuration beside the weights: a JSON object of another project.

use crate::error::WeightsError;
use serde_json::Value;
use std::path::Path;

/// A JSON object with the arguments of another project's network. A key that is absent, or `null`,
/// takes the default of that project.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config(serde_json::Map<String, Value>);

/// Keys with their values.
impl<K: Into<String>> FromIterator<(K, Value)> for Config {
    fn from_iter<T: IntoIterator<Item = (K, Value)>>(pairs: T) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(key, value)| (key.into(), value)).collect())
    }
}

impl Config {
    /// The configuration in this text.
    ///
    /// # Errors
    /// [`WeightsError::Config`] if it is not a JSON object.
    pub fn parse(text: &str) -> Result<Self, WeightsError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(WeightsError::Config {
                reason: "it is another value".into(),
            }),
            Err(error) => Err(WeightsError::Config {
                reason: error.to_string(),
            }),
        }
    }

    /// The configuration in a file.
    ///
    /// # Errors
    /// [`WeightsError::Read`] and those of [`Config::parse`].
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let text = std::fs::read_to_string(path).map_err(|source| WeightsError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// The configuration as text, on one line.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// All keys with their values.
    pub fn map(&self) -> &serde_json::Map<String, Value> {
        &self.0
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key, unless it is `null`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Whether a key has the value `null`, which is not the same as its absence everywhere.
    pub fn is_null(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(Value::is_null)
    }

    /// A number of things.
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is not such a number.
    pub fn count(&self, key: &str) -> Result<Option<usize>, WeightsError> {
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        self.typed(key, "give a number of at least 0", number)
    }

    /// A number of things, where a negative one stands for "not given".
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is not a whole number.
    pub fn count_or_negative(&self, key: &str) -> Result<Option<usize>, WeightsError> {
        let number = self.typed(key, "give a whole number", Value::as_i64)?;
        Ok(number.and_then(|n| usize::try_from(n).ok()))
    }

    /// Numbers of things.
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is not a list of them.
    pub fn counts(&self, key: &str) -> Result<Option<Vec<usize>>, WeightsError> {
        self.typed(key, "give a list of numbers", |value| {
            let list = value.as_array()?.iter();
            list.map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok()))
                .collect()
        })
    }

    /// A number.
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is not a number.
    pub fn number(&self, key: &str) -> Result<Option<f64>, WeightsError> {
        self.typed(key, "give a number", Value::as_f64)
    }

    /// True or false.
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is neither.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, WeightsError> {
        self.typed(key, "give true or false", Value::as_bool)
    }

    /// A text.
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is no text.
    pub fn text(&self, key: &str) -> Result<Option<&str>, WeightsError> {
        self.typed(key, "give a text", Value::as_str)
    }

    /// Texts.
    ///
    /// # Errors
    /// [`WeightsError::Setting`] if the value is not a list of texts.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, WeightsError> {
        self.typed(key, "give a list of texts", |value| {
            value.as_array()?.iter().map(Value::as_str).collect()
        })
    }

    /// The error that this key cannot have its value.
    pub fn refuse(&self, key: &str, remedy: impl Into<String>) -> WeightsError {
        WeightsError::Setting {
            key: key.to_owned(),
            value: self.0.get(key).map_or("null".into(), Value::to_string),
            remedy: remedy.into(),
        }
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        remedy: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, WeightsError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.refuse(key, remedy)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_type_and_wrong_ones_are_named() {
        let config = Config::parse(
            r#"{"n": 3, "minus": -1, "list": [1, 2], "on": true, "name": "x", "none": null,
                "names": ["a"], "half": 0.5}"#,
        )
        .expect("an object");
        assert_eq!(config.count("n").expect("a count"), Some(3));
        assert_eq!(config.count("none").expect("absent"), None);
        assert_eq!(config.count_or_negative("minus").expect("whole"), None);
        assert_eq!(config.count_or_negative("n").expect("whole"), Some(3));
        assert_eq!(config.counts("list").expect("a list"), Some(vec![1, 2]));
        assert_eq!(config.flag("on").expect("a flag"), Some(true));
        assert_eq!(config.text("name").expect("a text"), Some("x"));
        assert_eq!(config.texts("names").expect("texts"), Some(vec!["a"]));
        assert_eq!(config.number("half").expect("a number"), Some(0.5));
        let error = config.count("minus").expect_err("negative").to_string();
        assert!(
            error.contains("minus = -1") && error.contains("at least 0"),
            "{error}"
        );
        let error = Config::parse("[1]").expect_err("a list").to_string();
        assert!(error.contains("not a JSON object"), "{error}");
    }
}
