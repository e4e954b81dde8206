//! `skillhost inspect`: everything that a component says about itself.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::options::existing;
use super::terminal::{print_json, print_untrusted, size};
use super::{ExitStatus, Session};
use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::lock::secret_use;
use crate::manifest::text::one_line;
use crate::manifest::{Capabilities, Manifest, Sockets, Tool, section};
use crate::policy::limits::{Amount, LimitsChange};
use crate::time::millis;

/// Show a component's manifest, tools, wanted capabilities, imports, digest and signers. Nothing of it is run, signed or not
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The component
    file: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The longest note about an argument, in characters.
const MAX_NOTES: usize = 200;

/// What is known of a component without running it.
struct Findings {
    manifest: Manifest,
    document: Value,
    digest: String,
    bytes: usize,
    imports: Vec<String>,
    signatures: Signatures,
}

/// Whose signatures hold.
enum Signatures {
    Trusted(Vec<String>),
    Refused(Error),
}

impl Inspect {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let findings = Findings::of(&self.file, session)?;
        if self.json {
            print_json(&findings.json())?;
        } else {
            print_untrusted(&findings.text())?;
        }
        Ok(ExitStatus::Ok)
    }
}

impl Findings {
    fn of(file: &std::path::Path, session: &Session) -> Result<Self> {
        let artifact = Artifact::open(&existing(file)?)?;
        let sections = section::read(artifact.bytes()).map_err(|cause| {
            Error::new(
                Kind::ComponentInvalid,
                format!("{} is no skill: {cause}.", file.display()),
            )
        })?;
        let invalid = |cause: String| {
            Error::new(
                Kind::ManifestInvalid,
                format!("{}: {cause}.", file.display()),
            )
        };
        let manifest = Manifest::parse(sections.manifest).map_err(|cause| {
            invalid(cause.to_string())
                .with_hint("Build it with `skillhost build`, which writes the manifest.")
        })?;
        let document = serde_json::from_slice(sections.manifest.unwrap_or_default())
            .map_err(|cause| invalid(cause.to_string()))?;
        let (digest, bytes, imports) = (
            artifact.digest().to_string(),
            artifact.bytes().len(),
            sections.imports,
        );
        let signatures = match session.verifier()?.verify(artifact) {
            Ok(verified) => Signatures::Trusted(
                verified
                    .verdict()
                    .signers()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            ),
            Err(rejected) => Signatures::Refused(rejected.into()),
        };
        Ok(Self {
            manifest,
            document,
            digest,
            bytes,
            imports,
            signatures,
        })
    }

    fn json(&self) -> Value {
        let (signers, refused) = match &self.signatures {
            Signatures::Trusted(names) => (names.clone(), Value::Null),
            Signatures::Refused(error) => (
                Vec::new(),
                json!({"kind": error.kind(), "message": error.message()}),
            ),
        };
        json!({
            "manifest": self.document,
            "digest": self.digest,
            "bytes": self.bytes,
            "imports": self.imports,
            "signers": signers,
            "refused": refused,
        })
    }

    fn text(&self) -> String {
        let manifest = &self.manifest;
        let mut text = format!("{} {}\n", manifest.name, manifest.version);
        text += &format!(
            "digest   {}\nsize     {}\n",
            self.digest,
            size(self.bytes as u64)
        );
        text += &match &self.signatures {
            Signatures::Trusted(names) => format!("signers  {}\n", names.join(", ")),
            Signatures::Refused(error) => {
                format!("signers  none that this host trusts: {}\n", error.message())
            }
        };
        for line in manifest.description.lines() {
            text += &format!("\n  {line}");
        }
        text.push('\n');
        text += &format!("\nTools\n{}", tools(manifest));
        text += &format!("\nWants\n{}", wants(&manifest.capabilities));
        text += &format!(
            "\nLimits it holds to be enough\n{}",
            limits(&manifest.limits)
        );
        text += "\nImports\n";
        for import in &self.imports {
            text += &format!("  {}\n", one_line(import, MAX_NOTES));
        }
        text
    }
}

/// Tools with their arguments, two columns.
pub(super) fn tools(manifest: &Manifest) -> String {
    manifest.tools.iter().map(tool).collect()
}

