//! `skillhost new` and `skillhost build`: for those who write skills.

use std::fs;
use std::path::{Path, PathBuf};

use anstyle::AnsiColor;
use clap::Args;
use serde_json::json;

use super::keys::PasswordOptions;
use super::options::{ToolchainOption, existing, signing};
use super::terminal::{labelled, note, print, print_json, size};
use super::{ExitStatus, Session};
use crate::artifact::Artifact;
use crate::build::{self, Report, Route, SdkSource, report};
use crate::error::{Error, Kind, Result};
use crate::manifest::text::one_line;
use crate::manifest::{Manifest, Source, section};
use crate::sign::PrivateKey;

/// What an author writes beside the code.
const SKILL_TOML: &str = "skill.toml";

/// The largest component that is offered without a word, in bytes.
const LARGE: u64 = crate::artifact::MAX_COMPONENT;

/// Begin a new skill: a folder with a tool, its tests and what it needs to build
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name of the skill and of its folder: a-z, 0-9 and -
    name: String,
    /// Use the SDK in this folder instead of the one that skillhost carries
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl New {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let sdk = self
            .sdk
            .clone()
            .map_or(SdkSource::Embedded, SdkSource::Folder);
        let folder = build::scaffold(Path::new("."), &self.name, sdk, &session.places.data)
            .map_err(|cause| Error::new(Kind::InvalidRequest, sentence(&cause.to_string())))?;
        if self.json {
            print_json(&json!({"folder": folder}))?;
        } else {
            print(&format!("{}\n", folder.display()))?;
            note(&format!(
                "Next: cd {}, cargo test, skillhost run .",
                self.name
            ));
        }
        Ok(ExitStatus::Ok)
    }
}

/// Build a skill's source folder into a component that carries its manifest
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The skill's folder, with its Cargo.toml and skill.toml
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Sign the component with this private key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordOptions,
    /// Where to put the component [default: skillhost/ in cargo's target folder]
    #[arg(long, value_name = "FOLDER", conflicts_with = "install")]
    out: Option<PathBuf>,
    /// Install the component for `skillhost serve`, signed with --sign or with your own key
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    toolchain: ToolchainOption,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Build {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let key = self.key(session)?;
        let out = if self.install {
            Some(session.skills_folder())
        } else {
            self.out.clone()
        };
        let built = component(
            session,
            &self.folder,
            out.as_deref(),
            self.toolchain.toolchain,
        )?;
        let bundle = key
            .map(|key| key.sign_file(&built.path, None))
            .transpose()
            .map_err(signing)?;
        if self.json {
            print_json(&json!({
                "component": built.path, "bytes": built.bytes, "bundle": bundle,
                "name": built.manifest.name, "version": built.manifest.version,
            }))?;
        } else {
            print(&format!("{}\n", built.path.display()))?;
            note(&format!(
                "{} {}: {}, {}",
                built.manifest.name,
                built.manifest.version,
                size(built.bytes as u64),
                if bundle.is_some() {
                    "signed"
                } else {
                    "not signed yet (skillhost sign FILE --key KEY)"
                }
            ));
            if self.install {
                warn_of_refusal(session, &built.path);
            }
        }
        Ok(ExitStatus::Ok)
    }

    /// What the component is signed with, if it is.
    fn key(&self, session: &Session) -> Result<Option<PrivateKey>> {
        match (&self.sign, self.install) {
            (Some(path), _) => self.password.load(path).map(Some),
            (None, _) if self.password.is_given() => Err(Error::new(
                Kind::InvalidRequest,
                "There is a password, and no key that it is for.",
            )
            .with_hint("Name the encrypted key with --sign KEY.")),
            (None, true) => session.local_key().map(Some),
            (None, false) => Ok(None),
        }
    }
}

