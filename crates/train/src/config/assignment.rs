//! `section.key=value`: one key of a configuration, set from outside.

use super::{Config, ConfigError};
use pyroclast_core::named::{Kind, Setting};
use toml::{Table, Value};

/// Sets one key of a table, making the sections that it stands in.
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
            // The parameters of another name take its place.
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
    // Another kind of network has other keys, and another name other parameters: those of the old
    // one would be unknown.
    let renames = match kind {
        Some(Kind::Choice(_)) => key == "network.kind" || !key.starts_with("network."),
        _ => false,
    };
    if renames && current.get(last) != Some(&value) {
        current.clear();
    }
    current.insert(last.to_owned(), value);
    Ok(())
}

/// What can stand at a key, or at the parameters of a name.
fn within(kind: Kind, key: &str) -> Option<Kind> {
    match kind {
        Kind::Section(keys) => {
            let key = keys.into_iter().find(|known| known.name == key);
            key.map(|key| key.kind)
        }
        Kind::Choice(choices) => {
            let choice = choices.into_iter().find(|choice| choice.name == key);
            choice.and_then(|choice| choice.parameters)
        }
        _ => None,
    }
}
