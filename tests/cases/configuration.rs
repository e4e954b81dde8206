//! S07, S15: configurations that would trust too much, or not what they seem to
//! say. Each `config/*.toml` with an `.err` beside it is refused with exactly
//! that text: file, line, and what would be right. The others are taken, and so
//! is the complete one of `docs/OPERATING.md`.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use skillhost::config::{CompileConfig, Config};
use skillhost::consent::ask::AskRules;
use skillhost::event::sink::QueueSize;
use skillhost::mcp::{HttpLimits, Paging};
use skillhost::policy::limits::Limits;
use skillhost::recovery::{Backoff, Breaking, Budgeting, RecoveryChange};
use skillhost::sign::PrivateKey;
use skillhost::{Capacity, Kind};

#[test]
fn s07_s15_trust_that_is_written_wrongly_is_refused_with_the_line() {
    let (mut refused, mut wrong) = (0, Vec::new());
    for case in cases(true) {
        let expected = fs::read_to_string(case.with_extension("err")).unwrap();
        let said = load(&case).unwrap_or_else(|| "it is taken\n".to_owned());
        if said != expected {
            wrong.push(format!("{}\n{said}", case.display()));
        }
        refused += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 60, "{refused}");
}

#[test]
fn trust_that_is_written_well_is_taken() {
    let taken = cases(false);
    assert!(taken.len() > 2);
    for case in taken {
        assert_eq!(load(&case), None, "{}", case.display());
    }
}

#[test]
fn each_limit_is_documented_with_its_default() {
    let page = operating();
    for limit in Limits::NAMES {
        let row = format!("| `{}` | ", limit.replace('_', "-"));
        let described = page.lines().find(|line| line.starts_with(&row));
        let cells = described.map_or(0, |line| line.split('|').count());
        assert_eq!(cells, 5, "docs/OPERATING.md does not describe {limit}");
    }
}

#[test]
fn the_complete_configuration_is_taken_and_its_defaults_are_ours() {
    let text = complete();
    let place = tempfile::tempdir().unwrap();
    let keys = place.path().join("keys");
    fs::DirBuilder::new().mode(0o700).create(&keys).unwrap();
    for name in ["alice-2025", "alice-2026", "bob", "security"] {
        let key = PrivateKey::generate().unwrap();
        key.save(&keys.join(name)).unwrap();
    }
    let config = Config::parse(&text, &place.path().join("skillhost.toml")).unwrap();

    assert_eq!(config.limits, Limits::default());
    for limit in Limits::NAMES {
        let key = format!("{} = ", limit.replace('_', "-"));
        let is_there = text.lines().any(|line| line.starts_with(&key));
        assert!(
            is_there,
            "the complete configuration lacks the limit {limit}"
        );
    }
    assert_eq!(config.capacity, Capacity::default());
    assert_eq!(config.paging, Paging::default());
    assert_eq!(config.asking, AskRules::default());
    assert_eq!(config.compile, CompileConfig::default());
    assert_eq!(config.http.limits, HttpLimits::default());
    let recovery = RecoveryChange {
        backoff: Some(Backoff::default()),
        retry_on: Some(vec![Kind::GuestFailed]),
        breaker: Some(Breaking::default()),
        budget: Some(Budgeting::default()),
        ..RecoveryChange::default()
    };
    assert_eq!(config.recovery, recovery);
    let queues: Vec<_> = config.sinks.iter().map(|sink| sink.queue).collect();
    assert_eq!(queues, [QueueSize::default(); 4]);
}

fn operating() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join("docs/OPERATING.md")).unwrap()
}

/// The block under the heading "A complete configuration".
fn complete() -> String {
    let page = operating();
    let (_, section) = page.split_once("\n## A complete configuration\n").unwrap();
    let (_, block) = section.split_once("```toml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.to_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/config")
}

fn cases(refused: bool) -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .filter(|path| path.with_extension("err").exists() == refused)
        .collect();
    cases.sort();
    cases
}

/// How the configuration is refused, if it is: read as `skillhost.toml` in a
/// folder with all keys, where nobody else may write.
fn load(case: &Path) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "pub") {
            copy(&path, &place.path().join(path.file_name().unwrap()));
        }
    }
    let config = place.path().join("skillhost.toml");
    copy(case, &config);
    let error = Config::load(&config).err()?;
    let hint = error.hint().map(|hint| format!("hint: {hint}\n"));
    let text = format!("{}: {error}\n{}", error.kind(), hint.unwrap_or_default());
    Some(text.replace(&format!("{}/", place.path().display()), ""))
}

fn copy(from: &Path, to: &Path) {
    use std::io::Write;
    let mut options = fs::File::options();
    let file = options.write(true).create(true).mode(0o600).open(to);
    file.unwrap().write_all(&fs::read(from).unwrap()).unwrap();
}
