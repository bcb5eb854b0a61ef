//! Decoded source text with its lines, read again for whoever shows findings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ruff_source_file::{LineIndex, PositionEncoding, SourceLocation};
use ruff_text_size::TextSize;
use rustc_hash::FxHashMap;

use super::decode::decode;
use super::files::Files;
use super::span::{FileId, Position, Range, Units};

/// One file's text. Offsets beyond its end, as of a file that has shrunk since it was analysed,
/// are taken for its end.
#[derive(Debug, Clone)]
pub struct SourceText {
    /// The text, without byte order mark.
    pub text: String,
    lines: LineIndex,
}

impl SourceText {
    /// Finds the lines of `text`.
    pub fn new(text: String) -> Self {
        let lines = LineIndex::from_source_text(&text);
        Self { text, lines }
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub fn position(&self, offset: u32) -> Position {
        let (line, column) = self.location(offset, Units::Chars);
        Position {
            line: line + 1,
            column: column + 1,
        }
    }

    /// Line and column of a byte offset, both from 0.
    pub fn location(&self, offset: u32, units: Units) -> (u32, u32) {
        let at = self
            .lines
            .source_location(self.clamp(offset), &self.text, encoding(units));
        let line = u32::try_from(at.line.to_zero_indexed()).unwrap_or(u32::MAX);
        let column = u32::try_from(at.character_offset.to_zero_indexed()).unwrap_or(u32::MAX);
        (line, column)
    }

    /// Byte offset of a line and column, both from 0; the end of the text when there is no such
    /// line, the end of the line when there is no such column.
    pub fn offset(&self, line: u32, column: u32, units: Units) -> u32 {
        if line as usize >= self.lines.line_count() {
            return u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        }
        let location = SourceLocation {
            line: ruff_source_file::OneIndexed::from_zero_indexed(line as usize),
            character_offset: ruff_source_file::OneIndexed::from_zero_indexed(column as usize),
        };
        self.lines
            .offset(location, &self.text, encoding(units))
            .into()
    }

    /// The text of the line, from 1, without its end; empty when there is no such line.
    pub fn line(&self, line: u32) -> &str {
        let Some(line) = (line as usize)
            .checked_sub(1)
            .filter(|&index| index < self.lines.line_count())
        else {
            return "";
        };
        let line = ruff_source_file::OneIndexed::from_zero_indexed(line);
        let range = self.lines.line_range(line, &self.text);
        self.text[range].trim_end_matches(['\r', '\n'])
    }

    /// The range cut to the text, on character boundaries.
    pub fn clip(&self, range: Range) -> std::ops::Range<usize> {
        let start = self.clamp(range.start).to_usize();
        let end = self.clamp(range.end).to_usize();
        start..end.max(start)
    }

    fn clamp(&self, offset: u32) -> TextSize {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        TextSize::new(u32::try_from(offset).unwrap_or(u32::MAX))
    }
}

fn encoding(units: Units) -> PositionEncoding {
    match units {
        Units::Utf8 => PositionEncoding::Utf8,
        Units::Utf16 => PositionEncoding::Utf16,
        Units::Chars => PositionEncoding::Utf32,
    }
}

/// The texts of the files of one run, read when asked for.
pub struct Sources {
    files: Arc<dyn Files>,
    paths: Arc<[PathBuf]>,
    read: Mutex<FxHashMap<FileId, Arc<SourceText>>>,
}

impl Sources {
    /// Texts of `paths`, whose indices are the file identifiers.
    pub fn new(files: Arc<dyn Files>, paths: Arc<[PathBuf]>) -> Self {
        Self {
            files,
            paths,
            read: Mutex::default(),
        }
    }

    /// Path of a file, relative to the project root.
    pub fn path(&self, file: FileId) -> &Path {
        self.paths
            .get(file.0 as usize)
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// Takes `text` for the text of a file.
    pub fn give(&self, file: FileId, text: Arc<SourceText>) {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(file, text);
    }

    /// The texts that were given or read.
    pub fn texts(&self) -> Vec<(FileId, Arc<SourceText>)> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter()
            .map(|(file, text)| (*file, Arc::clone(text)))
            .collect()
    }

    /// Text of a file; empty when it can no longer be read.
    pub fn text(&self, file: FileId) -> Arc<SourceText> {
        let known = |read: &FxHashMap<FileId, Arc<SourceText>>| read.get(&file).cloned();
        if let Some(text) = known(&self.read.lock().unwrap_or_else(PoisonError::into_inner)) {
            return text;
        }
        let path = self.path(file);
        let text = match self.files.text(path) {
            Some(text) => text.to_string(),
            None => self
                .files
                .read(path)
                .ok()
                .and_then(|bytes| decode(bytes).ok())
                .unwrap_or_default(),
        };
        let text = Arc::new(SourceText::new(text));
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(file)
            .or_insert(text)
            .clone()
    }
}
