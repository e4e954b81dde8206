//! What an operator keeps on disk, and hosts that go by it.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use skillhost::artifact::Digest;
use skillhost::lock::{Lock, Release};
use skillhost::manifest::{Manifest, section};
use skillhost::sign::PrivateKey;
use skillhost::time::Clock;
use skillhost::verify::{Denial, Denied, DenyList, SignerName};
use skillhost::{Host, Kind, Setup, TrustFiles};
use tempfile::TempDir;

use crate::stage::SetClock;
use crate::{Bench, Records};

/// The configuration: policy, root and deny list.
pub const CONFIG: &str = "skillhost.toml";
/// The deny list, where [`DENYING`] looks for it.
pub const DENY_LIST: &str = "deny.json";
/// The lock file.
pub const LOCK: &str = "skillhost.lock";
/// What is remembered from one host to the next.
pub const MEMORY: &str = "memory.json";
/// The trusted root.
pub const ROOT: &str = "trusted_root.json";

/// Trust in the one author, as it stands under `[trust]`.
pub const AUTHOR: &str = "signers.author.keys = [\"author.pub\"]\n";
/// A deny list that `security` signs, as it stands under `[trust]`.
pub const DENYING: &str = "deny-list = { file = \"deny.json\", keys = [\"security.pub\"] }\n";

/// How long a deny list counts, unless a test says otherwise.
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A folder with the files above and keys by name, and a clock.
#[derive(Debug)]
pub struct Operator {
    folder: TempDir,
    clock: SetClock,
}

impl Operator {
    /// Somebody who trusts `author` alone, and has no deny list and no lock
    /// file.
    #[must_use]
    pub fn new() -> Self {
        let operator = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: SetClock::at(Timestamp::now().as_second()),
        };
        operator.key("author");
        operator.trust(AUTHOR);
        operator
    }

    /// Likewise, with a deny list of version 1 that names nothing.
    #[must_use]
    pub fn denying() -> Self {
        let operator = Self::new();
        operator.key("security");
        operator.deny(1, &[]);
        operator.trust(&[AUTHOR, DENYING].concat());
        operator
    }

    /// A file of the operator's.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Somebody's key; made, with its public half in `NAME.pub`, if there is
    /// none.
    pub fn key(&self, name: &str) -> PrivateKey {
        PrivateKey::load_or_create(&self.path(name)).unwrap()
    }

    /// Puts a file into place whole, as an installer does.
    pub fn put(&self, file: &str, text: impl AsRef<[u8]>) {
        let mut staged = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(self.folder.path())
            .unwrap();
        staged.write_all(text.as_ref()).unwrap();
        // Closed first: what is closed under its new name changes once more.
        staged.into_temp_path().persist(self.path(file)).unwrap();
    }

    /// Lets others write a file, or no longer.
    pub fn expose(&self, file: &str, exposed: bool) {
        let mode = if exposed { 0o666 } else { 0o644 };
        fs::set_permissions(self.path(file), Permissions::from_mode(mode)).unwrap();
    }

    /// Writes the configuration: one signer is enough, and these lines.
    pub fn trust(&self, lines: &str) {
        self.put(CONFIG, format!("[trust]\npreset = \"permissive\"\n{lines}"));
    }

    /// Puts a deny list of that version into place, issued now.
    pub fn deny(&self, version: u64, denied: &[Denied]) {
        let entries = denied.iter().map(|deny| Denial {
            deny: deny.clone(),
            signed_after: None,
            reason: Some("it was stolen".to_owned()),
        });
        self.put(DENY_LIST, self.signed(&self.list(version, entries)));
    }

    /// A deny list, issued now.
    #[must_use]
    pub fn list(&self, version: u64, entries: impl IntoIterator<Item = Denial>) -> DenyList {
        let issued = self.clock.wall();
        DenyList {
            version,
            issued,
            expires: issued + MONTH,
            entries: entries.into_iter().collect(),
        }
    }

    /// A deny list as `security` signs it.
    #[must_use]
    pub fn signed(&self, list: &DenyList) -> String {
        list.sign(&self.key("security")).unwrap()
    }

    /// Approves components as signed by these, and nothing else.
    pub fn approve(&self, approved: &[(&[u8], &[&str])]) {
        let mut lock = Lock::default();
        for (component, signers) in approved {
            let sections = section::read(component).unwrap();
            let manifest = Manifest::parse(sections.manifest).unwrap();
            let signers: Vec<SignerName> = signers.iter().map(|it| SignerName::new(it)).collect();
            lock.approve(Release::of(&manifest, Digest::of(component), &signers));
        }
        lock.save(&self.path(LOCK)).unwrap();
    }

    /// Removes a file.
    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    /// What time it is for hosts.
    #[must_use]
    pub const fn clock(&self) -> &SetClock {
        &self.clock
    }

    /// A host that goes by these files; its skills are signed by `author`.
    #[must_use]
    pub fn bench(&self) -> Bench {
        Bench::with_key(self.key("author"), |setup| self.set_up(setup))
    }

    /// Why a host does not start.
    #[must_use]
    pub fn refusal(&self) -> Option<Kind> {
        let records = Box::new(Records::default());
        let mut setup = Setup::new(TrustFiles::default(), records);
        self.set_up(&mut setup);
        Host::new(setup).err().map(|error| error.kind())
    }

    /// Lets a host go by these files and this clock.
    pub fn set_up(&self, setup: &mut Setup) {
        setup.trust = TrustFiles {
            config: Some(self.path(CONFIG)),
            root: Some(self.path(ROOT)),
            lock: Some(self.path(LOCK)),
            memory: Some(self.path(MEMORY)),
            ..TrustFiles::default()
        }
        .into();
        setup.clock = Arc::new(self.clock.clone());
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}
