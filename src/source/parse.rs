//! Text to syntax tree, by ruff's parser, which recovers from errors.

use ruff_python_ast::ModModule;
use ruff_python_parser::{ParseError, ParseOptions, Parsed, parse_unchecked};

/// Parses a module; never fails: what cannot be read becomes an error beside a partial tree.
pub fn parse(text: &str) -> Parsed<ModModule> {
    parse_unchecked(text, ParseOptions::from(ruff_python_parser::Mode::Module))
        .try_into_module()
        .unwrap_or_else(|| unreachable!("a module was asked for"))
}

/// Syntax errors of a parsed module, in order.
pub fn errors(parsed: &Parsed<ModModule>) -> &[ParseError] {
    parsed.errors()
}