fn tool(tool: &Tool) -> String {
    let mut text = format!("  {}", tool.name);
    for (stated, word) in [
        (tool.annotations.read_only, "read-only"),
        (tool.annotations.destructive, "destructive"),
        (tool.annotations.idempotent, "idempotent"),
        (tool.annotations.open_world, "open-world"),
    ] {
        if stated == Some(true) {
            text += &format!(" [{word}]");
        }
    }
    text.push('\n');
    for line in tool.description.lines() {
        text += &format!("    {line}\n");
    }
    let required: Vec<&str> = strings(tool.input_schema.get("required"));
    let arguments = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    for (name, schema) in arguments.into_iter().flatten() {
        text += &argument(name, schema, required.contains(&name.as_str()));
    }
    text
}

fn argument(name: &str, schema: &Value, required: bool) -> String {
    let mut notes = vec![kind(schema)];
    if required {
        notes.push("required".to_owned());
    }
    if let Some(default) = schema.get("default") {
        notes.push(format!("default {default}"));
    }
    let description = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut text = format!("      {name} ({})", one_line(&notes.join(", "), MAX_NOTES));
    if !description.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(text, ": {}", description.replace('\n', " "));
    }
    text.push('\n');
    text
}

fn kind(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" | ");
    }
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        several => strings(several),
    };
    let types: Vec<&str> = types.into_iter().filter(|kind| *kind != "null").collect();
    if types.is_empty() {
        "any".to_owned()
    } else {
        types.join(" | ")
    }
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    value
        .and_then(Value::as_array)
        .map(|values| values.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

fn wants(capabilities: &Capabilities) -> String {
    let mut text = String::new();
    if let Some(wanted) = &capabilities.filesystem {
        text += &format!(
            "  filesystem, {}{}: {}\n",
            wanted.access,
            optional(wanted.optional),
            wanted.reason
        );
    }
    if let Some(wanted) = &capabilities.http {
        let origins: Vec<String> = wanted.origins.iter().map(ToString::to_string).collect();
        text += &format!(
            "  http, {} to {}{}: {}\n",
            wanted.methods.join(" and "),
            origins.join(", "),
            optional(wanted.optional),
            wanted.reason
        );
    }
    if let Some(wanted) = &capabilities.sockets {
        text += &format!(
            "  sockets, {}{}: {}\n",
            endpoints(wanted),
            optional(wanted.optional),
            wanted.reason
        );
    }
    for (name, wanted) in &capabilities.secrets {
        text += &format!(
            "  {}{}: {}\n",
            secret_use(name, wanted),
            optional(wanted.optional),
            wanted.reason
        );
    }
    if let Some(wanted) = &capabilities.state {
        text += &format!("  state{}: {}\n", optional(wanted.optional), wanted.reason);
    }
    if text.is_empty() {
        "  nothing\n".to_owned()
    } else {
        text
    }
}

/// Raw connections by kind: `tcp to *:5432, listening on 127.0.0.1:8080`.
fn endpoints(wanted: &Sockets) -> String {
    let tcp = wanted.tcp.iter().map(|it| format!("tcp to {it}"));
    let udp = wanted.udp.iter().map(|it| format!("udp to {it}"));
    let listen = wanted.listen.iter().map(|it| format!("listening on {it}"));
    let endpoints: Vec<String> = tcp.chain(udp).chain(listen).collect();
    if endpoints.is_empty() {
        "no endpoint".to_owned()
    } else {
        endpoints.join(", ")
    }
}

const fn optional(optional: bool) -> &'static str {
    if optional { " (optional)" } else { "" }
}

fn limits(limits: &LimitsChange) -> String {
    let named = limits.named();
    if named.is_empty() {
        return "  the host's\n".to_owned();
    }
    named
        .into_iter()
        .map(|(name, amount)| format!("  {name} {}\n", written(amount)))
        .collect()
}

fn written(amount: Amount) -> String {
    match amount {
        Amount::Number(number) => super::terminal::count(number),
        Amount::Size(bytes) => size(bytes),
        Amount::Time(time) => format!("{} ms", millis(time)),
    }
}
