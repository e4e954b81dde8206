//! What of an answer is sent at once, and what is kept to be read in pages.
//!
//! Small answers pass as they are. Of a larger one each large block becomes a
//! document: its beginning stays in the result, with a link to its first page.
//! If there are too many of them, the whole content becomes one document of JSON.
//! The structured part is sent as long as there is room for it. If there is not,
//! and the tool promises one, the result is a failure that can be read all the
//! same: clients refuse any other result without the structured part.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use super::cut::{Body, Document, Part, escaped_length, starts_of_text};
use super::store::Outputs;
use crate::answer::{self, Content};
use crate::invocation::Principal;
use crate::manifest::text::one_line;
use crate::mcp::result::block;

/// What a result holds besides content and structured part, in bytes: `_meta`,
/// and the words and links of what is kept.
const ENVELOPE: u64 = 24 * 1024;

/// What a block holds besides its texts, in bytes.
const BLOCK: u64 = 128;

/// Blocks of fewer bytes stay in the result.
const SMALL: u64 = 4 * 1024;

/// The most documents of one answer.
const MAX_DOCUMENTS: usize = 4;

/// How much of a text is shown of what is kept, in bytes of JSON.
const MAX_SHOWN: usize = 1500;

/// The longest name and media type that a document takes from a skill.
const MAX_NAME: usize = 100;

/// Whose answer to what.
#[derive(Debug, Clone, Copy)]
pub(in crate::mcp) struct Of<'a> {
    /// Who called.
    pub(in crate::mcp) caller: &'a Principal,
    /// Which tool, as it is listed.
    pub(in crate::mcp) tool: &'a str,
    /// Whether it promises a structured answer.
    pub(in crate::mcp) is_structured: bool,
}

/// The result of a call that succeeded, no larger than a client takes.
pub(in crate::mcp) fn fit(outputs: &Outputs, of: Of<'_>, output: answer::Output) -> CallToolResult {
    let room = outputs.paging().inline.saturating_sub(ENVELOPE);
    let structured = output.structured.as_ref().map_or(0, weight_of_json);
    if weigh(&output, structured) <= room {
        return whole(output);
    }
    let mut parts = Parts {
        outputs,
        of,
        blocks: Vec::new(),
    };
    let keeps_structured = structured <= room / 2;
    let rest = if keeps_structured {
        room - structured
    } else {
        room
    };
    parts.content(output.content, rest);
    if let Some(value) = &output.structured
        && (!keeps_structured || parts.blocks.is_empty())
    {
        parts.keep(structured_document(of, value, outputs));
    }
    let is_missing = !keeps_structured && of.is_structured;
    if is_missing {
        parts.blocks.insert(0, ContentBlock::text(MISSING));
    }
    let mut result = CallToolResult::success(parts.blocks);
    result.is_error = Some(is_missing);
    result.structured_content = output.structured.filter(|_| keeps_structured);
    result
}

/// Said first where a promised structured answer is left out.
const MISSING: &str = "The tool answered, but its structured answer is too large to be sent, so this does not count as one. It can be read as text.";

fn whole(output: answer::Output) -> CallToolResult {
    let mut content: Vec<ContentBlock> = output.content.into_iter().map(block).collect();
    if let (true, Some(structured)) = (content.is_empty(), &output.structured) {
        content.push(ContentBlock::text(structured.to_string()));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = output.structured;
    result
}

/// The blocks of a result while it is made.
struct Parts<'a> {
    outputs: &'a Outputs,
    of: Of<'a>,
    blocks: Vec<ContentBlock>,
}

impl Parts<'_> {
    fn content(&mut self, content: Vec<Content>, room: u64) {
        let large = content.iter().filter(|it| weight(it) > SMALL).count();
        let small: u64 = content.iter().map(weight).filter(|it| *it <= SMALL).sum();
        if large > MAX_DOCUMENTS || small > room / 2 {
            return self.keep(content_document(self.of, &content, self.outputs));
        }
        for content in content {
            if weight(&content) <= SMALL {
                self.blocks.push(block(content));
            } else {
                self.keep(document(self.of, content, self.outputs));
            }
        }
    }

    /// Keeps a document, and shows where it begins and where it is.
    fn keep(&mut self, document: Document) {
        let size = bytesize::ByteSize::b(document.size() as u64)
            .display()
            .iec();
        let (beginning, pages) = (beginning(&document), document.pages());
        let Some(kept) = self.outputs.keep(self.of.caller, document) else {
            let text = format!(
                "{beginning}[This was {size}, more than can be sent or kept. Call the tool again and ask for less.]"
            );
            return self.blocks.push(ContentBlock::text(text));
        };
        let link = super::resource(&kept);
        let minutes = kept.left.as_secs().div_ceil(60);
        self.blocks.push(ContentBlock::text(format!(
            "{beginning}[This is {size}, more than is sent at once. All of it is kept for {minutes} min as {pages} pages: read the resource {}, and so on to the last page; or call the tool again and ask for less.]",
            link.uri
        )));
        self.blocks.push(ContentBlock::resource_link(link));
    }
}

