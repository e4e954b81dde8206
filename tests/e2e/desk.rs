//! A user's home of its own, and the command run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Map, Value};
use skillhost::config::Places;
use skillhost::event::audit::{Keys, Lines, Report, verify};
use skillhost::sign::PrivateKey;
use skillhost_tests::{Assistant, guests, oracles, pack};
use tempfile::TempDir;

/// A value in the command's environment that no skill may see.
pub(crate) const SECRET: &str = "SKH_CANARY_e2e";

/// Where the audit log is.
pub(crate) const AUDIT: &str = "data/skillhost/audit.jsonl";

/// The command, as it was built for these tests.
const PROGRAM: &str = env!("CARGO_BIN_EXE_skillhost-under-test");

/// A home with nothing in it but the author's own key.
pub(crate) struct Desk {
    home: TempDir,
    key: PrivateKey,
}

/// How the command ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let keys = home.path().join("data/skillhost/keys/local");
        let key = PrivateKey::load_or_create(&keys).unwrap();
        borrow_toolchain(&home.path().join("cache/skillhost"));
        Self { home, key }
    }

    /// A path below the home, which is also where the command is run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, text: &str) {
        self.write("config/skillhost/skillhost.toml", text);
    }

    /// A Rust guest, signed with the author's own key; returns its file's name.
    pub(crate) fn guest(&self, guest: &str) -> String {
        self.component(&pack::skill_name(guest), &pack::rust(guest))
    }

    /// A component, signed with the author's own key; returns its file's name.
    pub(crate) fn component(&self, name: &str, component: &[u8]) -> String {
        let path = pack::write_signed(self.home.path(), name, component, &self.key);
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// A component among the installed skills, unsigned.
    pub(crate) fn install(&self, name: &str, component: &[u8]) -> PathBuf {
        self.write(&format!("data/skillhost/skills/{name}.wasm"), component)
    }

    /// The author's own key.
    pub(crate) const fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// What stands in the audit log, its checkpoints left out. Nobody has
    /// changed it.
    pub(crate) fn audit(&self) -> Vec<Value> {
        oracles::o8_intact(&self.verify_audit()).unwrap();
        let lines = Lines::open(&self.path(AUDIT)).unwrap();
        lines
            .map(|line| line.unwrap().value().unwrap())
            .filter(|record| record["event"] != "audit.checkpoint")
            .collect()
    }

    /// What the verifier says of the audit log.
    pub(crate) fn verify_audit(&self) -> Report {
        let key = PrivateKey::load(&self.path("data/skillhost/keys/host.key")).unwrap();
        verify(&self.path(AUDIT), &Keys::of(&key)).unwrap()
    }

    /// Every file and folder of the home.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = vec![self.home.path().to_owned()];
        let mut next = 0;
        while let Some(path) = found.get(next).cloned() {
            next += 1;
            let entries = fs::read_dir(path).into_iter().flatten();
            found.extend(entries.map(|entry| entry.unwrap().path()));
        }
        found.sort();
        found
    }

    pub(crate) fn skillhost(&self, arguments: &[&str]) -> Ran {
        self.skillhost_reading("", arguments)
    }

    /// Runs the command with `input` on its standard input.
    pub(crate) fn skillhost_reading(&self, input: &str, arguments: &[&str]) -> Ran {
        self.skillhost_seeing(&[], input, arguments)
    }

    /// Runs the command with these variables in its environment as well.
    pub(crate) fn skillhost_seeing(
        &self,
        variables: &[(&str, &str)],
        input: &str,
        arguments: &[&str],
    ) -> Ran {
        let mut child = self
            .command(variables, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
        ran
    }

    /// Starts `skillhost serve` with these variables in its environment, and
    /// talks to it; the client's hello says `more` than it has to.
    pub(crate) fn serve(&self, variables: &[(&str, &str)], more: &Value) -> Assistant {
        Assistant::start(&mut self.command(variables, &["serve"]), more)
    }

    /// Starts `skillhost serve` for a client that says no hello.
    pub(crate) fn serve_without_hello(&self) -> Assistant {
        Assistant::without_hello(&mut self.command(&[], &["serve"]))
    }

    /// Starts `skillhost serve` over HTTP, at a port of its own choice.
    pub(crate) fn serve_http(&self) -> Child {
        let mut command = self.command(&[], &["serve", "--http", "127.0.0.1:0", "--no-auth"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts `skillhost serve` in a shell that has limited itself before, as
    /// `ulimit -n 128` does.
    pub(crate) fn serve_within(&self, limit: &str) -> Assistant {
        let script = format!("{limit} && exec \"$0\" serve");
        let mut shell = self.program("sh", &[], &["-c", &script, PROGRAM]);
        Assistant::start(&mut shell, &Value::Object(Map::new()))
    }

    /// Starts the command, and lets nobody see what it says.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&[], arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts the command, to be read while it goes on.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&[], arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts the command, to be heard while it goes on.
    pub(crate) fn spawn_heard(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&[], arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
        self.program(PROGRAM, variables, arguments)
    }

    #[expect(clippy::disallowed_methods, reason = "the command is what is tested")]
    fn program(&self, program: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.home.path());
        for (variable, folder) in [
            ("HOME", ""),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(variable, self.path(folder));
        }
        for (variable, value) in toolchain() {
            command.env(variable, value);
        }
        command
            .env("SKH_SECRET", SECRET)
            .env_remove("SKILLHOST_CONFIG")
            .env_remove("SKILLHOST_ENV")
            .env_remove("SKILLHOST_ALLOW_UNSIGNED")
            .envs(variables.iter().copied());
        command
    }
}

/// Cargo, rustup and the guest toolchain stay where they are for everyone;
/// what is built goes where these tests were built.
#[expect(
    clippy::disallowed_methods,
    reason = "what the command's own children need"
)]
fn toolchain() -> Vec<(&'static str, PathBuf)> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let or = |variable: &str, path: &str| {
        std::env::var_os(variable).map_or(home.join(path), PathBuf::from)
    };
    vec![
        ("CARGO_HOME", or("CARGO_HOME", ".cargo")),
        ("RUSTUP_HOME", or("RUSTUP_HOME", ".rustup")),
        ("CARGO_TARGET_DIR", guests::target_folder().join("skills")),
    ]
}

/// Links what was built for guests into a cache of one's own; it would take
/// minutes to build it anew.
fn borrow_toolchain(cache: &Path) {
    fs::create_dir_all(cache).unwrap();
    let Ok(entries) = fs::read_dir(Places::from_environment().unwrap().cache) else {
        return;
    };
    for entry in entries.map(Result::unwrap) {
        if entry.file_name() != "compiled" {
            symlink(entry.path(), cache.join(entry.file_name())).unwrap();
        }
    }
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|cause| panic!("{cause}: {self:#?}"))
    }

    /// Standard error with `#` for each number, and without colours.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for character in self.stderr.chars() {
            let number = character.is_ascii_digit();
            let inside = shape.ends_with('#') && matches!(character, '.' | ',');
            match (number, shape.ends_with('#')) {
                (true, true) => {}
                (true, false) => shape.push('#'),
                (false, _) if inside => {}
                (false, _) => shape.push(character),
            }
        }
        shape
    }
}

/// The keys of an object, sorted.
pub(crate) fn fields(object: &Value) -> Vec<&str> {
    let mut fields: Vec<&str> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    fields
}

/// A path as an argument.
pub(crate) fn argument(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().unwrap()
}

/// A skill of this repository.
pub(crate) fn skill(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../skills")
        .join(name)
}
