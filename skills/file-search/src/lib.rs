//! A skill that searches the granted directories with a regular expression.

mod answer;
mod excerpt;
mod find;
mod glob;
mod grants;
mod pattern;
mod rules;
mod walk;

use answer::{Call, nothing_granted, refused, unsearchable};
use find::{Found, Search};
use glob::NameGlob;
use pattern::{Meaning, Pattern};
use skillhost_sdk::prelude::*;
use walk::Filter;

/// Searches text files for lines that match a regular expression, and gives
/// each matching line once with its path, line number and column. Leaves out
/// binary and hidden files and what .gitignore and .ignore leave out.
#[tool(title = "Search files", read_only, idempotent, open_world = false)]
fn search(
    /// Regular expression (Rust syntax). No match spans two lines
    #[schema(min_length = 1, max_length = 1000)]
    pattern: String,
    /// Directory or file to search. Without it, every granted directory
    #[schema(max_length = 4096, example = "/src")]
    path: Option<String>,
    /// Only files with such a name, or with such a path if it holds a slash
    #[schema(max_length = 1000, examples = ["*.rs", "src/**/*.{ts,tsx}"])]
    glob: Option<String>,
    /// Take upper and lower case as the same
    #[schema(default = false)]
    ignore_case: bool,
    /// Take the pattern as plain text
    #[schema(default = false)]
    fixed_string: bool,
    /// Also search hidden files
    #[schema(default = false)]
    hidden: bool,
    /// Also search what .gitignore and .ignore leave out
    #[schema(default = false)]
    no_ignore: bool,
    /// Lines to show before and after each match
    #[schema(maximum = 20, default = 0)]
    context: u8,
    /// Stop after so many matching lines
    #[schema(minimum = 1, maximum = 2000, default = 200)]
    max_matches: u16,
    /// Pass over larger files, in bytes
    #[schema(maximum = 16_777_216, default = 2_097_152)]
    max_file_size: u32,
) -> Result<Found> {
    let search = Search {
        pattern: Pattern::new(
            &pattern,
            Meaning {
                ignore_case,
                fixed_string,
            },
        )
        .map_err(refused)?,
        filter: Filter { hidden, no_ignore },
        names: glob
            .as_deref()
            .map(NameGlob::new)
            .transpose()
            .map_err(refused)?,
        context: context.into(),
        max_matches: max_matches.into(),
        max_file_size: max_file_size.into(),
    };
    let roots = path.map_or_else(grants::directories, |path| vec![find::resolve(&path)]);
    if roots.is_empty() {
        return Err(nothing_granted());
    }
    search
        .run(&roots, &mut Call)
        .map_err(|(root, error)| unsearchable(root, &error))
}

skillhost_sdk::export!(search);

#[cfg(test)]
mod tests;
