//! Which entries the project itself wants left out: `.gitignore` and `.ignore`.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Larger rule files are not read: in bytes.
const MAX_RULE_FILE: u64 = 256 << 10;

/// The rules of a directory and of all directories above it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Option<Rc<Level>>);

#[derive(Debug)]
struct Level {
    parent: Rules,
    ignore: Gitignore,
    gitignore: Gitignore,
}

impl Rules {
    /// These rules and those that stand in `directory`, which is below.
    #[must_use]
    pub(crate) fn enter(&self, directory: &Path) -> Self {
        let ignore = read(directory, ".ignore");
        let gitignore = read(directory, ".gitignore");
        if ignore.is_empty() && gitignore.is_empty() {
            return self.clone();
        }
        Self(Some(Rc::new(Level {
            parent: self.clone(),
            ignore,
            gitignore,
        })))
    }

    /// Whether an entry is to be left out. The nearest directory with a rule
    /// that matches decides, and `.ignore` is heard before `.gitignore`.
    pub(crate) fn exclude(&self, path: &Path, is_directory: bool) -> bool {
        self.verdict(path, is_directory, |level| &level.ignore)
            .or_else(|| self.verdict(path, is_directory, |level| &level.gitignore))
            .unwrap_or(false)
    }

    fn verdict(
        &self,
        path: &Path,
        is_directory: bool,
        kind: fn(&Level) -> &Gitignore,
    ) -> Option<bool> {
        let mut level = self.0.as_deref();
        while let Some(here) = level {
            match kind(here).matched(path, is_directory) {
                Match::Ignore(_) => return Some(true),
                Match::Whitelist(_) => return Some(false),
                Match::None => level = here.parent.0.as_deref(),
            }
        }
        None
    }
}

/// The rules in one file; none if there is no such regular file. A line that is
/// no valid rule is passed over, as git does.
fn read(directory: &Path, name: &str) -> Gitignore {
    let path = directory.join(name);
    let regular = fs::symlink_metadata(&path)
        .is_ok_and(|found| found.is_file() && found.len() <= MAX_RULE_FILE);
    let Some(bytes) = regular.then(|| fs::read(&path).ok()).flatten() else {
        return Gitignore::empty();
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut builder = GitignoreBuilder::new(directory);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> (tempfile::TempDir, Rules) {
        let root = tempfile::tempdir().unwrap();
        let mut rules = Rules::default();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            rules = rules.enter(path.parent().unwrap());
        }
        (root, rules)
    }

    #[track_caller]
    fn assert_excluded(files: &[(&str, &str)], excluded: &[&str], kept: &[&str]) {
        let (root, rules) = rules(files);
        let verdict = |path: &str| {
            rules.exclude(
                &root.path().join(path.trim_end_matches('/')),
                path.ends_with('/'),
            )
        };
        for path in excluded {
            assert!(verdict(path), "{path} should be left out");
        }
        for path in kept {
            assert!(!verdict(path), "{path} should be kept");
        }
    }

    #[test]
    fn a_name_matches_at_any_depth_and_an_anchored_one_only_at_its_root() {
        assert_excluded(
            &[(".gitignore", "*.log\n/build\n")],
            &["a.log", "x/y/a.log", "build"],
            &["x/build", "a.logs"],
        );
    }

    #[test]
    fn a_trailing_slash_means_directories_only() {
        assert_excluded(&[(".gitignore", "out/\n")], &["out/", "x/out/"], &["out"]);
    }

    #[test]
    fn a_slash_in_the_middle_anchors() {
        assert_excluded(&[(".gitignore", "a/b\n")], &["a/b"], &["x/a/b"]);
    }

    #[test]
    fn two_stars_span_directories() {
        assert_excluded(
            &[(".gitignore", "**/cache\ndoc/**/*.pdf\nlogs/**\n")],
            &["cache", "x/cache", "doc/a.pdf", "doc/x/y/a.pdf", "logs/x/y"],
            &["a.pdf", "x/logs/y"],
        );
    }

    #[test]
    fn later_rules_and_negation_win() {
        assert_excluded(
            &[(".gitignore", "*.log\n!keep.log\n")],
            &["a.log"],
            &["keep.log", "x/keep.log"],
        );
    }

    #[test]
    fn comments_blank_lines_and_escapes() {
        assert_excluded(
            &[(".gitignore", "# a\n\n\\#b\n\\!c\nd\\ \n")],
            &["#b", "!c", "d "],
            &["# a", "b", "c"],
        );
    }

    #[test]
    fn the_nearest_file_decides() {
        assert_excluded(
            &[
                (".gitignore", "*.log\n/x/only\n"),
                ("x/.gitignore", "!*.log\nonly\n"),
            ],
            &["x/only", "x/y/only"],
            &["x/a.log", "x/y/a.log"],
        );
    }

    #[test]
    fn ignore_is_heard_before_gitignore() {
        assert_excluded(
            &[(".ignore", "!a.log\n"), ("x/.gitignore", "*.log\n")],
            &["x/b.log"],
            &["x/a.log"],
        );
    }

    #[test]
    fn a_byte_order_mark_and_a_broken_rule_spoil_nothing() {
        assert_excluded(&[(".gitignore", "\u{feff}a\n[\nb\n")], &["a", "b"], &["c"]);
    }
}
