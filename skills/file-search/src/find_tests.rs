use std::fs;

use super::*;
use crate::pattern::Meaning;

/// Stops before the file with that number.
struct Patience(Option<u64>, Stop);

impl Watch for Patience {
    fn stop(&mut self) -> Option<Stop> {
        let left = self.0.as_mut()?;
        if *left == 0 {
            return Some(self.1);
        }
        *left -= 1;
        None
    }

    fn searched(&mut self, _files: u64) {}
}

fn patient() -> Patience {
    Patience(None, Stop::Cancelled)
}

fn search(pattern: &str) -> Search {
    Search {
        pattern: Pattern::new(pattern, Meaning::default()).unwrap(),
        filter: Filter::default(),
        names: None,
        context: 0,
        max_matches: 100,
        max_file_size: 1000,
    }
}

fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, contents) in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    root
}

/// Each match as `path:line:column:text`.
fn places(found: &Found, root: &tempfile::TempDir) -> Vec<String> {
    let below = |path: &str| {
        Path::new(path)
            .strip_prefix(root.path())
            .unwrap()
            .display()
            .to_string()
    };
    found
        .matches
        .iter()
        .map(|m| format!("{}:{}:{}:{}", below(&m.path), m.line, m.column, m.text))
        .collect()
}

#[test]
fn finds_lines_in_a_fixed_order_with_their_places() {
    let root = tree(&[("b", b"x\n\nfoo\r\n"), ("a/c", "é foo foo\nfoo".as_bytes())]);
    let found = search("foo")
        .run(&[root.path().to_owned()], &mut patient())
        .unwrap();
    assert_eq!(
        places(&found, &root),
        ["a/c:1:3:é foo foo", "a/c:2:1:foo", "b:3:1:foo"]
    );
    assert_eq!(
        (found.files_searched, found.truncated, found.stopped_by),
        (2, false, None)
    );
}

#[test]
fn gives_context() {
    let root = tree(&[("a", b"1\n2\n3\n4\n5\n")]);
    let found = Search {
        context: 1,
        ..search("3")
    }
    .run(&[root.path().to_owned()], &mut patient())
    .unwrap();
    let expected = (vec!["2".to_owned()], vec!["4".to_owned()]);
    assert_eq!(
        found
            .matches
            .into_iter()
            .map(|m| (m.before, m.after))
            .collect::<Vec<_>>(),
        [expected]
    );
}

#[test]
fn counts_what_it_does_not_search() {
    let root = tree(&[
        ("binary", b"foo\0"),
        ("large", &[b'a'; 1001]),
        ("fits", &[b'a'; 1000]),
        (".hidden", b"foo"),
        ("left-out", b"foo"),
        (".gitignore", b"left-out"),
    ]);
    let found = search("foo")
        .run(&[root.path().to_owned()], &mut patient())
        .unwrap();
    let expected = Skipped {
        binary: 1,
        too_large: 1,
        hidden: 2,
        ignored: 1,
        ..Skipped::default()
    };
    assert_eq!(
        (found.matches.len(), found.files_searched, found.skipped),
        (0, 1, expected)
    );
}

#[test]
fn only_files_that_the_glob_names() {
    let root = tree(&[("a.rs", b"foo"), ("a.toml", b"foo")]);
    let names = Some(NameGlob::new("*.rs").unwrap());
    let found = Search {
        names,
        ..search("foo")
    }
    .run(&[root.path().to_owned()], &mut patient())
    .unwrap();
    assert_eq!(places(&found, &root), ["a.rs:1:1:foo"]);
    assert_eq!(found.files_searched, 1);
}

#[test]
fn a_single_file_is_a_root_too() {
    let root = tree(&[("a", b"foo"), ("b", b"foo")]);
    let found = search("foo")
        .run(&[root.path().join("b")], &mut patient())
        .unwrap();
    assert_eq!(places(&found, &root), ["b:1:1:foo"]);
}

#[test]
fn stops_only_when_there_is_one_match_too_many() {
    let root = tree(&[("a", b"foo\nfoo\n"), ("b", b"foo\n")]);
    let found = Search {
        max_matches: 2,
        ..search("foo")
    }
    .run(&[root.path().to_owned()], &mut patient())
    .unwrap();
    assert_eq!(places(&found, &root), ["a:1:1:foo", "a:2:1:foo"]);
    assert_eq!(
        (found.truncated, found.stopped_by),
        (true, Some(Stop::MaxMatches))
    );
    let found = Search {
        max_matches: 3,
        ..search("foo")
    }
    .run(&[root.path().to_owned()], &mut patient())
    .unwrap();
    assert_eq!((found.matches.len(), found.truncated), (3, false));
}

#[test]
fn stops_when_the_answer_is_full() {
    let line = "f".repeat(excerpt::MAX_LINE) + "\n";
    let root = tree(&[("a", line.repeat(2000).as_bytes())]);
    let endless = Search {
        max_matches: usize::MAX,
        max_file_size: u64::MAX - 1,
        ..search("f")
    };
    let found = endless
        .run(&[root.path().to_owned()], &mut patient())
        .unwrap();
    assert_eq!(found.stopped_by, Some(Stop::AnswerFull));
    let size: usize = found
        .matches
        .iter()
        .map(|m| m.text.len() + m.path.len())
        .sum();
    assert!((MAX_TEXT..MAX_TEXT + 1000).contains(&size), "{size}");
}

#[test]
fn keeps_what_it_has_when_it_is_told_to_stop() {
    let root = tree(&[("a", b"foo"), ("b", b"foo"), ("c", b"foo")]);
    for reason in [Stop::Deadline, Stop::Cancelled] {
        let found = search("foo")
            .run(&[root.path().to_owned()], &mut Patience(Some(1), reason))
            .unwrap();
        assert_eq!(places(&found, &root), ["a:1:1:foo"]);
        assert_eq!((found.truncated, found.stopped_by), (true, Some(reason)));
    }
}

#[test]
fn paths_are_meant_from_the_guest_root() {
    for (path, meant) in [
        ("", "/"),
        (".", "/"),
        ("/", "/"),
        ("a/./b", "/a/b"),
        ("/a/../../b/", "/b"),
    ] {
        assert_eq!(resolve(path), Path::new(meant), "{path}");
    }
}

#[test]
fn several_roots_are_searched_one_after_the_other() {
    let root = tree(&[("b/x", b"foo"), ("a/y", b"foo"), ("c/z", b"foo")]);
    let roots = [root.path().join("b"), root.path().join("a")];
    let found = search("foo").run(&roots, &mut patient()).unwrap();
    assert_eq!(places(&found, &root), ["b/x:1:1:foo", "a/y:1:1:foo"]);
}

#[test]
fn a_root_that_is_missing_is_named() {
    let root = tree(&[]);
    let roots = [root.path().join("none")];
    let (path, error) = search("foo").run(&roots, &mut patient()).unwrap_err();
    assert_eq!(
        (path, error.kind()),
        (roots[0].as_path(), io::ErrorKind::NotFound)
    );
}
