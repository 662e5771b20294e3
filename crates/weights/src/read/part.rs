//! The part of a checkpoint that holds the weights that are wanted.

use crate::array::{Precision, Tensors};
use crate::config::Config;
use crate::error::WeightsError;
use crate::read::Checkpoint;
use std::collections::BTreeMap;
use std::path::Path;

/// Names of parts, those that are preferred first: averages, then the weights of the last step.
const PREFERRED: &[&str] = &[
    "ema_model",
    "ema",
    "model_ema",
    "net_model",
    "model",
    "state_dict",
    "net",
    "module",
];

/// Prefixes of all keys that wrappers add: of several devices, of compilation, of a preconditioner.
const PREFIXES: &[&str] = &["module.", "_orig_mod.", "model."];

/// The wanted part of a file of tensors, in which parts are prefixes up to the first dot.
pub(super) fn choose(
    path: &Path,
    tensors: Tensors,
    precision: Precision,
    config: Config,
    part: Option<&str>,
) -> Result<Checkpoint, WeightsError> {
    let mut parts: BTreeMap<String, Tensors> = BTreeMap::new();
    let several = {
        let heads: Vec<&str> = (tensors.keys())
            .filter_map(|key| key.split_once('.').map(|(head, _)| head))
            .collect();
        let known = |head: &str| PREFERRED.contains(&head) || part == Some(head);
        !heads.is_empty() && tensors.len() == heads.len() && heads.iter().all(|head| known(head))
    };
    if several {
        for (key, tensor) in tensors {
            let (head, rest) = key.split_once('.').expect("every key has a dot");
            let part = parts.entry(head.to_owned()).or_default();
            part.insert(rest.to_owned(), tensor);
        }
    } else {
        parts.insert(String::new(), tensors);
    }
    of_parts(path, parts, precision, config, part)
}

/// The wanted one of several parts.
pub(super) fn of_parts(
    path: &Path,
    mut parts: BTreeMap<String, Tensors>,
    precision: Precision,
    config: Config,
    part: Option<&str>,
) -> Result<Checkpoint, WeightsError> {
    parts.retain(|_, tensors| !tensors.is_empty());
    let names: Vec<String> = parts.keys().cloned().collect();
    let wanted = match part {
        Some(part) => names.iter().find(|name| *name == part),
        None => (PREFERRED.iter())
            .find_map(|known| names.iter().find(|name| name == known))
            .or(match &names[..] {
                [one] => Some(one),
                _ => None,
            }),
    };
    let Some(wanted) = wanted else {
        let named: Vec<&str> = { names.iter() }.map(String::as_str).collect();
        return Err(WeightsError::NoWeights {
            path: path.display().to_string(),
            under: part.map_or(String::new(), |part| format!(" under {part:?}")),
            found: match &named[..] {
                [] => "no tensor".to_owned(),
                [""] => "only one set of weights, without a name".to_owned(),
                names => format!("the parts {}", names.join(", ")),
            },
        });
    };
    let tensors = parts.remove(wanted).expect("one of the names");
    Ok(Checkpoint {
        tensors: without_prefixes(tensors),
        precision,
        config,
        part: if names.len() == 1 {
            String::new()
        } else {
            wanted.clone()
        },
        others: names
            .iter()
            .filter(|name| *name != wanted)
            .cloned()
            .collect(),
    })
}

fn without_prefixes(mut tensors: Tensors) -> Tensors {
    while let Some(prefix) = (PREFIXES.iter())
        .find(|prefix| !tensors.is_empty() && tensors.keys().all(|key| key.starts_with(**prefix)))
    {
        tensors = (tensors.into_iter())
            .map(|(key, tensor)| (key[prefix.len()..].to_owned(), tensor))
            .collect();
    }
    tensors
}
