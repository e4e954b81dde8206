//! What an expression can call.

use crate::document::check_depth;
use jaq_core::data::JustLut;
use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Error, load};
use jaq_json::{Val, read};
use jaq_std::ValT as _;

/// The values and the functions that a query works with.
pub(crate) type Language = JustLut<Val>;

/// Definitions in the language itself.
pub(crate) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let own = load::parse(include_str!("builtins.jq"), |parser| parser.defs());
    jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .chain(own.unwrap_or_default())
}

/// Definitions in Rust. Without `env`: what surrounds the skill is none of the
/// query's business.
pub(crate) fn functions() -> impl Iterator<Item = Fun<Language>> {
    jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        .filter(|(name, ..)| !matches!(*name, "env" | "fromjson"))
        .chain([run(("fromjson", v(0), |cv| bome(from_json(&cv.1))))])
}

/// As in jaq, but a string can hold what is nested too deep as well.
fn from_json(text: &Val) -> Result<Val, Error<Val>> {
    let bytes = text
        .as_utf8_bytes()
        .ok_or_else(|| Error::typ(text.clone(), "string"))?;
    let text = str::from_utf8(bytes).map_err(Error::str)?;
    check_depth(text).map_err(|error| Error::str(format_args!("fromjson: {error}")))?;
    read::parse_single(bytes).map_err(|error| Error::str(format_args!("fromjson: {error}")))
}
