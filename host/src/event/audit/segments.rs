//! The files of a log: `audit-000001.jsonl`, `audit-000002.jsonl` and so on,
//! which are finished, and `audit.jsonl`, which is written.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// Its number; none for the file that is written.
    pub number: Option<u64>,
    pub(super) inode: u64,
    pub(super) length: u64,
}

/// The files of the log at `log`, oldest first. Between two steps of a rotation
/// one file has two names; it counts once.
///
/// # Errors
///
/// If its folder cannot be read.
pub fn segments(log: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(log))? {
        let entry = entry?;
        if let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| number_of(log, name))
            && let Some(segment) = Segment::at(entry.path(), Some(number))?
        {
            found.push(segment);
        }
    }
    found.sort_unstable_by_key(|segment| segment.number);
    if let Some(live) = Segment::at(log.to_owned(), None)? {
        found.retain(|segment| segment.inode != live.inode);
        found.push(live);
    }
    Ok(found)
}

impl Segment {
    /// None if there is no such file.
    fn at(path: PathBuf, number: Option<u64>) -> io::Result<Option<Self>> {
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Ok(None),
            Ok(metadata) => Ok(Some(Self {
                path,
                number,
                inode: metadata.ino(),
                length: metadata.len(),
            })),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}

/// The folder in which the log lies.
pub(super) fn folder(log: &Path) -> &Path {
    match log.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The name of the finished file with that number.
pub(super) fn name_of(log: &Path, number: u64) -> String {
    let (stem, extension) = parts(log);
    format!("{stem}-{number:06}{extension}")
}

/// The number of the finished file of that name; none if it is another file.
pub(super) fn number_of(log: &Path, name: &str) -> Option<u64> {
    let (stem, extension) = parts(log);
    let digits = name
        .strip_prefix(&stem)?
        .strip_prefix('-')?
        .strip_suffix(&extension)?;
    let number = digits.parse().ok()?;
    (name_of(log, number) == name).then_some(number)
}

/// `audit` and `.jsonl`.
fn parts(log: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let extension = log.extension();
    let dotted = extension.map_or_else(String::new, |_| format!(".{}", text(extension)));
    (text(log.file_stem()), dotted)
}

/// A file beside the log: its name and `suffix`.
pub(super) fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_files_are_numbered() {
        let log = Path::new("/var/log/audit.jsonl");
        assert_eq!(name_of(log, 7), "audit-000007.jsonl");
        assert_eq!(number_of(log, "audit-000007.jsonl"), Some(7));
        assert_eq!(number_of(log, "audit-1234567.jsonl"), Some(1_234_567));
        for other in [
            "audit.jsonl",
            "audit-7.jsonl",
            "audit-000007.jsonl.gz",
            "b-000007.jsonl",
            "audit-+00007.jsonl",
        ] {
            assert_eq!(number_of(log, other), None, "{other}");
        }
        assert_eq!(name_of(Path::new("trail"), 1), "trail-000001");
    }

    #[test]
    fn the_oldest_comes_first_and_a_file_with_two_names_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        for name in ["audit-000002.jsonl", "audit-000001.jsonl", "audit.jsonl"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let numbers = || -> Vec<_> { segments(&log).unwrap().iter().map(|it| it.number).collect() };
        assert_eq!(numbers(), [Some(1), Some(2), None]);
        fs::hard_link(&log, folder.path().join("audit-000003.jsonl")).unwrap();
        assert_eq!(numbers(), [Some(1), Some(2), None]);
    }
}
