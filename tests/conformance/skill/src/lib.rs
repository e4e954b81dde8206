//! The tools that the conformance suite of MCP calls. What each must answer
//! stands in the suite's scenarios; `.ci/conformance` gives them the names there.

mod asking;
mod lasting;

use std::thread::sleep;
use std::time::Duration;

use asking::{
    capabilities, elicitation, list_roots, missing_capability, multi_round, multiple_inputs,
    request_state, sampling, streaming_elicitation, tampered_state,
};
use lasting::{greet, protocol_error_job, tool_with_task};
use skillhost_sdk::prelude::*;
use skillhost_sdk::{EmbeddedResource, ResourceBody, log, progress};

/// One red pixel.
const PNG: &[u8] = include_bytes!("pixel.png");

/// No samples, 44,100 of them in each second.
const WAV: &[u8] = include_bytes!("silence.wav");

/// Between two reports, so that they are sent one by one.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers with a text.
#[tool(read_only)]
fn simple_text() -> Result<String> {
    Ok("This is a simple text response for testing.".to_owned())
}

/// Answers with an image.
#[tool(read_only)]
fn image_content() -> Result<Output> {
    Ok(Output::new().image(PNG, "image/png"))
}

/// Answers with a sound.
#[tool(read_only)]
fn audio_content() -> Result<Output> {
    Ok(Output::new().audio(WAV, "audio/wav"))
}

/// Answers with a document.
#[tool(read_only)]
fn embedded_resource() -> Result<Output> {
    Ok(Output::new().embedded(document(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    )))
}

/// Answers with a text, an image and a document.
#[tool(read_only)]
fn multiple_content_types() -> Result<Output> {
    let answer = Output::text("Multiple content types test:").image(PNG, "image/png");
    Ok(answer.embedded(document(
        "test://mixed-content-resource",
        "application/json",
        r#"{"test":"data","value":123}"#,
    )))
}

/// Fails.
#[tool(read_only)]
fn error_handling() -> Result<String> {
    Err(Error::failed(
        "This tool intentionally returns an error for testing",
    ))
}

/// Reports how far it is.
#[tool(read_only)]
fn tool_with_progress() -> Result<String> {
    for done in [0.0, 50.0, 100.0] {
        progress(done, Some(100.0), None);
        sleep(PAUSE);
    }
    Ok("All of it is done.".to_owned())
}

/// Logs lines, which a client hears that says from which level on.
#[tool(read_only)]
fn logging_tool() -> Result<String> {
    tool_with_logging()
}

/// Logs lines.
#[tool(read_only)]
fn tool_with_logging() -> Result<String> {
    for line in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        log::info(line);
        sleep(PAUSE);
    }
    Ok("All of it is written.".to_owned())
}

/// Takes an argument that a client also sends as a header.
#[tool(read_only)]
fn custom_header(
    #[schema(raw = r#"{"type": "string", "x-mcp-header": "Value"}"#)] value: String,
) -> Result<String> {
    Ok(value)
}

/// Tool with JSON Schema 2020-12 features
#[tool(
    read_only,
    input = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
        }},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"}
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false
    }"##
)]
fn json_schema(
    name: Option<String>,
    address: Option<Address>,
    #[serde(rename = "contactMethod")] contact_method: Option<String>,
    phone: Option<String>,
    email: Option<String>,
) -> Result<String> {
    let address = address.map(|it| [it.street, it.city]);
    let address = address.into_iter().flatten().flatten();
    let given = [name, contact_method, phone, email].into_iter().flatten();
    Ok(given.chain(address).collect::<Vec<_>>().join(", "))
}

/// Where somebody lives.
#[derive(Deserialize, Schema)]
struct Address {
    street: Option<String>,
    city: Option<String>,
}

fn document(uri: &str, mime_type: &str, text: &str) -> EmbeddedResource {
    EmbeddedResource {
        uri: uri.to_owned(),
        mime_type: Some(mime_type.to_owned()),
        body: ResourceBody::Text(text.to_owned()),
    }
}

skillhost_sdk::export!(
    simple_text,
    image_content,
    audio_content,
    embedded_resource,
    multiple_content_types,
    error_handling,
    tool_with_progress,
    logging_tool,
    tool_with_logging,
    custom_header,
    json_schema,
    elicitation,
    sampling,
    list_roots,
    request_state,
    tampered_state,
    multiple_inputs,
    multi_round,
    capabilities,
    missing_capability,
    streaming_elicitation,
    greet,
    protocol_error_job,
    tool_with_task,
);
