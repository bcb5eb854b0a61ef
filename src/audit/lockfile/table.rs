//! Reading TOML whose shape we do not control: what is missing or of another type is absent.

use toml::{Table, Value};

use super::Lock;

/// Parses `text`; a syntax error becomes a problem of the lock.
pub fn parse(text: &str, lock: &mut Lock) -> Option<Table> {
    match text.parse::<Table>() {
        Ok(table) => Some(table),
        Err(error) => {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(0, |before| before.matches('\n').count() + 1);
            lock.problem(line, format!("not valid TOML: {}", error.message()));
            None
        }
    }
}

/// The text under `key`.
pub fn text<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key)?.as_str()
}

/// The table under `key`.
pub fn table<'t>(parent: &'t Table, key: &str) -> Option<&'t Table> {
    parent.get(key)?.as_table()
}

/// The tables in the array under `key`.
pub fn tables<'t>(parent: &'t Table, key: &str) -> impl Iterator<Item = &'t Table> {
    parent
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_table)
}

/// The texts in the array under `key`.
pub fn texts(parent: &Table, key: &str) -> Vec<String> {
    parent
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The line of every `header`, in order: the n-th belongs to the n-th entry of the array.
pub fn header_lines(text: &str, header: &str) -> Vec<usize> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.trim_end() == header)
        .map(|(index, _)| index + 1)
        .collect()
}