/// Where a text begins, and that it goes on.
fn beginning(document: &Document) -> String {
    let Some(Part::Text(text)) = document.part(1) else {
        return String::new();
    };
    let end = starts_of_text(text, MAX_SHOWN).get(1).copied();
    let shown = end.and_then(|end| text.get(..end)).unwrap_or(text);
    format!("{shown}…\n\n")
}

fn document(of: Of<'_>, content: Content, outputs: &Outputs) -> Document {
    let short = |text: &str| one_line(text, MAX_NAME);
    let (mime_type, body) = match content {
        Content::Text(text) => (Some("text/plain".to_owned()), Body::Text(text)),
        Content::Image(bytes, mime_type) | Content::Audio(bytes, mime_type) => {
            (Some(short(&mime_type)), Body::Bytes(bytes))
        }
        Content::Embedded {
            mime_type, body, ..
        } => {
            let body = match body {
                answer::Body::Text(text) => Body::Text(text),
                answer::Body::Bytes(bytes) => Body::Bytes(bytes),
            };
            (mime_type.as_deref().map(short), body)
        }
        link @ Content::Link { .. } => return content_document(of, &[link], outputs),
    };
    made(of, mime_type, body, outputs)
}

/// Content as MCP writes it.
fn content_document(of: Of<'_>, content: &[Content], outputs: &Outputs) -> Document {
    // What is made of strings and numbers can be written.
    let text = serde_json::to_string(content).unwrap_or_default();
    json_document(of, text, outputs)
}

fn structured_document(of: Of<'_>, value: &Value, outputs: &Outputs) -> Document {
    json_document(of, value.to_string(), outputs)
}

fn json_document(of: Of<'_>, text: String, outputs: &Outputs) -> Document {
    let mime_type = Some("application/json".to_owned());
    made(of, mime_type, Body::Text(text), outputs)
}

fn made(of: Of<'_>, mime_type: Option<String>, body: Body, outputs: &Outputs) -> Document {
    let page = usize::try_from(outputs.paging().page).unwrap_or(usize::MAX);
    Document::new(of.tool.to_owned(), mime_type, body, page)
}

/// How large an answer is as a result, in bytes of JSON. Its structured part
/// stands there twice if there is nothing else to read.
fn weigh(output: &answer::Output, structured: u64) -> u64 {
    let content: u64 = output.content.iter().map(weight).sum();
    match (&output.structured, output.content.is_empty()) {
        (Some(value), true) => structured + BLOCK + escaped(&value.to_string()),
        _ => content + structured,
    }
}

fn weight(content: &Content) -> u64 {
    let optional = |text: &Option<String>| text.as_deref().map_or(0, escaped);
    BLOCK
        + match content {
            Content::Text(text) => escaped(text),
            Content::Image(bytes, mime_type) | Content::Audio(bytes, mime_type) => {
                base64(bytes) + escaped(mime_type)
            }
            Content::Embedded {
                uri,
                mime_type,
                body,
            } => {
                let body = match body {
                    answer::Body::Text(text) => escaped(text),
                    answer::Body::Bytes(bytes) => base64(bytes),
                };
                body + escaped(uri) + optional(mime_type)
            }
            Content::Link {
                uri,
                name,
                description,
                mime_type,
            } => escaped(uri) + escaped(name) + optional(description) + optional(mime_type),
        }
}

/// Of a short text its length is not measured: no character has more than six
/// bytes.
fn escaped(text: &str) -> u64 {
    let length = match text.len() {
        short @ ..512 => short * 6,
        _ => escaped_length(text),
    };
    length as u64
}

const fn base64(bytes: &[u8]) -> u64 {
    bytes.len() as u64 / 3 * 4 + 4
}

fn weight_of_json(value: &Value) -> u64 {
    let mut count = Count(0);
    // Counting does not fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// Counts what is written.
struct Count(u64);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
