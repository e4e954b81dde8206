//! A skill that fetches a web page and gives it as something to read.

mod address;
mod answer;
mod media;
mod page;
mod part;
mod plain;
mod request;
mod status;

use answer::{Excerpt, Fetched, Form};
use skillhost_sdk::prelude::*;

/// Fetches a web page and gives it as Markdown, without scripts, styles and
/// navigation. A long page comes in parts: go on with `start`.
#[tool(title = "Fetch a web page", read_only, open_world)]
fn fetch(
    /// Absolute http or https address
    #[schema(min_length = 1, max_length = 8192, example = "https://example.org/")]
    url: String,
    /// What to make of the page
    #[schema(default = "markdown")]
    r#as: Form,
    /// The first character of the text to give: `next_start` of the last answer
    #[schema(default = 0)]
    start: u32,
    /// At most so many characters of text
    #[schema(minimum = 100, maximum = 500_000, default = 20_000)]
    max_chars: u32,
    /// Refuse a larger page, in bytes
    #[schema(minimum = 1, maximum = 8_388_608, default = 1_048_576)]
    max_bytes: u32,
) -> Result<Fetched> {
    let address = address::parse(&url)?;
    let (url, response) = request::follow(address, r#as.accepted(), max_bytes as usize)?;
    answer::from(
        &url,
        &response,
        r#as,
        Excerpt {
            start: start as usize,
            length: max_chars as usize,
        },
    )
}

skillhost_sdk::export!(fetch);

#[cfg(test)]
mod tests;
