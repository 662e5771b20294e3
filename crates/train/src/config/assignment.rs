//! `section.key=value`: an assignment that overrides one key of a configuration.

use super::{Config, ConfigError};
use pyroclast_core::named::{Kind, Setting};
use toml::{Table, Value};

/// Sets one key of a table, and creates the sections that contain it.
pub(super) fn assign(table: &mut Table, assignment: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::Assignment(assignment.to_owned());
    let (key, value) = assignment.split_once('=').ok_or_else(malformed)?;
    let (key, value) = (key.trim(), value.trim());
    // A bare word is a string: quotes would have to be escaped in a shell.
    let value = toml::from_str::<Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(malformed)?;
    let mut kind = Some(Config::kind());
    let mut current = table;
    for section in path {
        let is_choice = matches!(kind, Some(Kind::Choice(_)));
        if is_choice && section != "kind" && !current.contains_key(section) {
            // Parameters of another choice replace the old choice.
            current.clear();
        }
        kind = kind.and_then(|kind| within(kind, section));
        let entry = current
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        if matches!(kind, Some(Kind::Choice(_))) && entry.is_str() {
            *entry = Value::Table(Table::new());
        }
        current = entry.as_table_mut().ok_or_else(malformed)?;
    }
    // Another network has other keys, and another choice has other parameters: the old ones would
    // be unknown keys.
    let renames = match kind {
        Some(Kind::Choice(_)) => key == "network.kind" || !key.starts_with("network."),
        _ => false,
    };
    if renames && current.get(last) != Some(&value) {
        current.clear();
    }
    // A layout stands for all values of a network.
    if key == "network.layout" {
        current.retain(|key, _| key == "kind");
    }
    current.insert(last.to_owned(), value);
    Ok(())
}

/// The kind of value at a key of a section, or of the parameters of a choice.
fn within(kind: Kind, key: &str) -> Option<Kind> {
    match kind {
        Kind::Section(keys) => {
            let key = keys.into_iter().find(|known| known.name == key);
            key.map(|key| key.kind)
        }
        // The keys of a network are in the same section as its name.
        Kind::Choice(choices) => {
            let named = choices.iter().find(|choice| choice.name == key);
            match named.and_then(|choice| choice.parameters.clone()) {
                Some(parameters) => Some(parameters),
                None => { choices.into_iter() }
                    .filter_map(|choice| choice.parameters)
                    .filter(|parameters| matches!(parameters, Kind::Section(_)))
                    .find_map(|parameters| within(parameters, key)),
            }
        }
        _ => None,
    }
}
