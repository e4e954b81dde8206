//! The files below a directory, in a fixed order.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use crate::rules::Rules;

/// Which entries of a tree are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    /// Also entries whose name begins with a dot.
    pub(crate) hidden: bool,
    /// Also entries that `.gitignore` and `.ignore` leave out.
    pub(crate) no_ignore: bool,
}

/// Entries that were passed over. A directory counts once, not with its contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// Names that begin with a dot.
    pub(crate) hidden: u64,
    /// Left out by `.gitignore` or `.ignore`.
    pub(crate) ignored: u64,
    /// Symbolic links: they are never followed.
    pub(crate) links: u64,
    /// Directories that could not be listed.
    pub(crate) unreadable: u64,
}

/// Iterator over the regular files of a tree: depth first, by name.
#[derive(Debug)]
pub(crate) struct Walk {
    filter: Filter,
    /// The next entry is the last.
    pending: Vec<Entry>,
    passed_over: PassedOver,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    kind: FileType,
    /// Those of the directory that it stands in.
    rules: Rules,
}

impl Walk {
    /// Starts at `root`, a directory or a single file. What was named so
    /// explicitly is searched even if it is hidden or left out by a rule.
    ///
    /// # Errors
    ///
    /// What the system says if `root` does not exist or may not be seen;
    /// [`io::ErrorKind::InvalidInput`] if it is a symbolic link.
    pub(crate) fn new(root: &Path, filter: Filter) -> io::Result<Self> {
        let kind = fs::symlink_metadata(root)?.file_type();
        if kind.is_symlink() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut walk = Self {
            filter,
            pending: Vec::new(),
            passed_over: PassedOver::default(),
        };
        let rules = walk.rules_above(root);
        if kind.is_dir() {
            let entries = fs::read_dir(root)?;
            walk.enter(root, &rules, entries);
        } else {
            walk.pending.push(Entry {
                path: root.to_owned(),
                kind,
                rules,
            });
        }
        Ok(walk)
    }

    /// What was passed over so far.
    pub(crate) fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    fn rules_above(&self, directory: &Path) -> Rules {
        if self.filter.no_ignore {
            return Rules::default();
        }
        let mut above: Vec<_> = directory.ancestors().skip(1).collect();
        above.reverse();
        above
            .into_iter()
            .fold(Rules::default(), |rules, ancestor| rules.enter(ancestor))
    }

    /// Puts the entries of a directory in front of all others.
    fn enter(&mut self, directory: &Path, rules: &Rules, entries: fs::ReadDir) {
        let rules = if self.filter.no_ignore {
            rules.clone()
        } else {
            rules.enter(directory)
        };
        let mut found = Vec::new();
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok((path, kind)) => found.push(Entry {
                    path,
                    kind,
                    rules: rules.clone(),
                }),
                Err(_) => self.passed_over.unreadable += 1,
            }
        }
        found.sort_unstable_by(|left, right| right.path.cmp(&left.path));
        found.retain(|entry| self.wants(entry));
        self.pending.append(&mut found);
    }

    fn wants(&mut self, entry: &Entry) -> bool {
        let reason = if entry.kind.is_symlink() {
            &mut self.passed_over.links
        } else if !self.filter.hidden && name(&entry.path).as_encoded_bytes().starts_with(b".") {
            &mut self.passed_over.hidden
        } else if entry.rules.exclude(&entry.path, entry.kind.is_dir()) {
            &mut self.passed_over.ignored
        } else {
            return true;
        };
        *reason += 1;
        false
    }
}

impl Iterator for Walk {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        while let Some(Entry { path, kind, rules }) = self.pending.pop() {
            if kind.is_file() {
                return Some(path);
            }
            if kind.is_dir() {
                match fs::read_dir(&path) {
                    Ok(entries) => self.enter(&path, &rules, entries),
                    Err(_) => self.passed_over.unreadable += 1,
                }
            }
        }
        None
    }
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn walk(root: &Path, below: &str, filter: Filter) -> (Vec<String>, PassedOver) {
        let mut walk = Walk::new(&root.join(below), filter).unwrap();
        let files = walk
            .by_ref()
            .map(|path| {
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        (files, walk.passed_over())
    }

    #[test]
    fn goes_depth_first_by_name() {
        let root = tree(&["b/z", "b/a", "a", "c", "b.txt"]);
        assert_eq!(
            walk(root.path(), "", Filter::default()).0,
            ["a", "b/a", "b/z", "b.txt", "c"]
        );
    }

    #[test]
    fn passes_over_hidden_entries_unless_asked() {
        let root = tree(&[".git/config", ".env", "a"]);
        let (files, passed_over) = walk(root.path(), "", Filter::default());
        assert_eq!((files, passed_over.hidden), (vec!["a".to_owned()], 2));
        let all = Filter {
            hidden: true,
            ..Filter::default()
        };
        assert_eq!(walk(root.path(), "", all).0, [".env", ".git/config", "a"]);
    }

    #[test]
    fn honours_ignore_files_unless_asked() {
        let root = tree(&["target/x", "src/a", "src/a.log"]);
        fs::write(root.path().join(".gitignore"), "target/\n").unwrap();
        fs::write(root.path().join("src/.ignore"), "*.log\n").unwrap();
        let (files, passed_over) = walk(root.path(), "", Filter::default());
        assert_eq!((files, passed_over.ignored), (vec!["src/a".to_owned()], 2));
        let all = Filter {
            no_ignore: true,
            ..Filter::default()
        };
        assert_eq!(
            walk(root.path(), "", all).0,
            ["src/a", "src/a.log", "target/x"]
        );
    }

    #[test]
    fn rules_above_the_root_hold_but_not_for_the_root_itself() {
        let root = tree(&["out/a", "out/a.log"]);
        fs::write(root.path().join(".gitignore"), "out/\n*.log\n").unwrap();
        assert_eq!(walk(root.path(), "out", Filter::default()).0, ["out/a"]);
        assert_eq!(
            walk(root.path(), "out/a.log", Filter::default()).0,
            ["out/a.log"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn never_follows_a_symbolic_link() {
        use std::os::unix::fs::symlink;
        let root = tree(&["a", "x/b"]);
        symlink("a", root.path().join("file")).unwrap();
        symlink(".", root.path().join("x/loop")).unwrap();
        let (files, passed_over) = walk(root.path(), "", Filter::default());
        assert_eq!(
            (files, passed_over.links),
            (vec!["a".to_owned(), "x/b".to_owned()], 2)
        );
        let refused = Walk::new(&root.path().join("file"), Filter::default()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_missing_root_is_an_error() {
        let root = tree(&[]);
        let error = Walk::new(&root.path().join("none"), Filter::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
