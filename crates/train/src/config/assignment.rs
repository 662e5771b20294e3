//! `section.key=value`: one key of a configuration, set from outside.

use super::ConfigError;

/// Sets one key of a table, making the sections that it stands in.
pub(super) fn assign(table: &mut toml::Table, assignment: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::Assignment(assignment.to_owned());
    let (key, value) = assignment.split_once('=').ok_or_else(malformed)?;
    let (key, value) = (key.trim(), value.trim());
    // A bare word is a string: quotes would have to be escaped in a shell.
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(malformed)?;
    let mut current = table;
    for section in path {
        current = current
            .entry(section)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(malformed)?;
    }
    // Another kind of network has other keys: those of the old kind would be unknown to it.
    if key == "network.kind" && current.get(last) != Some(&value) {
        current.clear();
    }
    current.insert(last.to_owned(), value);
    Ok(())
}
