//! What is wrong with an expression, and where.

use jaq_core::compile::{self, Undefined};
use jaq_core::load;
use std::fmt;

/// How much of the expression a message quotes, in characters.
const QUOTED: usize = 24;

/// An expression that cannot run.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The offending part; empty at the end of the expression.
    pub found: String,
    /// What is wrong there.
    pub reason: String,
}

impl SyntaxError {
    /// From what reading the expression gave.
    pub(crate) fn of_load(expression: &str, errors: &load::Errors<&str, ()>) -> Self {
        let (found, reason) = match errors.first().map(|(_, error)| error) {
            Some(load::Error::Lex(errors)) => errors
                .first()
                .map(|(expected, found)| (*found, format!("expected {}", expected.as_str()))),
            Some(load::Error::Parse(errors)) => errors
                .first()
                .map(|(expected, found)| (*found, format!("expected {}", expected.as_str()))),
            Some(load::Error::Io(errors)) => {
                errors.first().map(|(path, reason)| (*path, reason.clone()))
            }
            None => None,
        }
        .unwrap_or((expression, "cannot be read".into()));
        Self::at(expression, found, reason)
    }

    /// From what resolving the names of the expression gave.
    pub(crate) fn of_compile(expression: &str, errors: &compile::Errors<&str, ()>) -> Self {
        let first = errors.first().and_then(|(_, errors)| errors.first());
        let (name, reason) = match first {
            Some((name, Undefined::Filter(arity))) => (
                *name,
                format!("undefined filter {name}/{arity}{}", advice(name)),
            ),
            Some((name, undefined)) => (
                *name,
                format!("undefined {} {name}{}", undefined.as_str(), advice(name)),
            ),
            None => (expression, "cannot be compiled".into()),
        };
        Self::at(expression, name, reason)
    }

    /// At `part`, which is a slice of the expression.
    pub(crate) fn at(expression: &str, part: &str, reason: String) -> Self {
        let before = expression
            .get(..load::span(expression, part).start)
            .unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let line = before.matches('\n').count() + 1;
        Self {
            line,
            column,
            found: part.chars().take(QUOTED).collect(),
            reason,
        }
    }
}

/// Why a name that other programs for jq know is not known here.
fn advice(name: &str) -> &'static str {
    match name {
        "env" | "$ENV" => ": a query sees no environment",
        "input" | "inputs" | "input_filename" | "input_line_number" => {
            ": a query has one input, which is `.`"
        }
        _ => "",
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            found,
            reason,
        } = self;
        write!(formatter, "line {line} column {column}: {reason}, at ")?;
        match found.as_str() {
            "" => formatter.write_str("the end"),
            found => write!(formatter, "`{found}`"),
        }
    }
}

impl std::error::Error for SyntaxError {}
