//! A private view of Debian's archive.
//!
//! It uses the machine's own mirror and keys with other suites, and keeps its
//! lists and packages in a folder of ours: the machine's sources, lists and
//! installed packages are left alone. apt checks the signatures.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::debian::DebianError;
use super::sources::Source;
use crate::build::program::{Program, ProgramError};

/// Where apt reads its sources.
const APT_FOLDER: &str = "/etc/apt";

/// The archive with some suites.
#[derive(Debug)]
pub(super) struct Archive {
    folder: PathBuf,
    suites: Vec<String>,
}

impl Archive {
    /// Fetches the lists of the suites into `folder`, which is this view's own.
    pub(super) fn open(
        folder: &Path,
        codename: &str,
        suites: &[String],
    ) -> Result<Self, DebianError> {
        let archive = Self {
            folder: folder.to_owned(),
            suites: suites.to_vec(),
        };
        for needed in ["lists/partial", "cache/archives/partial", "packages"] {
            let path = folder.join(needed);
            fs::create_dir_all(&path).map_err(|source| DebianError::files(&path, source))?;
        }
        archive.write_sources(codename)?;
        match archive.apt("apt-get").arg("update").capture() {
            // A suite that the mirror lacks is such a failure; the others load.
            Ok(_) | Err(ProgramError::Failed { .. }) => Ok(archive),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest version of a package, of that upstream release if one is given.
    pub(super) fn newest(
        &self,
        package: &str,
        release: Option<&str>,
    ) -> Result<String, DebianError> {
        let listed = self.apt("apt-cache").args(["madison", package]).capture()?;
        pick_version(&listed, release)
            .map(str::to_owned)
            .ok_or_else(|| DebianError::NoPackage {
                package: package.to_owned(),
                release: release.map(str::to_owned),
                suites: self.suites.join(", "),
            })
    }

    /// Downloads that version of a package and returns its path.
    pub(super) fn download(&self, package: &str, version: &str) -> Result<PathBuf, DebianError> {
        let folder = self.folder.join("packages");
        self.apt("apt-get")
            .args(["download", &format!("{package}={version}")])
            .folder(&folder)
            .capture()?;
        let found =
            find_package(&folder, package).map_err(|source| DebianError::files(&folder, source))?;
        found.ok_or_else(|| DebianError::files(&folder, io::ErrorKind::NotFound.into()))
    }

    fn write_sources(&self, codename: &str) -> Result<(), DebianError> {
        let entry = configured_sources()
            .into_iter()
            .find(|source| source.is_main_archive_of(codename))
            .ok_or_else(|| DebianError::NoSource {
                codename: codename.to_owned(),
            })?;
        let path = self.sources_file();
        fs::write(&path, entry.with_suites(&self.suites))
            .map_err(|source| DebianError::files(&path, source))
    }

    fn sources_file(&self) -> PathBuf {
        self.folder.join("archive.sources")
    }

    fn apt(&self, program: &str) -> Program {
        let option = |name: &str, path: &Path| format!("-o{name}={}", path.display());
        Program::new(program).args([
            option("Dir::Etc::sourcelist", &self.sources_file()),
            option("Dir::State::lists", &self.folder.join("lists")),
            option("Dir::Cache", &self.folder.join("cache")),
            "-oDir::Etc::sourceparts=-".to_owned(),
            // The user that apt would switch to cannot write in our folder.
            "-oAPT::Sandbox::User=root".to_owned(),
            "-oAcquire::Languages=none".to_owned(),
            "-oAcquire::http::Timeout=30".to_owned(),
        ])
    }
}

/// What apt is told to use; an unreadable file is one that apt skips as well.
fn configured_sources() -> Vec<Source> {
    let folder = Path::new(APT_FOLDER);
    let mut files = vec![folder.join("sources.list")];
    files.extend(
        fs::read_dir(folder.join("sources.list.d"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path()),
    );
    files.sort();
    files.iter().flat_map(|path| read_sources(path)).collect()
}

fn read_sources(path: &Path) -> Vec<Source> {
    let text = fs::read_to_string(path).unwrap_or_default();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("sources") => Source::parse_stanzas(&text),
        Some("list") => Source::parse_lines(&text),
        _ => Vec::new(),
    }
}

/// Picks from the table of `apt-cache madison`, which has the newest first.
fn pick_version<'a>(table: &'a str, release: Option<&str>) -> Option<&'a str> {
    table
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|version| release.is_none_or(|release| is_of_release(version, release)))
}

/// Whether a Debian version such as `1.95.0+dfsg1-1` packages that release.
fn is_of_release(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| {
        !rest.starts_with(|next: char| next.is_ascii_digit() || next == '.' || next == '~')
    })
}

fn find_package(folder: &Path, package: &str) -> io::Result<Option<PathBuf>> {
    let prefix = format!("{package}_");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADISON: &str = "\
  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.example/debian stable-backports/main amd64 Packages
  rust-src | 1.95.0+dfsg1-1~bpo13+1 | http://mirror.example/debian stable-backports/main amd64 Packages
  rust-src | 1.9.0+dfsg1-1 | http://mirror.example/debian stable/main amd64 Packages
";

    #[test]
    fn picks_the_newest_package_of_a_release() {
        assert_eq!(
            pick_version(MADISON, Some("1.95.0")),
            Some("1.95.0+dfsg1-2~bpo13+1")
        );
        assert_eq!(pick_version(MADISON, Some("1.9.0")), Some("1.9.0+dfsg1-1"));
        assert_eq!(pick_version(MADISON, None), Some("1.95.0+dfsg1-2~bpo13+1"));
    }

    #[test]
    fn another_release_is_no_match() {
        assert_eq!(pick_version(MADISON, Some("1.95.1")), None);
        assert_eq!(pick_version("", None), None);
        assert!(!is_of_release("1.95.01-1", "1.95.0"));
        assert!(!is_of_release("1.95.0.1-1", "1.95.0"));
        assert!(!is_of_release("1.95.0~beta.2+dfsg1-1", "1.95.0"));
        assert!(is_of_release("1.95.0-1", "1.95.0"));
    }

    #[test]
    fn finds_the_downloaded_package_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wasi-libc-dev_1_all.deb"), "").unwrap();
        let package = folder.path().join("wasi-libc_0.0~git_all.deb");
        fs::write(&package, "").unwrap();
        assert_eq!(
            find_package(folder.path(), "wasi-libc").unwrap(),
            Some(package)
        );
        assert_eq!(find_package(folder.path(), "rust-src").unwrap(), None);
    }
}
