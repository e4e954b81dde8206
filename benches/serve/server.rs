//! Servers, each a process with a home of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skillhost::sign::PrivateKey;
use skillhost_tests::pack;
use tempfile::TempDir;

use super::client::{Clients, Connections, Pipes};
use super::native;

const PROGRAM: &str = env!("CARGO_BIN_EXE_skillhost-under-bench");

/// How often it is looked whether a server listens.
const TRIES: u32 = 600;

/// How a server is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Stdio,
    Http,
}

impl Wire {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
        }
    }
}

/// A server that runs, and its clients.
pub(crate) struct Server {
    process: Child,
    pub(crate) clients: Clients,
    _home: TempDir,
}

impl Server {
    /// The protocol with an echo of its own.
    pub(crate) fn native(wire: Wire) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(native::ARGUMENT);
        Self::start(command, wire, tempfile::tempdir().unwrap(), None)
    }

    /// The host with the echo as a skill, and an audit log of that durability;
    /// none: that of the host's choice.
    pub(crate) fn host(wire: Wire, durability: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        furnish(home.path(), durability);
        let mut command = Command::new(PROGRAM);
        command.arg("serve");
        if wire == Wire::Http {
            command.args(["--no-auth", "--http"]);
        }
        Self::start(command, wire, home, None)
    }

    /// The host over HTTP, for the holder of a key.
    pub(crate) fn guarded() -> Self {
        let home = tempfile::tempdir().unwrap();
        furnish(home.path(), Some("flush"));
        let mut command = Command::new(PROGRAM);
        command.args(["keys", "create", "honest"]);
        command.env_clear().env("HOME", home.path());
        let key = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--http"]);
        Self::start(command, Wire::Http, home, Some(key.trim().to_owned()))
    }

    /// Over HTTP, the last argument is where to listen.
    fn start(mut command: Command, wire: Wire, home: TempDir, key: Option<String>) -> Self {
        let told = File::create(home.path().join("stderr")).unwrap();
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", home.path()).current_dir(home.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(told);
        let address = free_address();
        if wire == Wire::Http {
            command.arg(address.to_string());
        }
        let mut process = command.spawn().unwrap();
        let clients = match wire {
            Wire::Http => {
                await_listener(address);
                Clients::Http(Connections::to(address, key))
            }
            Wire::Stdio => {
                let (input, output) = (process.stdin.take(), process.stdout.take());
                Clients::Stdio(Pipes::open(input.unwrap(), output.unwrap()))
            }
        };
        Self {
            process,
            clients,
            _home: home,
        }
    }

    /// Memory of the process that is in use, in KiB.
    pub(crate) fn memory(&self) -> i64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let number = line.and_then(|it| it.split_whitespace().next());
        number.unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A home with the echo installed, whose author is trusted.
fn furnish(home: &Path, durability: Option<&str>) {
    let kept = home.join(".local/share/skillhost");
    let (skills, config) = (kept.join("skills"), home.join(".config/skillhost"));
    fs::create_dir_all(&skills).unwrap();
    fs::create_dir_all(&config).unwrap();
    let key = PrivateKey::load_or_create(&kept.join("keys/local")).unwrap();
    let _signed = pack::write_signed(&skills, "echo", &pack::rust("echo"), &key);
    let public = kept.join("keys/local.pub");
    let mut settings = format!(
        "[trust]\npreset = \"permissive\"\nsigners.author.keys = [{:?}]\n",
        public.to_str().unwrap()
    );
    if let Some(durability) = durability {
        settings.push_str(&format!("[audit]\ndurability = \"{durability}\"\n"));
    }
    fs::write(config.join("skillhost.toml"), settings).unwrap();
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn await_listener(address: SocketAddr) {
    for _ in 0..TRIES {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nobody listens at {address}");
}
