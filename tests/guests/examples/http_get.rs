//! Sends requests through the host's buffered import.

use skillhost_sdk::http::{Request, Response};
use skillhost_sdk::prelude::*;

/// What came back.
#[derive(Serialize, Schema)]
struct Answer {
    status: u16,
    location: Option<String>,
    body: String,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self {
            status: response.status,
            location: response.header("location").map(str::to_owned),
            body: response.text(),
        }
    }
}

/// Sends one request; a refusal is the tool's error.
#[tool(open_world)]
fn send(
    url: String,
    #[schema(default = "GET")] method: String,
    #[schema(default = "")] header: String,
    #[schema(default = "")] value: String,
) -> Result<Answer> {
    let mut request = Request::new(method, url).max_body(usize::MAX);
    if !header.is_empty() {
        request = request.header(header, value);
    }
    Ok(request.send()?.into())
}

/// Sends a request to each address and goes on whatever comes of it.
#[tool(open_world)]
fn probe(urls: Vec<String>) -> Result<Vec<String>> {
    let outcome = |url: String| match Request::get(url).send() {
        Ok(response) => response.status.to_string(),
        Err(error) => error.to_string(),
    };
    Ok(urls.into_iter().map(outcome).collect())
}

/// Sends a request with a credential that only the host knows.
#[tool(open_world)]
fn with_credential(url: String) -> Result<Answer> {
    Ok(Request::get(url).credential("token").send()?.into())
}

/// Sends that many bytes.
#[tool(open_world)]
fn post(url: String, bytes: usize) -> Result<Answer> {
    Ok(Request::post(url).body(vec![b'x'; bytes]).send()?.into())
}

/// Sends a request with a text of that many bytes in one place.
#[tool(open_world)]
fn long(place: String, bytes: usize) -> Result<Answer> {
    let text = "a".repeat(bytes);
    let request = match place.as_str() {
        "name" => Request::get(format!("http://{text}.test/")),
        "path" => Request::get(format!("http://public.test/{text}")),
        "method" => Request::new(text.to_uppercase(), "http://public.test/"),
        _ => Request::get("http://public.test/").header("x-long", text),
    };
    Ok(request.send()?.into())
}

skillhost_sdk::export!(send, probe, with_credential, post, long);
