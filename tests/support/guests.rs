//! Guests as components: those in Rust are built once for each test process,
//! those in WebAssembly text are assembled on demand.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use skillhost::build::{Route, TARGET, Toolchain, ensure, report::Lines};
use skillhost::config::Places;

#[path = "../../host/selftest/compose.rs"]
mod composing;
use composing::compose;

/// Small and quick to compile, for the guest's compiler and for the host's.
const PROFILE: [&str; 5] = [
    "profile.guest.inherits='release'",
    "profile.guest.opt-level='s'",
    "profile.guest.panic='abort'",
    "profile.guest.strip=true",
    "profile.guest.incremental=false",
];

/// Variables that would replace the flags below, or choose another compiler.
const REMOVED_VARIABLES: [&str; 6] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// The folder of the guests' package.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests")
}

/// The component that `examples/<guest>.rs` becomes.
#[must_use]
pub fn rust(guest: &str) -> Arc<[u8]> {
    static READ: Mutex<BTreeMap<String, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    let bytes = read.entry(guest.to_owned()).or_insert_with(|| {
        let path = BUILT.join(format!("{guest}.wasm"));
        fs::read(&path)
            .unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
            .into()
    });
    Arc::clone(bytes)
}

/// The component whose core module is `wat/<guest>.wat`; see `wat/tools.wat`
/// for what the module exports, and `host/selftest` for those that the command
/// `selftest` runs as well.
#[must_use]
pub fn text(guest: &str) -> Vec<u8> {
    text_with(guest, "")
}

/// Like [`text`], with more parts that are instantiated before the guest.
#[must_use]
pub fn text_with(guest: &str, parts: &str) -> Vec<u8> {
    core_with(&read_text(&format!("{guest}.wat")), parts)
}

/// Like [`text_with`], with the text of the core module itself.
#[must_use]
pub fn core_with(core: &str, parts: &str) -> Vec<u8> {
    let guest = format!("{core}\n;; PARTS\n{parts}");
    let component = compose(&read_text("tools.wat"), &guest, |name| {
        let path = format!("../../../host/selftest/interfaces/{name}.wat");
        fs::read_to_string(folder().join("wat").join(path))
    });
    assemble(&component.unwrap())
}

/// A core module like `wat/honest.wat` whose functions also do these things.
#[derive(Debug, Clone, Copy, Default)]
pub struct Core<'a> {
    /// Before anything else.
    pub start: &'a str,
    /// While it is given its arguments.
    pub realloc: &'a str,
    /// In the tool.
    pub call: &'a str,
    /// After it has answered.
    pub post: &'a str,
    /// Further parts of the module: functions, data.
    pub parts: &'a str,
    /// Pages of memory, beside the two that `honest` has.
    pub pages: u32,
}

impl Core<'_> {
    /// As WebAssembly text.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            start,
            realloc,
            call,
            post,
            parts,
            pages,
        } = self;
        format!(
            r#"(memory (export "memory") {})
            (func $start {start}) (start $start)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc} i32.const 4096)
            (func (export "call") (param i32 i32 i32 i32) (result i32) {call} i32.const 1024)
            (func (export "post") (param i32) {post})
            {parts}"#,
            pages + 2,
        )
    }

    /// As a component.
    #[must_use]
    pub fn component(&self) -> Vec<u8> {
        core_with(&self.text(), "")
    }
}

fn read_text(name: &str) -> String {
    let path = folder().join("wat").join(name);
    fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// The binary form of a module or component.
#[must_use]
pub fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|cause| panic!("{cause}"))
}

/// The folder that this test was built into.
#[must_use]
pub fn target_folder() -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    binary.ancestors().nth(3).unwrap().to_owned()
}

/// How the guest toolchain is found: what `SKILLHOST_TOOLCHAIN` says.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable that the command line reads too"
)]
fn route() -> Route {
    std::env::var("SKILLHOST_TOOLCHAIN").map_or(Route::Auto, |route| route.parse().unwrap())
}

/// The folder with the built guests. Cargo finds out what is up to date; the
/// lock keeps another test binary from reading half of it.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = target_folder().join("guests");
    fs::create_dir_all(&target).unwrap();
    let lock = File::create(target.join("lock")).unwrap();
    lock.lock().unwrap();
    let cache = Places::from_environment().unwrap().cache;
    let toolchain =
        ensure(route(), &folder(), &cache, &Lines).unwrap_or_else(|cause| panic!("{cause}"));
    build(&toolchain, &target);
    target.join(TARGET).join("guest").join("examples")
});

#[expect(clippy::disallowed_methods, reason = "guests are compiled by cargo")]
fn build(toolchain: &Toolchain, target: &Path) {
    let mut cargo = Command::new(&toolchain.cargo);
    for variable in REMOVED_VARIABLES {
        cargo.env_remove(variable);
    }
    cargo
        .args([
            "build",
            "--quiet",
            "--examples",
            "--profile",
            "guest",
            "--target",
            TARGET,
        ])
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .arg("--target-dir")
        .arg(target)
        .env("RUSTC", &toolchain.rustc)
        .current_dir(folder());
    if let Some(sysroot) = &toolchain.sysroot {
        let flag = format!(
            "target.{TARGET}.rustflags=['--sysroot={}']",
            sysroot.display()
        );
        cargo.args(["--config", &flag]);
    }
    let status = cargo.status().unwrap();
    assert!(status.success(), "the guests do not build: {status}");
}
