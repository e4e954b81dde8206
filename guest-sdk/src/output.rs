//! What a tool answers.

use serde::Serialize;
use serde_json::Value;

use crate::{Error, Result};

/// An answer made of blocks, for tools that return more than one typed value.
///
/// ```
/// use skillhost_sdk::{Output, ResourceLink, serde_json::json};
///
/// let output = Output::text("Drawn.")
///     .image(b"\x89PNG", "image/png")
///     .link(ResourceLink::new("https://example.org/source", "source"))
///     .structured(&json!({ "width": 10 }));
/// assert_eq!(output.content().len(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    content: Vec<Content>,
    structured: Option<String>,
    /// Why a structured answer could not be written: the builder has no other
    /// way to say so, and the call must not seem to succeed.
    failure: Option<String>,
}

/// One block of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Text for the model; Markdown is welcome.
    Text(String),
    /// An image.
    Image {
        /// The image file.
        data: Vec<u8>,
        /// Media type (RFC 6838), for example `image/png`.
        mime_type: String,
    },
    /// A sound.
    Audio {
        /// The sound file.
        data: Vec<u8>,
        /// Media type (RFC 6838), for example `audio/ogg`.
        mime_type: String,
    },
    /// A document that travels with the answer.
    Embedded(EmbeddedResource),
    /// A document that the client can fetch when it wants it.
    Link(ResourceLink),
}

/// A document that travels with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedResource {
    /// Address of the document (RFC 3986).
    pub uri: String,
    /// Media type (RFC 6838).
    pub mime_type: Option<String>,
    /// What stands in it.
    pub body: ResourceBody,
}

/// The contents of an embedded document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceBody {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// The address of a document that does not travel with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceLink {
    /// Address of the document (RFC 3986).
    pub uri: String,
    /// Short name to show.
    pub name: String,
    /// What the document is.
    pub description: Option<String>,
    /// Media type (RFC 6838).
    pub mime_type: Option<String>,
}

impl Output {
    /// An answer without blocks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer of one text. Markdown is welcome.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new().push(Content::Text(text.into()))
    }

    /// Adds any block.
    #[must_use]
    pub fn push(mut self, block: Content) -> Self {
        self.content.push(block);
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn and_text(self, text: impl Into<String>) -> Self {
        self.push(Content::Text(text.into()))
    }

    /// Adds an image of a media type, for example `image/png`.
    #[must_use]
    pub fn image(self, data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        self.push(Content::Image {
            data: data.into(),
            mime_type: mime_type.into(),
        })
    }

    /// Adds a sound of a media type, for example `audio/ogg`.
    #[must_use]
    pub fn audio(self, data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        self.push(Content::Audio {
            data: data.into(),
            mime_type: mime_type.into(),
        })
    }

    /// Adds the address of a document.
    #[must_use]
    pub fn link(self, link: ResourceLink) -> Self {
        self.push(Content::Link(link))
    }

    /// Adds a document.
    #[must_use]
    pub fn embedded(self, resource: EmbeddedResource) -> Self {
        self.push(Content::Embedded(resource))
    }

    /// Sets the answer for programs. When there are no blocks beside it, the
    /// host adds its JSON as a text. A value that cannot be JSON (a map whose
    /// keys are no strings) makes the call fail.
    #[must_use]
    pub fn structured(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(json) => self.structured = Some(json),
            Err(error) => self.failure = Some(error.to_string()),
        }
        self
    }

    /// The blocks, in order.
    #[must_use]
    pub fn content(&self) -> &[Content] {
        &self.content
    }

    /// All text blocks, one line break between two.
    #[must_use]
    pub fn to_text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            Content::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The answer for programs, as JSON text.
    #[must_use]
    pub fn structured_json(&self) -> Option<&str> {
        self.structured.as_deref()
    }

    /// The answer for programs.
    #[must_use]
    pub fn structured_value(&self) -> Option<Value> {
        serde_json::from_str(self.structured.as_deref()?).ok()
    }

    pub(crate) fn checked(self) -> Result<Self> {
        match self.failure {
            Some(reason) => Err(Error::failed(format!(
                "The answer cannot be written as JSON: {reason}"
            ))),
            None => Ok(self),
        }
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (Vec<Content>, Option<String>) {
        (self.content, self.structured)
    }
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl EmbeddedResource {
    /// A document of text.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            mime_type: None,
            body: ResourceBody::Text(text.into()),
        }
    }

    /// A document of bytes.
    pub fn bytes(uri: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            uri: uri.into(),
            mime_type: None,
            body: ResourceBody::Bytes(bytes.into()),
        }
    }

    /// Sets the media type (RFC 6838).
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

impl ResourceLink {
    /// An address and the short name to show for it.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            description: None,
            mime_type: None,
        }
    }

    /// Says what the document is.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the media type (RFC 6838).
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}
