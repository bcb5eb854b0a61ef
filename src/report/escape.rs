//! Text from source files that goes to a terminal.
//!
//! Names, strings and comments may hold escape sequences that move the cursor or recolour what was
//! printed, and characters that reorder it. They are replaced by visible ones of the same length
//! in bytes, so that offsets into the text stay right.

use std::borrow::Cow;

/// The text without anything a terminal would obey; line feeds and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let replace = |c: char| match (is_unsafe(c), c.len_utf8()) {
        (false, _) => c,
        (true, 1) if c == '\r' => ' ',
        (true, 1) => '?',
        (true, 2) => '\u{bf}',
        (true, _) => '\u{fffd}',
    };
    Cow::Owned(text.chars().map(replace).collect())
}

/// As [`visible`], on one line.
pub fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        // Line and paragraph separators, directional marks, embeddings, overrides and isolates.
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
