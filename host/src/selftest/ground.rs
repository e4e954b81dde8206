//! The ground that skills are tried on: a temporary folder with what they may
//! see, what they may not, and traps in between.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::row::{Rights, Row, Trial};
use crate::error::{Error, Kind, Result};

/// Stands in a file beside the granted folder; no skill may show it.
pub(super) const SECRET: &str = "SKH_SELFTEST_SECRET";

/// A temporary folder that is gone when this is dropped, and a listener.
#[derive(Debug)]
pub(super) struct Ground {
    folder: TempDir,
    listener: io::Result<TcpListener>,
    /// What could not be laid out, by name.
    missing: BTreeMap<&'static str, String>,
    planted: BTreeMap<PathBuf, String>,
}

impl Ground {
    /// Lays it out.
    ///
    /// # Errors
    ///
    /// `Internal` if there is no temporary folder that can be written.
    pub(super) fn new() -> Result<Self> {
        let failed = |cause: io::Error| {
            Error::new(
                Kind::Internal,
                format!("There is no temporary folder to work in: {cause}."),
            )
            .with_hint("Name a folder that can be written in the variable TMPDIR.")
        };
        let folder = tempfile::Builder::new()
            .prefix("skillhost-selftest-")
            .tempdir()
            .map_err(failed)?;
        let missing = plant(folder.path()).map_err(failed)?;
        let mut ground = Self {
            folder,
            listener: listen(),
            missing,
            planted: BTreeMap::new(),
        };
        ground.planted = ground.look().map_err(failed)?;
        Ok(ground)
    }

    /// A folder or file of the ground.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the listener listens.
    pub(super) fn port(&self) -> u16 {
        let address = self
            .listener
            .as_ref()
            .ok()
            .and_then(|it| it.local_addr().ok());
        address.map_or(9, |address| address.port())
    }

    /// Why a row cannot be tried here, if it cannot.
    pub(super) fn lacks(&self, row: &Row) -> Option<String> {
        match (row.rights, row.trial) {
            (Rights::Proc, _) => {
                (!Path::new("/proc/self").exists()).then(|| "there is no `/proc`".to_owned())
            }
            (Rights::AnyOrigin, _) => {
                let cause = self.listener.as_ref().err()?;
                Some(format!(
                    "nothing can listen on this machine's loopback: {cause}"
                ))
            }
            (_, Trial::Calls(arguments)) => {
                let named = |name: &&str| arguments.iter().any(|it| it.get(1..) == Some(*name));
                let (name, cause) = self.missing.iter().find(|(name, _)| named(name))?;
                Some(format!(
                    "`{name}` cannot be made in the temporary folder: {cause}"
                ))
            }
            _ => None,
        }
    }

    /// Whether somebody connected since the last look.
    pub(super) fn was_reached(&self) -> bool {
        self.listener
            .as_ref()
            .is_ok_and(|listener| listener.accept().is_ok())
    }

    /// What is no longer as it was planted.
    pub(super) fn changed(&self) -> Option<String> {
        let now = match self.look() {
            Ok(now) => now,
            Err(cause) => return Some(format!("the temporary folder cannot be read: {cause}")),
        };
        let differs = |path: &&PathBuf| now.get(*path) != self.planted.get(*path);
        let path = now.keys().chain(self.planted.keys()).find(differs)?;
        let name = path.strip_prefix(self.folder.path()).unwrap_or(path);
        Some(format!("`{}` was changed", name.display()))
    }

    /// All that no skill may change, by path.
    fn look(&self) -> io::Result<BTreeMap<PathBuf, String>> {
        let mut seen = BTreeMap::new();
        for folder in ["inside", "outside"] {
            look(&self.path(folder), &mut seen)?;
        }
        Ok(seen)
    }
}

fn plant(root: &Path) -> io::Result<BTreeMap<&'static str, String>> {
    let at = |name: &str| root.join(name);
    for folder in ["skills", "writable", "outside", "inside/sub"] {
        fs::create_dir_all(at(folder))?;
    }
    fs::write(at("inside/inside.txt"), "what was granted\n")?;
    fs::write(at("outside/secret.txt"), SECRET)?;
    let secret = at("outside/secret.txt");
    let pipe = mknodat(
        CWD,
        at("inside/pipe"),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    );
    let attempts = [
        ("link", symlink("../outside/secret.txt", at("inside/link"))),
        (
            "absolute-link",
            symlink(&secret, at("inside/absolute-link")),
        ),
        ("pipe", pipe.map_err(io::Error::from)),
    ];
    let failed =
        |(name, made): (&'static str, io::Result<()>)| Some((name, made.err()?.to_string()));
    Ok(attempts.into_iter().filter_map(failed).collect())
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Contents of files, and for all else what it is: a pipe is not opened.
fn look(folder: &Path, seen: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let what = if kind.is_file() {
            fs::read_to_string(&path)?
        } else {
            format!("{kind:?}")
        };
        if kind.is_dir() {
            look(&path, seen)?;
        }
        seen.insert(path, what);
    }
    Ok(())
}
