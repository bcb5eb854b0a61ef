//! The text of an open document, edited in place.

use lsp_types::{Position, TextDocumentContentChangeEvent};

use crate::source::span::Units;

/// A document as the client has it.
#[derive(Debug)]
pub(super) struct Document {
    /// The client's number of this state.
    pub version: i32,
    text: String,
    /// Byte offset of the beginning of each line.
    lines: Vec<usize>,
}

impl Document {
    /// A document as the client opened it.
    pub(super) fn new(version: i32, text: String) -> Self {
        let mut document = Self {
            version,
            lines: Vec::new(),
            text,
        };
        document.lines = line_starts(&document.text, 0);
        document.lines.insert(0, 0);
        document
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Makes one change. A range that reaches beyond the text or ends before it begins is cut to
    /// what is there, as the protocol asks for columns.
    ///
    /// Costs the length of the change and of the text behind it, not a search of the whole text: a
    /// burst of edits of a long document must not add up.
    pub(super) fn change(&mut self, change: TextDocumentContentChangeEvent, units: Units) {
        let Some(range) = change.range else {
            *self = Self::new(self.version, change.text);
            return;
        };
        let start = self.offset(range.start, units);
        let end = self.offset(range.end, units).max(start);
        // Line breaks of two characters may be made or split at the seams, so lines are searched
        // again from one byte before the change to one byte behind it.
        let first = self
            .lines
            .partition_point(|&it| it <= start.saturating_sub(1));
        let last = self.lines.partition_point(|&it| it <= end + 1);
        let delta = change.text.len().wrapping_sub(end - start);
        for line in &mut self.lines[last..] {
            *line = line.wrapping_add(delta);
        }
        self.text.replace_range(start..end, &change.text);
        let from = self.lines[first.max(1) - 1];
        let to = self.lines.get(last).copied().unwrap_or(self.text.len() + 1);
        let fresh: Vec<usize> = line_starts(&self.text[from..to.min(self.text.len())], from)
            .into_iter()
            .filter(|&it| it < to)
            .collect();
        self.lines
            .splice(first.max(1)..last.max(first.max(1)), fresh);
    }

    /// The byte offset of a position; the end of its line, or of the text, when it lies beyond.
    pub(super) fn offset(&self, position: Position, units: Units) -> usize {
        let Some(&start) = self.lines.get(position.line as usize) else {
            return self.text.len();
        };
        let next = self.lines.get(position.line as usize + 1);
        let line = &self.text[start..next.copied().unwrap_or(self.text.len())];
        let line = line.trim_end_matches(['\r', '\n']);
        let column = position.character as usize;
        let within = match units {
            Units::Utf8 => {
                let mut within = column.min(line.len());
                while !line.is_char_boundary(within) {
                    within -= 1;
                }
                within
            }
            Units::Utf16 => {
                let mut left = column;
                line.char_indices()
                    .find(
                        |(_, character)| match left.checked_sub(character.len_utf16()) {
                            Some(rest) => {
                                left = rest;
                                false
                            }
                            None => true,
                        },
                    )
                    .map_or(line.len(), |(index, _)| index)
            }
            Units::Chars => line
                .char_indices()
                .nth(column)
                .map_or(line.len(), |(index, _)| index),
        };
        start + within
    }
}

/// Where lines begin that follow a line break within `text`, which itself begins at `base`. Breaks
/// are those of the protocol, which are Python's: `\n`, `\r\n` and `\r`.
fn line_starts(text: &str, base: usize) -> Vec<usize> {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|&index| bytes[index] == b'\n' || bytes.get(index + 1) != Some(&b'\n'))
        .map(|index| base + index + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lsp_types::Range;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Editing in place gives the same lines as reading the edited text anew.
        #[test]
        fn lines_stay_right(
            text in "[aé😀\r\n]{0,30}",
            edits in prop::collection::vec(
                ((0_u32..8, 0_u32..8), (0_u32..8, 0_u32..8), "[bü\r\n]{0,6}"), 1..8),
            units in prop::sample::select(vec![Units::Utf8, Units::Utf16, Units::Chars]),
        ) {
            let mut document = Document::new(0, text);
            for ((line, column), (end_line, end_column), text) in edits {
                let range = Range::new(
                    Position::new(line, column),
                    Position::new(end_line, end_column),
                );
                let start = document.offset(range.start, units);
                let end = document.offset(range.end, units).max(start);
                let mut expected = document.text().to_owned();
                expected.replace_range(start..end, &text);
                document.change(
                    TextDocumentContentChangeEvent { range: Some(range), range_length: None, text },
                    units,
                );
                prop_assert_eq!(document.text(), &expected);
                prop_assert_eq!(&document.lines, &Document::new(0, expected).lines);
            }
        }
    }
}
