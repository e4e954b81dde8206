//! Counts and readability of a text, as a skill.

pub mod passage;
pub mod readability;
pub mod stats;
pub mod syllables;
pub mod vocabulary;

use skillhost_sdk::prelude::*;
use stats::Stats;
use vocabulary::Selection;

/// Counts the characters, words, sentences and paragraphs of a text, says how
/// hard it is to read and how long that takes, and lists its most frequent
/// words.
///
/// The counts hold for any language that puts spaces between words. Syllables,
/// readability and reading time are for English only; pass over them otherwise.
#[tool(title = "Analyse text", read_only, idempotent, open_world = false)]
fn analyze(
    /// The text to look at
    #[schema(min_length = 1, max_length = 10_000_000)]
    text: String,
    /// How many of the most frequent words to list
    #[schema(maximum = 100, default = 10)]
    top: u32,
    /// Leave words shorter than this out of the list
    #[schema(minimum = 1, maximum = 50, default = 1)]
    min_length: u32,
    /// Leave common English words like "the" out of the list
    #[schema(default = true)]
    ignore_common: bool,
) -> Result<Stats> {
    Ok(Stats::of(
        &text,
        Selection {
            top,
            min_length,
            ignore_common,
        },
    ))
}

skillhost_sdk::export!(analyze);
