//! `pyroclast config --explain`: explains the keys of a configuration.

use crate::args::Config;
use crate::say::say;
use anyhow::Result;
use pyroclast_core::named::{Choice, Key, Kind};
use pyroclast_train::config::{Explained, explain};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Config) -> Result<ExitCode> {
    let entries = explain(&arguments.explain)?;
    if arguments.json {
        let keys: Vec<Value> = entries.iter().map(as_json).collect();
        say!("{}", json!({ "keys": keys }));
        return Ok(ExitCode::SUCCESS);
    }
    // A single key is explained with all its parameters; in a list, the names of its values do.
    let details = entries.len() == 1;
    let text: String = entries.iter().map(|entry| block(entry, details)).collect();
    say!("{}", text.trim_end());
    if !details {
        say!("`pyroclast config --explain KEY` explains one key with all its values.");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(entry: &Explained) -> Value {
    let names = match &entry.kind {
        Kind::Choice(choices) => Some(choices.iter().map(|choice| choice.name).collect::<Vec<_>>()),
        _ => None,
    };
    json!({
        "key": entry.key,
        "about": entry.about,
        "default": entry.default,
        "range": entry.range,
        "names": names,
    })
}

/// A key with its default, its meaning and its values.
fn block(entry: &Explained, details: bool) -> String {
    let mut text = match &entry.default {
        Some(default) => format!("{} = {default}\n", entry.key),
        None => format!("{}\n", entry.key),
    };
    paragraph(&mut text, 4, entry.about);
    if let Some(range) = entry.range {
        paragraph(&mut text, 4, &format!("Range: {range}."));
    }
    match &entry.kind {
        Kind::Choice(choices) if details => {
            for choice in choices {
                choice_lines(&mut text, 4, choice);
            }
        }
        Kind::Choice(choices) => {
            let names: Vec<_> = choices.iter().map(|choice| choice.name).collect();
            paragraph(&mut text, 4, &format!("One of {}.", names.join(", ")));
        }
        _ => {}
    }
    text.push('\n');
    text
}

fn choice_lines(text: &mut String, indent: usize, choice: &Choice) {
    let names: Vec<_> = std::iter::once(choice.name)
        .chain(choice.aliases.iter().copied())
        .collect();
    let _ = writeln!(text, "{:indent$}{}", "", names.join(" or "));
    paragraph(text, indent + 4, choice.about);
    match &choice.parameters {
        Some(Kind::Section(keys)) => keys.iter().for_each(|key| key_lines(text, indent + 4, key)),
        Some(Kind::Choice(choices)) => choices
            .iter()
            .for_each(|choice| choice_lines(text, indent + 4, choice)),
        Some(kind) => paragraph(text, indent + 4, &format!("Its value is {}.", one(kind))),
        None => {}
    }
}

fn key_lines(text: &mut String, indent: usize, key: &Key) {
    let range = key
        .range
        .map(|range| format!(" Range: {range}."))
        .unwrap_or_default();
    let _ = writeln!(text, "{:indent$}{}: {}", "", key.name, one(&key.kind));
    paragraph(text, indent + 4, &format!("{}{range}", key.about));
    if let Kind::Choice(choices) = &key.kind {
        choices
            .iter()
            .for_each(|choice| choice_lines(text, indent + 4, choice));
    }
}

/// The type of a value, in words.
fn one(kind: &Kind) -> &'static str {
    match kind {
        Kind::Flag => "true or false",
        Kind::Integer => "an integer",
        Kind::Number => "a number",
        Kind::Text => "text",
        Kind::List(_) => "a list",
        Kind::Choice(_) => "one of these",
        Kind::Section(_) => "a table",
    }
}

/// Appends words, wrapped at 100 columns.
fn paragraph(text: &mut String, indent: usize, words: &str) {
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > 100 {
            let _ = writeln!(text, "{:indent$}{line}", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}
