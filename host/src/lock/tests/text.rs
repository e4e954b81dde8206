use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::error::Kind;

fn parse(text: &str) -> crate::Result<Lock> {
    Lock::parse(text, Path::new("/etc/skillhost/skillhost.lock"))
}

#[test]
fn a_lock_is_written_in_one_way_and_read_back() {
    let lock = lock();
    let text = lock.to_text().unwrap();
    assert!(text.starts_with("# Written by `skillhost lock --approve`. Do not edit it by hand"));
    assert!(text.contains("\nversion = 1\n"), "{text}");
    assert_eq!(parse(&text).unwrap(), lock);
    let mut other_order = Lock::default();
    let mut releases: Vec<&Release> = lock.releases().collect();
    releases.reverse();
    for release in releases {
        other_order.approve(release.clone());
    }
    assert_eq!(other_order.to_text().unwrap(), text);
    assert_eq!(
        parse(&Lock::default().to_text().unwrap()).unwrap(),
        Lock::default()
    );
}

#[test]
fn what_is_wrong_is_shown_with_file_line_and_what_to_do() {
    let good = lock().to_text().unwrap();
    let entry = good.find("[[skill]]").unwrap();
    let again = good[entry..].find("\n[[skill]]").unwrap() + entry + 1;
    let (first, second) = (&good[..again], &good[again..]);
    let line = |text: &str| format!("line {}", text.lines().count() + 1);
    for (text, expected) in [
        (String::new(), "missing field `version`".to_owned()),
        (
            "version = 2\n".to_owned(),
            "it has format 2, and this host reads format 1".to_owned(),
        ),
        (
            "version = 2\nanything = 1\n".to_owned(),
            "it has format 2".to_owned(),
        ),
        ("version = 1\nskills = []\n".to_owned(), "line 2".to_owned()),
        (
            "version = 1\n[[skill]]\nname = \"a\"\n".to_owned(),
            "line 2".to_owned(),
        ),
        (
            format!("{first}{second}{second}"),
            line(&format!("{first}{second}")),
        ),
        (
            format!("{first}{second}{second}"),
            "`text-stats` 1.2.0 stands there a second time".to_owned(),
        ),
        (
            good.replace("Counts the words", "Counts the lines"),
            line(&good[..entry]),
        ),
        (
            good.replace("Counts the words", "Counts the lines"),
            "does not fit the digest".to_owned(),
        ),
        (
            good.replace("digest = \"sha256:", "digest = \"sha512:"),
            "is no digest".to_owned(),
        ),
        (
            good.replace("signers = [\"alice\"]", "signers = []"),
            "has no signers".to_owned(),
        ),
        (
            good.replace("required = true", "required = 1"),
            "expected a boolean".to_owned(),
        ),
        (
            good.replace("name = \"text-stats\"", "name = \"Text\""),
            "skill name".to_owned(),
        ),
        (
            good.replace("version = \"1.2.0\"", "version = \"1\""),
            "line".to_owned(),
        ),
        (
            format!("version = 1\n#{}", "x".repeat(MAX_FILE)),
            "larger than 4194304 bytes".to_owned(),
        ),
    ] {
        assert_ne!(text, good, "{expected}");
        let error = parse(&text).unwrap_err();
        assert_eq!(error.kind(), Kind::ConfigInvalid, "{expected}");
        assert!(error.message().contains("/etc/skillhost/skillhost.lock"));
        assert!(error.message().contains(&expected), "{expected}: {error}");
        assert!(error.hint().unwrap().contains("skillhost lock --approve"));
    }
}

#[test]
fn a_lock_that_could_not_be_read_again_is_not_written() {
    let mut lock = Lock::default();
    for version in 0..10 {
        let text = "x".repeat(crate::manifest::MAX_DESCRIPTION);
        let tools: Vec<Value> = (0..60)
            .map(|index| json!({"name": format!("t{index}"), "description": text, "input_schema": {"type": "object"}}))
            .collect();
        let document = document_with(&[
            ("/version", json!(format!("1.0.{version}"))),
            ("/tools", json!(tools)),
        ]);
        lock.approve(found(&document, b"", &["alice"]));
    }
    assert_eq!(lock.to_text().unwrap_err().kind(), Kind::ConfigInvalid);
}

