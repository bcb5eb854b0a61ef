//! Text to syntax tree, by ruff's parser, which recovers from errors.

use ruff_python_ast::ModModule;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::Ranged;

use super::depth::{Depth, MAX_DEPTH, TooDeep};

/// The largest file that is analysed. Nobody writes such files; a tree of one takes a gigabyte.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Text of `n` bytes nests at most `n` levels, so below this length the parser, which moves its
/// stack to the heap, cannot run out of memory. Longer text is measured before it is parsed.
const HARMLESS_BYTES: usize = 128 * 1024;

/// What the parser may nest; its stack takes a kilobyte or two for each level.
const MAX_PARSER_DEPTH: usize = 50_000;

/// More than one level of dropping a tree takes on the stack, in a debug build too.
const DROP_FRAME: usize = 2 * 1024;

/// Parses a module; what cannot be read becomes an error beside a partial tree.
///
/// # Errors
/// The code nests more than [`MAX_DEPTH`] levels: a tree that nobody may walk is not handed out.
pub fn parse(text: &str) -> Result<Parsed<ModModule>, TooDeep> {
    if text.len() > HARMLESS_BYTES {
        let depth = lexed_depth(text);
        if depth > MAX_PARSER_DEPTH {
            let offset = None;
            return Err(TooDeep { depth, offset });
        }
    }
    let parsed = parse_unchecked(text, ParseOptions::from(ruff_python_parser::Mode::Module))
        .try_into_module()
        .unwrap_or_else(|| unreachable!("a module was asked for"));
    let mut depth = Depth::new();
    for token in parsed.tokens() {
        depth.token(token.kind(), token.end().to_usize());
    }
    depth.token(TokenKind::EndOfFile, text.len());
    let (depth, offset) = depth.deepest();
    if depth > MAX_DEPTH {
        stacker::grow(DROP_FRAME * depth + DROP_FRAME, || drop(parsed));
        let offset = Some(offset);
        return Err(TooDeep { depth, offset });
    }
    Ok(parsed)
}

/// A place the parser could not make sense of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset.
    pub offset: u32,
    /// What is wrong, in the parser's words.
    pub message: String,
}

/// Syntax errors of a parsed module, in order.
pub fn errors(parsed: &Parsed<ModModule>) -> impl ExactSizeIterator<Item = SyntaxError> {
    parsed.errors().iter().map(|error| SyntaxError {
        offset: error.range().start().into(),
        message: error.error.to_string(),
    })
}

/// The lexer alone does not tell where it is.
fn lexed_depth(text: &str) -> usize {
    let mut lexer = ruff_python_parser::lexer::lex(text, ruff_python_parser::Mode::Module);
    let mut depth = Depth::new();
    loop {
        let kind = lexer.next_token();
        depth.token(kind, 0);
        if kind == TokenKind::EndOfFile || depth.deepest().0 > MAX_PARSER_DEPTH {
            return depth.deepest().0;
        }
    }
}
