//! The part of a checkpoint that holds the weights that are wanted.

use crate::error::WeightsError;
use pyroclast_core::shown::shown;
use std::path::Path;

/// Names of parts, those that are preferred first: averages, then the weights of the last step.
const PREFERRED: &[&str] = &[
    "ema_model",
    "ema",
    "model_ema",
    SHADOW,
    "net_model",
    "model",
    "state_dict",
    "net",
    "module",
];
/// Averages by number, in the order of the parameters of the `model` beside them.
const SHADOW: &str = "shadow_params";
/// Prefixes of all keys that wrappers add: of several devices, of compilation, of a preconditioner.
const PREFIXES: &[&str] = &["module.", "_orig_mod.", "model."];

/// A named part of a file; without a name if it is the only one.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) name: String,
    /// In the order of the file.
    pub(super) entries: Vec<(String, T)>,
}

/// The part that is wanted.
#[derive(Debug)]
pub(super) struct Chosen<T> {
    pub(super) entries: Vec<(String, T)>,
    /// Its name, if there are others.
    pub(super) part: String,
    pub(super) others: Vec<String>,
}

/// Chooses a part, and strips the prefixes that all of its keys have.
pub(super) fn choose<T>(
    path: &Path,
    parts: Vec<Part<T>>,
    wanted: Option<&str>,
) -> Result<Chosen<T>, WeightsError> {
    let parts = { parts.into_iter() }.flat_map(|part| split(part, wanted));
    let mut parts: Vec<Part<T>> = parts.filter(|part| !part.entries.is_empty()).collect();
    let place = |name: &str| parts.iter().position(|part| part.name == name);
    let found = match (wanted, parts.len()) {
        (Some(name), _) => place(name),
        (None, 1) => Some(0),
        (None, _) => PREFERRED.iter().find_map(|name| place(name)),
    };
    let Some(found) = found else {
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        return Err(WeightsError::NoWeights {
            path: path.display().to_string(),
            under: wanted.map_or(String::new(), |name| format!(" under {name:?}")),
            found: match &names[..] {
                [] => "no tensor of real numbers".to_owned(),
                [""] => "one set of weights without a name".to_owned(),
                names => shown(&format!("the parts {}", names.join(", "))),
            },
        });
    };
    let chosen = parts.remove(found);
    Ok(Chosen {
        entries: without_prefixes(chosen.entries),
        part: if parts.is_empty() {
            String::new()
        } else {
            chosen.name
        },
        others: parts.into_iter().map(|part| part.name).collect(),
    })
}

/// The parts within a part: those that the beginnings of its keys name, or itself.
fn split<T>(part: Part<T>, wanted: Option<&str>) -> Vec<Part<T>> {
    let head = |key: &str| key.split_once('.').map(|(head, _)| head.to_owned());
    let has = |name: &str| {
        part.entries
            .iter()
            .any(|(key, _)| head(key).as_deref() == Some(name))
    };
    let is_part = |name: &str| PREFERRED.contains(&name) || wanted == Some(name);
    // Averages by number: the k-th belongs to the k-th key of the model.
    if has(SHADOW) && has("model") {
        let mut model = Vec::new();
        let mut shadow = Vec::new();
        for (key, value) in part.entries {
            if let Some(key) = key.strip_prefix("model.") {
                model.push((key.to_owned(), value));
            } else if let Some(k) = key
                .strip_prefix(SHADOW)
                .and_then(|rest| rest.strip_prefix('.'))
            {
                shadow.push((k.parse::<usize>().unwrap_or(usize::MAX), value));
            }
        }
        shadow.sort_by_key(|(k, _)| *k);
        let named = model.iter().zip(shadow);
        let averages = named
            .map(|((key, _), (_, value))| (key.clone(), value))
            .collect();
        return vec![
            Part {
                name: SHADOW.to_owned(),
                entries: averages,
            },
            Part {
                name: "model".to_owned(),
                entries: model,
            },
        ];
    }
    let named = |(key, _): &(String, T)| head(key).is_some_and(|name| is_part(&name));
    if !part.name.is_empty() || !part.entries.iter().all(named) {
        return vec![part];
    }
    let mut parts: Vec<Part<T>> = Vec::new();
    for (key, value) in part.entries {
        let (name, rest) = key.split_once('.').expect("the beginning is a part's name");
        let place = parts.iter().position(|part| part.name == name);
        let place = place.unwrap_or_else(|| {
            parts.push(Part {
                name: name.to_owned(),
                entries: Vec::new(),
            });
            parts.len() - 1
        });
        parts[place].entries.push((rest.to_owned(), value));
    }
    parts
}

fn without_prefixes<T>(mut entries: Vec<(String, T)>) -> Vec<(String, T)> {
    let common = |entries: &[(String, T)]| {
        let all = |prefix: &&&str| entries.iter().all(|(key, _)| key.starts_with(**prefix));
        PREFIXES.iter().find(all).map(|prefix| prefix.len())
    };
    while let Some(length) = common(&entries).filter(|_| !entries.is_empty()) {
        for (key, _) in &mut entries {
            key.drain(..length);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, keys: &[&str]) -> Part<usize> {
        let entries = keys
            .iter()
            .enumerate()
            .map(|(i, key)| ((*key).to_owned(), i));
        Part {
            name: name.to_owned(),
            entries: entries.collect(),
        }
    }

    fn chosen(parts: Vec<Part<usize>>, wanted: Option<&str>) -> Chosen<usize> {
        choose(Path::new("x"), parts, wanted).expect("a part")
    }

    #[test]
    fn averages_are_preferred_and_prefixes_stripped() {
        let parts = || {
            vec![
                part("net_model", &["module.a"]),
                part("ema_model", &["module.a", "module.b"]),
            ]
        };
        let ema = chosen(parts(), None);
        assert_eq!(ema.part, "ema_model");
        assert_eq!(ema.others, ["net_model"]);
        assert_eq!(ema.entries, [("a".into(), 0), ("b".into(), 1)]);
        assert_eq!(chosen(parts(), Some("net_model")).entries.len(), 1);
        let error = choose(Path::new("x"), parts(), Some("other")).expect_err("no such part");
        assert!(
            error.to_string().contains("the parts net_model, ema_model"),
            "{error}"
        );
    }

    #[test]
    fn parts_of_a_flat_file_are_the_beginnings_of_its_keys() {
        let flat = chosen(vec![part("", &["model.a", "ema.a", "ema.b"])], None);
        assert_eq!(flat.part, "ema");
        assert_eq!(flat.entries, [("a".into(), 1), ("b".into(), 2)]);
        let one = chosen(vec![part("", &["time.a", "model.b"])], None);
        assert_eq!((one.part.as_str(), one.entries.len()), ("", 2));
    }

    #[test]
    fn averages_by_number_get_the_keys_of_the_model() {
        let keys = [
            "shadow_params.10",
            "shadow_params.2",
            "model.x",
            "model.y",
            "num_updates",
        ];
        let ema = chosen(vec![part("model", &keys)], None);
        assert_eq!(ema.entries, [("x".into(), 1), ("y".into(), 0)]);
        let last = chosen(vec![part("model", &keys)], Some("model"));
        assert_eq!(last.entries, [("x".into(), 2), ("y".into(), 3)]);
    }

    #[test]
    fn a_file_without_tensors_has_no_weights() {
        let error = choose(Path::new("x"), vec![part("model", &[])], None).expect_err("none");
        assert!(error.to_string().contains("no tensor"), "{error}");
    }
}
