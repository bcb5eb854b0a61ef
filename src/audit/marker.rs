//! Environment markers (PEP 508), with the set variables of lock files (PEP 751).

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};

use super::tag::Platform;
use super::target::Target;

/// Deeper nesting is not a marker.
const MAX_DEPTH: usize = 64;

/// What markers are evaluated against.
#[derive(Debug, Clone)]
pub struct MarkerEnvironment<'a> {
    /// The interpreter.
    pub target: Target,
    /// The system.
    pub platform: Platform,
    /// Extras that are asked for.
    pub extras: &'a [String],
    /// Dependency groups that are asked for.
    pub groups: &'a [String],
    /// Every extra and group is asked for.
    pub all: bool,
}

/// A marker that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerError(pub String);

/// Whether `marker` holds.
///
/// # Errors
/// When it is not a marker.
pub fn holds(marker: &str, environment: &MarkerEnvironment<'_>) -> Result<bool, MarkerError> {
    let tokens = tokens(marker)?;
    let mut parser = Parser {
        tokens: &tokens,
        environment,
    };
    let value = parser.either(0)?;
    match parser.tokens {
        [] => Ok(value),
        [rest, ..] => Err(MarkerError(format!("unexpected {rest:?} in `{marker}`"))),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Text(String),
    Word(String),
    Operator(String),
}

fn tokens(marker: &str) -> Result<Vec<Token>, MarkerError> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '\'' | '"' => {
                let end = rest[1..]
                    .find(first)
                    .ok_or_else(|| MarkerError(format!("an open quote in `{marker}`")))?;
                (Token::Text(rest[1..=end].to_owned()), end + 2)
            }
            '<' | '>' | '=' | '!' | '~' => {
                let length = rest
                    .find(|it| !matches!(it, '<' | '>' | '=' | '!' | '~'))
                    .unwrap_or(rest.len());
                (Token::Operator(rest[..length].to_owned()), length)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let length = rest
                    .find(|it: char| !(it.is_alphanumeric() || it == '_' || it == '.'))
                    .unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            _ => return Err(MarkerError(format!("unexpected `{first}` in `{marker}`"))),
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'t, 'e> {
    tokens: &'t [Token],
    environment: &'e MarkerEnvironment<'e>,
}

/// One side of a comparison.
enum Operand {
    Text(String),
    Variable(String),
}

impl Parser<'_, '_> {
    fn take(&mut self) -> Option<&Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Word(it)) if it == word);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn either(&mut self, depth: usize) -> Result<bool, MarkerError> {
        let mut value = self.both(depth)?;
        while self.take_word("or") {
            value |= self.both(depth)?;
        }
        Ok(value)
    }

    fn both(&mut self, depth: usize) -> Result<bool, MarkerError> {
        let mut value = self.comparison(depth)?;
        while self.take_word("and") {
            value &= self.comparison(depth)?;
        }
        Ok(value)
    }

    fn comparison(&mut self, depth: usize) -> Result<bool, MarkerError> {
        if depth > MAX_DEPTH {
            return Err(MarkerError("parentheses nested too deeply".to_owned()));
        }
        if self.tokens.first() == Some(&Token::Open) {
            self.take();
            let value = self.either(depth + 1)?;
            return match self.take() {
                Some(Token::Close) => Ok(value),
                _ => Err(MarkerError("a parenthesis is not closed".to_owned())),
            };
        }
        let left = self.operand()?;
        let operator = match self.take() {
            Some(Token::Operator(operator)) => operator.clone(),
            Some(Token::Word(word)) if word == "in" => "in".to_owned(),
            Some(Token::Word(word)) if word == "not" => {
                if !self.take_word("in") {
                    return Err(MarkerError("`not` without `in`".to_owned()));
                }
                "not in".to_owned()
            }
            other => {
                return Err(MarkerError(format!(
                    "expected a comparison, found {other:?}"
                )));
            }
        };
        let right = self.operand()?;
        self.compare(&left, &operator, &right)
    }

    fn operand(&mut self) -> Result<Operand, MarkerError> {
        match self.take() {
            Some(Token::Text(text)) => Ok(Operand::Text(text.clone())),
            Some(Token::Word(word)) => Ok(Operand::Variable(word.clone())),
            other => Err(MarkerError(format!("expected a value, found {other:?}"))),
        }
    }

    fn compare(
        &self,
        left: &Operand,
        operator: &str,
        right: &Operand,
    ) -> Result<bool, MarkerError> {
        // `extra == 'web'`, `'web' in extras`, `'dev' in dependency_groups`.
        let set = |operand: &Operand| match operand {
            Operand::Variable(name) => match name.as_str() {
                "extra" | "extras" => Some(self.environment.extras),
                "dependency_groups" => Some(self.environment.groups),
                _ => None,
            },
            Operand::Text(_) => None,
        };
        let member = match (set(left), set(right), left, right) {
            (Some(set), None, _, Operand::Text(text))
            | (None, Some(set), Operand::Text(text), _) => {
                let wanted = super::tag::normal_name(text);
                Some(
                    self.environment.all
                        || set.iter().any(|it| {
                            let it = super::tag::normal_name(it);
                            // uv encodes conflicting extras as `extra-4-shop-web`.
                            it == wanted
                                || wanted.starts_with("extra-")
                                    && wanted.ends_with(&format!("-{it}"))
                        }),
                )
            }
            _ => None,
        };
        if let Some(member) = member {
            return match operator {
                "==" | "in" | "===" => Ok(member),
                "!=" | "not in" => Ok(!member),
                _ => Err(MarkerError(format!("`{operator}` with a set"))),
            };
        }

        let (left_text, left_version) = self.value(left)?;
        let (right_text, right_version) = self.value(right)?;
        match operator {
            "in" => return Ok(right_text.contains(&left_text)),
            "not in" => return Ok(!right_text.contains(&left_text)),
            "===" => return Ok(left_text == right_text),
            _ => {}
        }
        if left_version || right_version {
            let (version, bound, operator) = if left_version {
                (&left_text, &right_text, operator.to_owned())
            } else {
                (&right_text, &left_text, mirrored(operator))
            };
            if let (Ok(version), Ok(specifier)) = (
                Version::from_str(version),
                VersionSpecifiers::from_str(&format!("{operator}{bound}")),
            ) {
                return Ok(specifier.contains(&version));
            }
        }
        match operator {
            "==" => Ok(left_text == right_text),
            "!=" => Ok(left_text != right_text),
            "<" => Ok(left_text < right_text),
            "<=" => Ok(left_text <= right_text),
            ">" => Ok(left_text > right_text),
            ">=" => Ok(left_text >= right_text),
            _ => Err(MarkerError(format!("`{operator}` between texts"))),
        }
    }

    /// The text of a side, and whether it is a version.
    fn value(&self, operand: &Operand) -> Result<(String, bool), MarkerError> {
        let name = match operand {
            Operand::Text(text) => return Ok((text.clone(), false)),
            Operand::Variable(name) => name.as_str(),
        };
        if let Some(value) = self.environment.platform.marker(match name {
            "os.name" => "os_name",
            "sys.platform" => "sys_platform",
            "platform.machine" => "platform_machine",
            _ => name,
        }) {
            return Ok((value.to_owned(), false));
        }
        match name {
            "python_version" => Ok((self.environment.target.python_version(), true)),
            "python_full_version" | "implementation_version" => Ok((
                format!("{}.0", self.environment.target.python_version()),
                true,
            )),
            "implementation_name" => Ok(("cpython".to_owned(), false)),
            "platform_python_implementation" | "python_implementation" => {
                Ok(("CPython".to_owned(), false))
            }
            "platform_release" | "platform_version" => Ok((String::new(), false)),
            _ => Err(MarkerError(format!("unknown variable `{name}`"))),
        }
    }
}

fn mirrored(operator: &str) -> String {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
    .to_owned()
}
