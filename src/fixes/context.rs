//! Where a finding stands in the syntax, and what may be said about the text around it.

use ruff_python_ast::comparable::ComparableExpr;
use ruff_python_ast::find_node::covering_node;
use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_python_ast::{AnyNodeRef, Expr, Stmt, StmtClassDef, StmtFunctionDef, StmtIf};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::{Edit, Source};
use crate::findings::Finding;
use crate::source::span::Range;

/// A finding together with the module that its primary place lies in.
pub(super) struct Context<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) finding: &'a Finding,
    /// From the module to the innermost node that covers the primary place.
    ancestors: Vec<AnyNodeRef<'a>>,
}

impl<'a> Context<'a> {
    /// `None` when the finding is of another file or of another state of it.
    pub(super) fn new(source: &'a Source<'a>, finding: &'a Finding) -> Option<Self> {
        if finding.primary.file != source.file {
            return None;
        }
        let mut context = Self {
            source,
            finding,
            ancestors: Vec::new(),
        };
        context.ancestors = context.ancestors_at(finding.primary.range)?;
        Some(context)
    }

    pub(super) fn rule_is(&self, rules: &[&str]) -> bool {
        rules.contains(&self.finding.rule.as_str())
    }

    /// Nodes that cover `range`, outermost first.
    pub(super) fn ancestors_at(&self, range: Range) -> Option<Vec<AnyNodeRef<'a>>> {
        self.source
            .text
            .get(range.start as usize..range.end as usize)?;
        let root = AnyNodeRef::from(self.source.parsed.syntax());
        let range = TextRange::new(range.start.into(), range.end.into());
        if !root.range().contains_range(range) {
            return None;
        }
        let mut nodes: Vec<_> = covering_node(root, range).ancestors().collect();
        nodes.reverse();
        Some(nodes)
    }

    /// The first thing `pick` sees around the primary place, then around the finding's other places
    /// in the same function: the pattern to correct surrounds at least one of them.
    pub(super) fn around<T>(&self, pick: impl Fn(AnyNodeRef<'a>) -> Option<T>) -> Option<T> {
        if let Some(found) = self.ancestors.iter().rev().find_map(|&node| pick(node)) {
            return Some(found);
        }
        self.sides().find_map(|range| {
            let nodes = self.ancestors_at(range)?;
            nodes.into_iter().rev().find_map(&pick)
        })
    }

    /// The finding's other places in the same function.
    pub(super) fn sides(&self) -> impl Iterator<Item = Range> {
        self.finding
            .related
            .iter()
            .filter(|it| it.site.file == self.source.file && it.function == self.finding.function)
            .map(|it| it.site.range)
    }

    /// From the module to the innermost node around the primary place.
    pub(super) fn ancestors(&self) -> &[AnyNodeRef<'a>] {
        &self.ancestors
    }

    /// The innermost function around the primary place.
    pub(super) fn function(&self) -> Option<&'a StmtFunctionDef> {
        self.ancestors.iter().rev().find_map(|node| match node {
            AnyNodeRef::StmtFunctionDef(function) => Some(*function),
            _ => None,
        })
    }

    /// The class whose body the innermost function stands in.
    pub(super) fn class(&self) -> Option<&'a StmtClassDef> {
        let nodes = &self.ancestors;
        let function = nodes
            .iter()
            .rposition(|node| matches!(node, AnyNodeRef::StmtFunctionDef(_)))?;
        match nodes[..function].last()? {
            AnyNodeRef::StmtClassDef(class) => Some(class),
            _ => None,
        }
    }

    /// The name of the first parameter of the method around the primary place.
    pub(super) fn receiver(&self) -> Option<&'a str> {
        self.class()?;
        let parameters = &self.function()?.parameters;
        parameters
            .iter_non_variadic_params()
            .next()
            .map(|it| it.parameter.name.as_str())
    }

    pub(super) fn module_body(&self) -> &'a [Stmt] {
        &self.source.parsed.syntax().body
    }

    pub(super) fn tokens(&self) -> &'a Tokens {
        self.source.parsed.tokens()
    }

    pub(super) fn text(&self, node: impl Ranged) -> &'a str {
        &self.source.text[node.range()]
    }

    pub(super) fn newline(&self) -> &'static str {
        if self.source.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        }
    }

    /// Where the line that holds `offset` begins.
    pub(super) fn line_start(&self, offset: TextSize) -> TextSize {
        let before = &self.source.text[..offset.to_usize()];
        let start = before.rfind(['\n', '\r']).map_or(0, |it| it + 1);
        TextSize::try_from(start).unwrap_or(offset)
    }

    /// Where the line that holds `offset` ends, before its line break.
    pub(super) fn line_end(&self, offset: TextSize) -> TextSize {
        let rest = &self.source.text[offset.to_usize()..];
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        offset + TextSize::try_from(length).unwrap_or_default()
    }

    /// Where the line after the one that holds `offset` begins; the end of the text when there is
    /// none.
    pub(super) fn next_line(&self, offset: TextSize) -> TextSize {
        let end = self.line_end(offset);
        let rest = &self.source.text[end.to_usize()..];
        let skipped = match rest.as_bytes() {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        end + TextSize::from(skipped)
    }

    /// What stands before `offset` in its line.
    pub(super) fn before_in_line(&self, offset: TextSize) -> &'a str {
        &self.source.text[TextRange::new(self.line_start(offset), offset)]
    }

    /// The indentation of a node that begins its line; `None` when something stands before it.
    pub(super) fn indentation(&self, node: impl Ranged) -> Option<&'a str> {
        let before = self.before_in_line(node.start());
        before
            .chars()
            .all(|it| matches!(it, ' ' | '\t' | '\u{c}'))
            .then_some(before)
    }

    /// The node has its lines to itself, but for a comment behind it.
    pub(super) fn stands_alone(&self, node: impl Ranged) -> bool {
        let range = node.range();
        let rest = &self.source.text[TextRange::new(range.end(), self.line_end(range.end()))];
        let rest = rest.trim_start();
        self.indentation(range).is_some() && (rest.is_empty() || rest.starts_with('#'))
    }

    /// One level of indentation, as the code around the primary place is written.
    pub(super) fn indent_unit(&self) -> &'a str {
        let mut outer = "";
        for node in self.ancestors.iter().filter(|it| it.is_statement()) {
            let Some(indent) = self.indentation(*node) else {
                continue;
            };
            if let Some(unit) = indent.strip_prefix(outer) {
                if !unit.is_empty() {
                    return unit;
                }
                outer = indent;
            }
        }
        "    "
    }

    /// Comments within a range.
    pub(super) fn comments(&self, range: TextRange) -> impl Iterator<Item = TextRange> {
        self.tokens()
            .iter()
            .filter(move |it| it.kind() == TokenKind::Comment && range.contains_range(it.range()))
            .map(Ranged::range)
    }

    /// The comment that ends the line of `offset`, if one does.
    pub(super) fn trailing_comment(&self, offset: TextSize) -> Option<TextRange> {
        self.comments(TextRange::new(
            self.line_start(offset),
            self.line_end(offset),
        ))
        .last()
    }

    /// Replaces a whole `if` statement by one that fits on its line. Comments of the `if` that are
    /// not inside `kept`, the parts the replacement repeats, move to lines of their own above.
    pub(super) fn replace_if(
        &self,
        statement: &StmtIf,
        replacement: &str,
        kept: &[TextRange],
    ) -> Option<Edit> {
        let indent = self.indentation(statement)?;
        let mut text = String::new();
        for comment in self.comments(statement.range()) {
            if !kept.iter().any(|it| it.contains_range(comment)) {
                text.push_str(self.text(comment));
                text.push_str(self.newline());
                text.push_str(indent);
            }
        }
        text.push_str(replacement);
        Some(replace(statement, text))
    }

    /// Indents every line of `range` after the first by `unit`, except lines that begin inside a
    /// string, whose value that would change, and empty ones.
    pub(super) fn indent_lines(&self, range: TextRange, unit: &str) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut start = self.next_line(range.start());
        while start < range.end() {
            let end = self.line_end(start);
            let line = &self.source.text[TextRange::new(start, end)];
            if !line.trim().is_empty() && !self.inside_string(start) {
                edits.push(insert(start, unit));
            }
            let next = self.next_line(start);
            if next == start {
                break;
            }
            start = next;
        }
        edits
    }

    /// `offset` lies within a string, where white space counts.
    fn inside_string(&self, offset: TextSize) -> bool {
        let mut depth = 0_usize;
        for token in self.tokens().iter() {
            if token.start() >= offset {
                break;
            }
            match token.kind() {
                TokenKind::FStringStart | TokenKind::TStringStart => depth += 1,
                TokenKind::FStringEnd | TokenKind::TStringEnd => depth = depth.saturating_sub(1),
                TokenKind::String if token.end() > offset => return true,
                _ => {}
            }
        }
        depth > 0
    }
}

/// An edit that replaces a node.
pub(super) fn replace(node: impl Ranged, text: impl Into<String>) -> Edit {
    let range = node.range();
    Edit {
        range: Range {
            start: range.start().to_u32(),
            end: range.end().to_u32(),
        },
        text: text.into(),
    }
}

/// An edit that inserts.
pub(super) fn insert(offset: TextSize, text: impl Into<String>) -> Edit {
    replace(TextRange::empty(offset), text)
}

/// Both expressions are written alike, but for layout.
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    ComparableExpr::from(a) == ComparableExpr::from(b)
}

/// A place one may name twice without running code: names, attributes, constants, and subscripts
/// of these.
pub(super) fn is_path(expr: &Expr) -> bool {
    match expr {
        Expr::Name(_)
        | Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_) => true,
        Expr::Attribute(attribute) => is_path(&attribute.value),
        Expr::Subscript(subscript) => is_path(&subscript.value) && is_path(&subscript.slice),
        Expr::Tuple(tuple) => tuple.iter().all(is_path),
        _ => false,
    }
}

/// `a.b.c` as text; `None` for anything else.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => {
            Some(format!("{}.{}", dotted(&attribute.value)?, attribute.attr))
        }
        _ => None,
    }
}
