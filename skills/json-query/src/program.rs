//! An expression, compiled, and its run over a value.

use crate::builtins::{Language, definitions, functions};
use crate::syntax::SyntaxError;
use jaq_core::load::{self, Arena, File, Loader, Modules};
use jaq_core::{Compiler, Ctx, Exn, Filter, Vars};
use jaq_json::Val;
use std::fmt;

/// How deep the brackets of an expression may be nested: it is read and
/// compiled by recursion.
const MAX_DEPTH: usize = 64;

/// How many operators an expression may have, for the same reason.
const MAX_OPERATORS: usize = 256;

type Errors<'s> = load::Errors<&'s str, ()>;

/// A compiled expression.
pub struct Program(Filter<Language>);

/// What a program gave.
#[derive(Debug)]
pub struct Results {
    /// In the order in which they came.
    pub values: Vec<Val>,
    /// Whether there were more than were asked for.
    pub truncated: bool,
}

/// A program that stopped with an error.
#[derive(Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// An error of jq's, such as `cannot index 1 with "a"`.
    Raised(String),
    /// `halt(n)` with a number other than 0.
    Halted(i32),
}

impl Program {
    /// Compiles an expression.
    ///
    /// # Errors
    /// If it cannot be read, or uses a name that means nothing.
    pub fn compile(expression: &str) -> Result<Self, SyntaxError> {
        check_size(expression)?;
        let arena = Arena::default();
        let file = File {
            code: expression,
            path: (),
        };
        let modules = Loader::new(definitions())
            .load(&arena, file)
            .and_then(without_imports)
            .map_err(|errors| SyntaxError::of_load(expression, &errors))?;
        Compiler::default()
            .with_funs(functions())
            .compile(modules)
            .map(Self)
            .map_err(|errors| SyntaxError::of_compile(expression, &errors))
    }

    /// Runs over `input` until there are `limit` results and one more.
    ///
    /// # Errors
    /// If the program stops with an error before that.
    pub fn run(&self, input: Val, limit: usize) -> Result<Results, RuntimeError> {
        let context = Ctx::<Language>::new(&self.0.lut, Vars::new([]));
        let mut values = Vec::new();
        for result in self.0.id.run((context, input)) {
            match result {
                _ if values.len() == limit => {
                    return Ok(Results {
                        values,
                        truncated: true,
                    });
                }
                Ok(value) => values.push(value),
                Err(exception) => {
                    RuntimeError::of(exception)?;
                    break;
                }
            }
        }
        Ok(Results {
            values,
            truncated: false,
        })
    }
}

impl RuntimeError {
    /// `halt` alone is no error: it ends the results.
    fn of(exception: Exn<'_, Val>) -> Result<(), Self> {
        match exception.get_err().map_err(Exn::get_halt) {
            Ok(error) => Err(Self::Raised(message(error.into_val()))),
            Err(Ok(0)) => Ok(()),
            Err(Ok(status)) => Err(Self::Halted(status)),
            Err(Err(_)) => Err(Self::Raised("a label was broken from outside".into())),
        }
    }
}

/// A string as it is: it was written as a message.
fn message(raised: Val) -> String {
    match raised {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        other => other.to_string(),
    }
}

/// `import "file" as $name` is read like a module, but without files there is
/// nothing to put into the variable.
fn without_imports<'s>(modules: Modules<&'s str, ()>) -> Result<Modules<&'s str, ()>, Errors<'s>> {
    load::import(&modules, |_| Err("module loading not supported".into()))?;
    Ok(modules)
}

/// Counts what would be read by recursion; not aware of strings, which only
/// makes it refuse a little more.
fn check_size(expression: &str) -> Result<(), SyntaxError> {
    let mut depth = 0usize;
    let mut operators = 0;
    for (position, character) in expression.char_indices() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '|' | ',' | '+' | '-' | '*' | '/' | '%' | '=' | '<' | '>' => operators += 1,
            _ => {}
        }
        let reason = match (depth > MAX_DEPTH, operators > MAX_OPERATORS) {
            (true, _) => format!("nested deeper than {MAX_DEPTH} levels"),
            (_, true) => format!("more than {MAX_OPERATORS} operators"),
            _ => continue,
        };
        let part = expression.get(position..).unwrap_or_default();
        return Err(SyntaxError::at(expression, part, reason));
    }
    Ok(())
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Program").finish_non_exhaustive()
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raised(message) => formatter.write_str(message),
            Self::Halted(status) => write!(formatter, "halted with status {status}"),
        }
    }
}

impl std::error::Error for RuntimeError {}