/// What is installed may still not be served: better told now.
fn warn_of_refusal(session: &Session, component: &Path) {
    let judged = session.serving_verifier().and_then(|verifier| {
        let artifact = Artifact::open(component)?;
        verifier.verify(artifact).map_err(Error::from)
    });
    if let Err(error) = judged {
        let hint = error.hint().unwrap_or_default();
        let text = one_line(
            &format!("`skillhost serve` will not run it: {error} {hint}"),
            1000,
        );
        labelled("warning", AnsiColor::Yellow, &text);
    }
}

/// A component on disk.
pub(super) struct Built {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    bytes: usize,
}

/// Compiles the skill in `folder`, adds its manifest and writes the component.
pub(super) fn component(
    session: &Session,
    folder: &Path,
    out: Option<&Path>,
    route: Route,
) -> Result<Built> {
    let folder = existing(folder)?;
    let source = source(&folder)?;
    let report = report::for_standard_error();
    let compiled = compile(session, &folder, route, &*report)?;
    let unreadable = |cause| unusable(&compiled.component, &cause);
    let component = fs::read(&compiled.component).map_err(unreadable)?;
    let (packed, manifest) = pack(&component, source, &folder)?;
    if packed.len() as u64 > LARGE {
        return Err(Error::new(
            Kind::CompileLimit,
            format!(
                "The component is {} bytes; a host takes at most {LARGE}.",
                packed.len()
            ),
        ));
    }
    let out = out.map_or_else(|| compiled.target_dir.join("skillhost"), Path::to_owned);
    let path = out.join(format!("{}.wasm", manifest.name));
    write_if_changed(&path, &packed)?;
    Ok(Built {
        path,
        manifest,
        bytes: packed.len(),
    })
}

fn compile(
    session: &Session,
    folder: &Path,
    route: Route,
    report: &dyn Report,
) -> Result<build::CargoOutput> {
    let failed = |cause: String| Error::new(Kind::InvalidRequest, sentence(&cause));
    let toolchain =
        build::ensure(route, folder, &session.places.cache, report).map_err(|cause| {
            failed(cause.to_string())
                .with_hint("`skillhost doctor` says what is there and how to get the rest.")
        })?;
    build::compile(folder, &toolchain, report).map_err(|cause| failed(cause.to_string()))
}

fn source(folder: &Path) -> Result<Source> {
    let path = folder.join(SKILL_TOML);
    match fs::read_to_string(&path) {
        Ok(text) => Source::parse(&text).map_err(|cause| wrong_source(&path, &cause.to_string())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Source::default()),
        Err(cause) => Err(unusable(&path, &cause)),
    }
}

/// The component with its complete manifest, and the manifest.
fn pack(component: &[u8], source: Source, folder: &Path) -> Result<(Vec<u8>, Manifest)> {
    let wrong = |problem: String| wrong_source(&folder.join(SKILL_TOML), &problem);
    let sections = section::read(component).map_err(|cause| {
        Error::new(
            Kind::ComponentInvalid,
            format!("What cargo built is no component: {cause}."),
        )
    })?;
    let json = source
        .manifest(sections.manifest)
        .map_err(|cause| wrong(cause.to_string()))?;
    let manifest = Manifest::parse(Some(&json)).map_err(|cause| wrong(cause.to_string()))?;
    Ok((section::append(component, &json), manifest))
}

/// Leaves an equal file alone, so that its signature stays valid and a host
/// that serves it sees no change.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    crate::file::replace(path, bytes).map_err(|cause| unusable(path, &cause))
}

fn wrong_source(path: &Path, problem: &str) -> Error {
    Error::new(
        Kind::ManifestInvalid,
        format!(
            "{} does not make a skill: {}",
            path.display(),
            sentence(problem)
        ),
    )
}

fn unusable(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Kind::InvalidRequest,
        format!("{} cannot be used: {cause}.", path.display()),
    )
}

/// `text` with a full stop, unless it ends with one or with a line of its own.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '`']) || text.contains('\n') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
