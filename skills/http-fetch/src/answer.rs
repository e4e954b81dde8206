//! What a response becomes for the model.

use skillhost_sdk::http::Response;
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::{self, Value};
use url::Url;

use crate::media::{Kind, MediaType};
use crate::page::Page;
use crate::part;

/// What to make of a page
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// Markdown with absolute links; text that is no HTML stays as it is
    Markdown,
    /// Text without any mark-up
    Text,
    /// The parsed JSON document, whole
    Json,
    /// The text as it was sent
    Html,
}

/// Which characters of a text to give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excerpt {
    /// The first, from 0.
    pub(crate) start: usize,
    /// How many.
    pub(crate) length: usize,
}

/// A page
#[derive(Debug, PartialEq, Serialize, Schema)]
pub(crate) struct Fetched {
    /// Its address, after redirects
    url: String,
    /// Status of the response
    status: u16,
    /// Media type, as the server states it
    content_type: Option<String>,
    /// Title of an HTML page
    title: Option<String>,
    /// The text, or the part of it that was asked for
    text: Option<String>,
    /// The document, if it was asked for as JSON
    json: Option<Value>,
    /// Whether the text goes on after this part
    truncated: bool,
    /// Where it goes on: pass it as `start`
    next_start: Option<usize>,
}

impl Form {
    /// The `accept` header of the request.
    pub(crate) fn accepted(self) -> &'static str {
        match self {
            Self::Markdown | Self::Text => {
                "text/markdown, text/html, application/xhtml+xml, text/plain;q=0.9, */*;q=0.5"
            }
            Self::Json => "application/json, */*;q=0.5",
            Self::Html => "text/html, application/xhtml+xml, */*;q=0.5",
        }
    }
}

/// The answer for a response.
///
/// # Errors
///
/// `failed` for a document that is no text, or no JSON where that is wanted.
pub(crate) fn from(
    url: &Url,
    response: &Response,
    form: Form,
    excerpt: Excerpt,
) -> Result<Fetched> {
    let content_type = response.header("content-type").map(str::to_owned);
    let empty = Fetched {
        url: url.to_string(),
        status: response.status,
        content_type,
        title: None,
        text: None,
        json: None,
        truncated: false,
        next_start: None,
    };
    if form == Form::Json {
        return Ok(Fetched {
            json: Some(json(url, &response.body)?),
            ..empty
        });
    }
    let (title, text) = read(url, response, form)?;
    let part = part::of(&text, excerpt.start, excerpt.length);
    Ok(Fetched {
        title,
        text: Some(part.text),
        truncated: part.next.is_some(),
        next_start: part.next,
        ..empty
    })
}

/// Title and text of a document.
fn read(url: &Url, response: &Response, form: Form) -> Result<(Option<String>, String)> {
    let media = response
        .header("content-type")
        .map(MediaType::parse)
        .unwrap_or_default();
    let kind = media.kind(&response.body);
    if kind == Kind::Binary {
        let message = format!(
            "{url} is no text but {:?}, {} bytes.",
            media.essence,
            response.body.len()
        );
        return Err(Error::failed(message).code("not-text"));
    }
    let text = media.decode(&response.body);
    if kind == Kind::Text {
        return Ok((None, text));
    }
    let page = Page::parse(&text, url);
    let content = match form {
        Form::Markdown => page.to_markdown(),
        Form::Text => page.to_text(),
        Form::Html | Form::Json => text,
    };
    Ok((page.title().map(str::to_owned), content))
}

/// JSON is UTF-8 (RFC 8259, section 8.1), whatever a header says.
fn json(url: &Url, body: &[u8]) -> Result<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        Error::failed(format!("{url} is no JSON document: {error}.")).code("not-json")
    })
}
