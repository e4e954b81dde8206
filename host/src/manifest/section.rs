//! The custom section of a component that carries its manifest.

use serde::Deserialize;
use wasmparser::{Encoding, Parser, Payload};

/// Name of the section. LLVM's assembler refuses `:` and `-` in it.
pub const SECTION: &str = "skillhost_manifest";

/// The largest manifest, in bytes; sixty tools make about 77,000.
pub const MAX_SECTION: usize = 512 * 1024;

/// What a component says about itself without being run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sections<'a> {
    /// The manifest: of several the outermost, which packing appended.
    pub manifest: Option<&'a [u8]>,
    /// Names of what the component imports.
    pub imports: Vec<String>,
    /// Names of what the component exports.
    pub exports: Vec<String>,
}

/// Why bytes are no component that could be a skill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// Not WebAssembly at all.
    #[error("it is no WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A precompiled artifact of an engine.
    #[error("it is precompiled native code, which cannot be verified; give the `.wasm` component")]
    Precompiled,
    /// A core module.
    #[error("it is a core WebAssembly module, not a component; build it for `wasm32-wasip2`")]
    CoreModule,
    /// Broken somewhere.
    #[error("it is a broken component: {0}")]
    Malformed(String),
    /// Two manifests side by side: which one counts would be a guess.
    #[error("it carries two manifests")]
    Ambiguous,
    /// A manifest over [`MAX_SECTION`].
    #[error("its manifest is larger than {MAX_SECTION} bytes")]
    TooLarge,
}

/// Reads the sections of a component, compiling and running nothing.
pub fn read(bytes: &[u8]) -> Result<Sections<'_>, SectionError> {
    scan(bytes, true)
}

/// Reads the sections; names are left out unless they are wanted, since there
/// may be millions.
fn scan(bytes: &[u8], names: bool) -> Result<Sections<'_>, SectionError> {
    check_preamble(bytes)?;
    let malformed =
        |cause: wasmparser::BinaryReaderError| SectionError::Malformed(cause.to_string());
    let mut sections = Sections::default();
    let mut found: Option<(usize, &[u8])> = None;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == SECTION => {
                found = Some(outermost(found, (depth, section.data()))?);
            }
            Payload::ComponentImportSection(section) if names && depth == 0 => {
                for import in section {
                    sections
                        .imports
                        .push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if names && depth == 0 => {
                for export in section {
                    sections
                        .exports
                        .push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    sections.manifest = found.map(|(_, data)| data);
    Ok(sections)
}

/// The name that a component gives itself, if it can be read. Whoever goes on
/// with it reads the whole manifest, and refuses a broken one.
pub(crate) fn skill_name(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let manifest = scan(bytes, false).ok()?.manifest?;
    let named: Named = serde_json::from_slice(manifest).ok()?;
    Some(named.name)
}

/// The component with `manifest` appended as its outermost section.
#[must_use]
pub fn append(component: &[u8], manifest: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(manifest.len() + SECTION.len() + 5);
    write_leb128(SECTION.len(), &mut body);
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(manifest);
    let mut packed = Vec::with_capacity(component.len() + body.len() + 6);
    packed.extend_from_slice(component);
    packed.push(0);
    write_leb128(body.len(), &mut packed);
    packed.extend_from_slice(&body);
    packed
}

fn outermost<'a>(
    known: Option<(usize, &'a [u8])>,
    (depth, data): (usize, &'a [u8]),
) -> Result<(usize, &'a [u8]), SectionError> {
    if data.len() > MAX_SECTION {
        return Err(SectionError::TooLarge);
    }
    match known {
        Some((outer, _)) if outer == depth => Err(SectionError::Ambiguous),
        Some(known) if known.0 < depth => Ok(known),
        _ => Ok((depth, data)),
    }
}

/// Looks at the first bytes only, so that a wrong file gets a clear answer.
pub(crate) fn check_preamble(bytes: &[u8]) -> Result<(), SectionError> {
    if bytes.starts_with(b"\x7fELF") {
        return Err(SectionError::Precompiled);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(SectionError::NotWasm);
    }
    if Parser::is_component(bytes) {
        return Ok(());
    }
    if Parser::is_core_wasm(bytes) {
        return Err(SectionError::CoreModule);
    }
    Err(SectionError::Malformed(format!(
        "unknown {:?} version",
        Encoding::Component
    )))
}

/// Unsigned LEB128 (WebAssembly core specification, section 5.2.2).
fn write_leb128(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn an_appended_manifest_is_found() {
        let manifest = vec![b'x'; 300];
        let packed = append(EMPTY, &manifest);
        assert_eq!(read(&packed).unwrap().manifest, Some(manifest.as_slice()));
    }

    #[test]
    fn two_manifests_side_by_side_are_refused() {
        let packed = append(&append(EMPTY, b"{}"), b"{}");
        assert_eq!(read(&packed), Err(SectionError::Ambiguous));
    }

    #[test]
    fn files_that_are_no_components_are_told_apart() {
        for (bytes, expected) in [
            (b"(component)".as_slice(), SectionError::NotWasm),
            (b"", SectionError::NotWasm),
            (b"\0asm\x01\0\0\0", SectionError::CoreModule),
            (b"\x7fELF\x02\x01\x01\0", SectionError::Precompiled),
        ] {
            assert_eq!(read(bytes), Err(expected));
        }
    }

    #[test]
    fn a_manifest_over_the_cap_is_refused() {
        let packed = append(EMPTY, &vec![b' '; MAX_SECTION + 1]);
        assert_eq!(read(&packed), Err(SectionError::TooLarge));
    }
}
