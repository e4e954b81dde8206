//! Results that are larger than a client takes, as resources in pages.
//!
//! What a tool answers beyond [`Paging::inline`] is kept by the host for a while,
//! and the result has its beginning and links to it:
//!
//! ```text
//! skillhost://output/ID/PAGE      ID: 32 hexadecimal digits; PAGE: from 1
//! ```
//!
//! An id is random and of no use to anybody but the caller whose call it was:
//! for others, as for one that is no longer kept, there is no such resource.

mod cut;
mod fit;
mod store;
mod uri;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CacheScope, ErrorData, ListResourceTemplatesResult, ListResourcesResult, MetaObject,
    PaginatedRequestParams, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

use self::cut::Part;
pub(super) use self::fit::{Of, fit};
use self::store::Output;
pub(crate) use self::store::Outputs;
pub use self::store::Paging;
use self::uri::PageUri;
use super::caller::Caller;
use super::result::PREFIX;
use super::tools;
use crate::host::Host;
use crate::invocation::Principal;
use crate::time::millis;

/// For how long a client may keep the one template, in milliseconds.
const TEMPLATE_TTL: u64 = 3_600_000;

/// Whose outputs are read: those of one caller, and of them those of tools that it
/// still finds in the list. One caller may have several keys, and not each of them
/// is for every tool.
#[derive(Clone, Copy)]
struct Reader<'a> {
    outputs: &'a Outputs,
    caller: &'a Principal,
    finds: &'a dyn Fn(&str) -> bool,
}

/// The kept outputs of a caller, the oldest first.
///
/// # Errors
///
/// `-32602` for a cursor: there is one page of them.
pub(super) fn list(
    host: &Host,
    caller: &Caller,
    request: Option<&PaginatedRequestParams>,
) -> Result<ListResourcesResult, ErrorData> {
    check_first_page(request)?;
    Ok(Reader {
        outputs: host.outputs(),
        caller: &caller.principal,
        finds: &|tool| tools::ask(host, caller, tool, |_| ()).is_some(),
    }
    .list())
}

/// The one form of address that there is.
///
/// # Errors
///
/// `-32602` for a cursor.
pub(super) fn templates(
    request: Option<&PaginatedRequestParams>,
) -> Result<ListResourceTemplatesResult, ErrorData> {
    check_first_page(request)?;
    let template = ResourceTemplate::new(uri::TEMPLATE, "output")
        .with_title("A page of a large output")
        .with_description(
            "A tool whose output is larger than what is sent at once links to its first page. `page` counts from 1.",
        );
    let mut list = ListResourceTemplatesResult::with_all_items(vec![template]);
    list.ttl_ms = Some(TEMPLATE_TTL);
    list.cache_scope = Some(CacheScope::Private);
    Ok(list)
}

/// One page of a kept output.
///
/// # Errors
///
/// `-32002` (in the revisions since 2026-07-28 `-32602`), the same for each
/// address that names nothing of this caller's.
pub(super) fn read(
    host: &Host,
    caller: &Caller,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let reader = Reader {
        outputs: host.outputs(),
        caller: &caller.principal,
        finds: &|tool| tools::ask(host, caller, tool, |_| ()).is_some(),
    };
    reader.read(uri)
}

impl Reader<'_> {
    fn list(self) -> ListResourcesResult {
        let kept = self.outputs.of(self.caller);
        let found = kept.iter().filter(|it| (self.finds)(&it.document.tool));
        let mut list = ListResourcesResult::with_all_items(found.map(resource).collect());
        // Each call can add to it.
        list.ttl_ms = Some(0);
        list.cache_scope = Some(CacheScope::Private);
        list
    }

    fn read(self, uri: &str) -> Result<ReadResourceResult, ErrorData> {
        let page = PageUri::parse(uri).ok_or_else(no_such_resource)?;
        let output = self.outputs.find(self.caller, page.id);
        let output = output.filter(|it| (self.finds)(&it.document.tool));
        let output = output.ok_or_else(no_such_resource)?;
        let part = output.document.part(page.number);
        let part = part.ok_or_else(no_such_resource)?;
        let mut contents = vec![contents(&output, page, part)];
        contents.extend(whats_next(&output, page));
        let mut result = ReadResourceResult::new(contents);
        result.ttl_ms = Some(millis(output.left));
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }
}

/// A link to the first page.
fn resource(output: &Output) -> Resource {
    let document = &output.document;
    let uri = PageUri::first(output.id).to_string();
    let mut link = Resource::new(uri, format!("output of {}", document.tool))
        .with_description(format!(
            "Page 1 of {} of a large output, kept for {} seconds more.",
            document.pages(),
            output.left.as_secs()
        ))
        .with_size(document.size() as u64);
    link.mime_type.clone_from(&document.mime_type);
    link
}

fn contents(output: &Output, page: PageUri, part: Part<'_>) -> ResourceContents {
    let pages = output.document.pages();
    let mut meta = serde_json::Map::new();
    meta.insert(format!("{PREFIX}page"), json!(page.number));
    meta.insert(format!("{PREFIX}pages"), json!(pages));
    if page.number < pages {
        meta.insert(format!("{PREFIX}next"), json!(page.next().to_string()));
    }
    let (uri, mime_type) = (page.to_string(), output.document.mime_type.clone());
    let meta = Some(MetaObject(meta));
    match part {
        Part::Text(text) => ResourceContents::TextResourceContents {
            uri,
            mime_type,
            text: text.to_owned(),
            meta,
        },
        Part::Bytes(bytes) => ResourceContents::BlobResourceContents {
            uri,
            mime_type,
            blob: STANDARD.encode(bytes),
            meta,
        },
    }
}

/// Models read no `_meta`, so where it goes on is said in words, after the page
/// and apart from it.
fn whats_next(output: &Output, page: PageUri) -> Option<ResourceContents> {
    let pages = output.document.pages();
    let text = (page.number < pages).then(|| {
        format!(
            "[This was page {} of {pages}. It goes on at {}]",
            page.number,
            page.next()
        )
    });
    text.map(|text| ResourceContents::text(text, page.to_string()))
}

fn check_first_page(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor.as_ref()) {
        Some(_) => Err(ErrorData::invalid_params(
            "There is one page: call without a cursor.",
            None,
        )),
        None => Ok(()),
    }
}

/// One text for all of them: whether somebody else has it is nobody's business.
fn no_such_resource() -> ErrorData {
    ErrorData::resource_not_found(
        "There is no such resource, or it is no longer kept. Call the tool again.",
        None,
    )
}

#[cfg(test)]
mod tests;
