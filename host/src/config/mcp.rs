//! `[mcp]`: how large results are sent.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::trust::Page;
use crate::error::Result;
use crate::mcp::Paging;
use crate::policy::limits::{parse_size, parse_timeout};

/// The smallest result that is sent as a whole: below, there would be no room for
/// the links to what is not.
const MIN_INLINE: u64 = 64 << 10;

/// The largest.
const MAX_INLINE: u64 = 64 << 20;

/// The smallest page.
const MIN_PAGE: u64 = 1 << 10;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct McpTable {
    inline: Option<Spanned<String>>,
    page: Option<Spanned<String>>,
    keep: Option<Spanned<String>>,
    keep_size: Option<Spanned<String>>,
    keep_size_per_caller: Option<Spanned<String>>,
    keep_count: Option<u32>,
}

impl McpTable {
    pub(super) fn read(self, page: &Page<'_>) -> Result<Paging> {
        let usual = Paging::default();
        let inline = read(page, self.inline, inline)?.unwrap_or(usual.inline);
        let most = inline / 2;
        let size = read(page, self.page, |text| page_size(text, most))?;
        let all = read(page, self.keep_size, parse_size)?.unwrap_or(usual.keep_size);
        let own = read(page, self.keep_size_per_caller, parse_size)?;
        let keep: Option<Duration> = read(page, self.keep, parse_timeout)?;
        Ok(Paging {
            inline,
            page: size.unwrap_or(usual.page.min(most)),
            keep: keep.unwrap_or(usual.keep),
            keep_size: all,
            keep_size_per_caller: own.unwrap_or(usual.keep_size_per_caller.min(all)),
            keep_count: self.keep_count.unwrap_or(usual.keep_count),
        })
    }
}

fn read<T>(
    page: &Page<'_>,
    value: Option<Spanned<String>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>> {
    let read = value.map(|value| {
        let parsed = parse(value.get_ref());
        parsed.map_err(|problem| page.invalid_at(value.span().start, problem))
    });
    read.transpose()
}

fn inline(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (MIN_INLINE..=MAX_INLINE).contains(&size) {
        return Ok(size);
    }
    Err(format!(
        "`{text}` is out of range; a result is sent as a whole up to a size from 64 KiB to 64 MiB"
    ))
}

fn page_size(text: &str, most: u64) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (MIN_PAGE..=most).contains(&size) {
        return Ok(size);
    }
    Err(format!(
        "`{text}` is out of range; a page is from 1 KiB to half of `inline`"
    ))
}