#[test]
fn a_lock_file_that_others_may_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("skillhost.lock");
    assert_eq!(Lock::load(&path).unwrap(), None);
    lock().save(&path).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert_eq!(Lock::load(&path).unwrap(), Some(lock()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    let error = Lock::load(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::ConfigInsecure);
    assert!(error.message().contains("lock file"), "{error}");
}

/// Numbers that look random and are the same in every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// Characters that TOML, JSON or a terminal treat in a way of their own.
    fn text(&mut self) -> String {
        const CHARACTERS: [char; 18] = [
            'a',
            'b',
            ' ',
            '\n',
            '\t',
            '\r',
            '"',
            '\'',
            '\\',
            '#',
            '=',
            '[',
            ']',
            '.',
            'é',
            '\u{1f389}',
            '\u{202e}',
            '\0',
        ];
        let length = self.below(12);
        (0..length)
            .map(|_| CHARACTERS[self.below(CHARACTERS.len())])
            .collect()
    }

    fn name(&mut self) -> String {
        format!("n{}", self.below(5))
    }

    fn schema(&mut self, depth: usize) -> Value {
        let mut schema = serde_json::Map::new();
        if depth == 0 || self.one_in(2) {
            schema.insert("type".to_owned(), json!("object"));
        }
        if self.one_in(2) {
            schema.insert("description".to_owned(), json!(self.text()));
        }
        if depth < 3 && self.one_in(2) {
            let properties: serde_json::Map<String, Value> = (0..self.below(4))
                .map(|_| (self.text(), self.schema(depth + 1)))
                .collect();
            schema.insert("properties".to_owned(), properties.into());
            schema.insert("required".to_owned(), json!([self.text()]));
        }
        if self.one_in(4) {
            schema.insert("items".to_owned(), self.schema(depth + 1));
        }
        schema.into()
    }

    fn tool(&mut self) -> crate::manifest::Tool {
        let schema = |value: Value| value.as_object().unwrap().clone();
        crate::manifest::Tool {
            name: self.name().parse().unwrap(),
            title: self.one_in(2).then(|| self.text()),
            description: self.text(),
            input_schema: schema(self.schema(0)),
            output_schema: self.one_in(2).then(|| schema(self.schema(0))),
            annotations: crate::manifest::Annotations {
                read_only: self.one_in(2).then(|| self.one_in(2)),
                ..Default::default()
            },
        }
    }

    fn release(&mut self) -> Release {
        let mut manifest = Manifest::parse(Some(document().to_string().as_bytes())).unwrap();
        manifest.name = self.name().parse().unwrap();
        manifest.version = Version::new(1, 0, self.below(9) as u64);
        manifest.description = self.text();
        manifest.tools = (0..self.below(4)).map(|_| self.tool()).collect();
        manifest.limits.fuel = self.one_in(2).then_some(u64::MAX);
        if self.one_in(2) {
            manifest.settings = None;
            manifest.capabilities = crate::manifest::Capabilities::default();
        }
        let signers = [SignerName::new(&self.text()), SignerName::new("alice")];
        Release::of(&manifest, Digest::of(self.text().as_bytes()), &signers)
    }
}

#[test]
fn every_lock_is_read_back_as_it_was() {
    let mut numbers = Numbers(1);
    for _ in 0..500 {
        let mut lock = Lock::default();
        for _ in 0..numbers.below(6) {
            lock.approve(numbers.release());
        }
        let text = lock.to_text().unwrap();
        assert_eq!(parse(&text).unwrap(), lock, "{text}");
        for release in lock.releases() {
            assert_eq!(lock.check(release), Ok(()));
        }
    }
}

#[test]
fn any_two_releases_that_differ_are_told_apart_in_single_lines() {
    let mut numbers = Numbers(2);
    for _ in 0..2000 {
        let mut lock = Lock::default();
        lock.approve(numbers.release());
        let release = numbers.release();
        let changes = lock.check(&release).unwrap_err();
        assert!(!changes.is_empty());
        for change in changes {
            let sentence = change.to_string();
            assert!(sentence.ends_with('.'), "{sentence}");
            assert!(
                !sentence.contains(['\n', '\r', '\0', '\u{202e}']),
                "{sentence}"
            );
        }
    }
}

/// Mangled text is an error or says what it said: what an entry declares, no
/// flipped bit can change.
#[test]
fn mangled_locks_get_an_answer() {
    let good = lock();
    let text = good.to_text().unwrap();
    let mut numbers = Numbers(3);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = text.clone().into_bytes();
        let index = numbers.below(bytes.len());
        bytes[index] ^= 1 << numbers.below(8);
        let Ok(mutant) = String::from_utf8(bytes) else {
            continue;
        };
        match parse(&mutant) {
            Ok(lock) => {
                accepted += 1;
                let definitions: Vec<Digest> = lock
                    .releases()
                    .map(|release| release.definition().digest())
                    .collect();
                let known = good.releases().map(|release| release.definition().digest());
                assert_eq!(definitions, known.collect::<Vec<_>>(), "byte {index}");
            }
            Err(error) => assert_eq!(error.kind(), Kind::ConfigInvalid, "{error}"),
        }
    }
    assert!(
        accepted > 0,
        "comments, digests and signers have other readings"
    );
}

#[test]
fn cut_and_doubled_locks_get_an_answer() {
    let text = lock().to_text().unwrap();
    let mut numbers = Numbers(4);
    for _ in 0..2000 {
        let cut = |at: usize| {
            text.char_indices()
                .nth(at)
                .map_or("", |(at, _)| &text[at..])
        };
        let (one, other) = (numbers.below(text.len()), numbers.below(text.len()));
        let mutant = format!("{}{}", &text[..text.len() - cut(one).len()], cut(other));
        if let Err(error) = parse(&mutant) {
            assert_eq!(error.kind(), Kind::ConfigInvalid, "{error}");
        }
    }
}
