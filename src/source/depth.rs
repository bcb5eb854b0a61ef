//! How deeply syntax nests, told from its tokens.
//!
//! Everything that walks a syntax tree recurses, dropping it included, so a tree may only be as
//! deep as a thread's stack allows. The parser itself moves to the heap when it nests, so it is
//! the tree that must be bounded, before anyone walks it.
//!
//! The bound errs upwards: within one pair of brackets, between two commas, every operator and
//! keyword may be one level (`a + b + c` is a chain of two), and a bracket is one more. A `lambda`
//! takes commas of its own, so commas no longer separate after one. Indentation adds a level for
//! each block.

use std::fmt;

use ruff_python_ast::token::TokenKind;

/// The deepest tree that is handed out. CPython gives up at 200 brackets and a hundred blocks.
pub const MAX_DEPTH: usize = 1_000;

/// Code that nests more deeply than anything that walks it could stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep {
    /// Upper bound of the depth.
    pub depth: usize,
    /// Byte offset of the end of the deepest expression, where it is known.
    pub offset: Option<usize>,
}

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nests about {} levels deep, more than the {MAX_DEPTH} that are analysed",
            self.depth
        )
    }
}

/// One pair of brackets that is still open, or the statement around them.
#[derive(Debug, Default, Clone, Copy)]
struct Group {
    /// Operators and keywords since the last comma.
    chain: usize,
    /// Deepest bracket since the last comma.
    inner: usize,
    /// Deepest part before the last comma.
    before: usize,
    /// A `lambda` was seen: commas do not separate.
    lambda: bool,
}

impl Group {
    fn depth(&self) -> usize {
        self.before.max(self.chain + self.inner)
    }
}

/// Takes tokens in order and keeps the deepest nesting seen.
#[derive(Debug)]
pub struct Depth {
    open: Vec<Group>,
    current: Group,
    blocks: usize,
    deepest: usize,
    offset: usize,
}

impl Depth {
    /// Before the first token.
    pub fn new() -> Self {
        Self {
            open: Vec::new(),
            current: Group::default(),
            blocks: 0,
            deepest: 0,
            offset: 0,
        }
    }

    /// Takes the next token, which ends at `end`.
    pub fn token(&mut self, kind: TokenKind, end: usize) {
        match kind {
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                self.open.push(std::mem::take(&mut self.current));
                // Unclosed brackets are as deep as closed ones.
                self.note(self.open.len(), end);
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => self.close(),
            TokenKind::Comma if !self.current.lambda => {
                self.current.before = self.current.depth();
                self.current.chain = 0;
                self.current.inner = 0;
            }
            TokenKind::Newline | TokenKind::Semi => self.statement(end),
            TokenKind::Indent => self.blocks += 1,
            TokenKind::Dedent => self.blocks = self.blocks.saturating_sub(1),
            TokenKind::EndOfFile => self.statement(end),
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::Comma => {}
            TokenKind::Lambda => {
                self.current.lambda = true;
                self.current.chain += 1;
            }
            _ => self.current.chain += 1,
        }
    }

    /// The deepest nesting of all tokens taken, and the offset where it ends.
    pub fn deepest(&self) -> (usize, usize) {
        (self.deepest, self.offset)
    }

    fn close(&mut self) {
        let depth = self.current.depth() + 1;
        if let Some(outer) = self.open.pop() {
            self.current = outer;
            // A call after a call (`f()()`) is one more level although nothing stands between.
            self.current.inner = self.current.inner.max(depth);
            self.current.chain += 1;
        }
    }

    fn statement(&mut self, end: usize) {
        while !self.open.is_empty() {
            self.close();
        }
        self.note(self.current.depth(), end);
        self.current = Group::default();
    }

    fn note(&mut self, depth: usize, end: usize) {
        let depth = depth + self.blocks;
        if depth > self.deepest {
            self.deepest = depth;
            self.offset = end;
        }
    }
}

impl Default for Depth {
    fn default() -> Self {
        Self::new()
    }
}
