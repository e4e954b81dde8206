//! S18: a TUF repository, or somebody on the way to it, that does not play by
//! the rules. Whatever it does, what was trusted before still is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
use skillhost::Kind::{InvalidRequest, TrustRootInvalid};
use skillhost::tuf::{Change, Difference, Part, Source, Update, Updated};
use skillhost::{Error, Kind};
use skillhost_tests::tuf::{Key, Release, Repository, delegations, sign, timestamp};
use skillhost_tests::{FakeNetwork, Reply};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const NOW: &str = "2026-06-01T00:00:00Z";

/// A repository, and a host that has updated from it once.
struct World {
    repository: Repository,
    data: TempDir,
}

impl World {
    async fn new() -> Self {
        let repository = Repository::start().await;
        repository.publish(&release(2));
        let data = tempfile::tempdir().unwrap();
        let world = Self { repository, data };
        world.update().await.unwrap();
        world
    }

    fn request(&self) -> Update {
        let root = self.repository.first_root.clone();
        let source = Source::new(&self.repository.url(), root).unwrap();
        Update::new(source, self.data.path().join("trust/trusted_root.json"))
    }

    async fn update(&self) -> Result<Updated, Error> {
        self.request().run(NOW.parse().unwrap()).await
    }

    fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        tree(self.data.path())
    }

    /// Asserts that an update fails in this way and leaves no trace.
    #[track_caller]
    fn refuses(&self, kind: Kind) -> impl Future<Output = ()> {
        self.request_refused(self.request(), kind)
    }

    #[track_caller]
    fn request_refused(&self, request: Update, kind: Kind) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let before = self.tree();
            let error = request.run(NOW.parse().unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{caller}: {error}");
            assert!(error.hint().is_some(), "{caller}: {error}");
            assert!(self.tree() == before, "{caller}: {:?}", self.tree().keys());
        }
    }

    /// Serves a root of that version, signed by the root's key.
    fn publish_root(&self, version: u64, change: impl FnOnce(&mut Value)) {
        let key = &self.repository.root_key;
        let mut root = self.repository.root(version, key);
        change(&mut root);
        let path = format!("/{version}.root.json");
        self.repository.put(&path, &sign(&root, &[key]));
    }
}

/// Every file below a folder, with what is in it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
            files.insert(path, Vec::new());
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}

/// All roles at one version, and a trusted root that differs with it.
fn release(version: u64) -> Release {
    Release::new(version, trusted_root(version))
}

/// The public one, with a log that ends and one that is gone.
fn trusted_root(version: u64) -> String {
    let mut root: Value = serde_json::from_str(SIGSTORE_PRODUCTION_TRUSTED_ROOT).unwrap();
    root["ctlogs"].as_array_mut().unwrap().remove(0);
    root["tlogs"][0]["publicKey"]["validFor"]["end"] =
        json!(format!("202{version}-01-01T00:00:00Z"));
    root.to_string()
}

fn short(changes: &[Change]) -> Vec<(Difference, Part)> {
    changes.iter().map(|it| (it.difference, it.part)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_replaces_the_root_and_tells_what_changed() {
    let world = World::new().await;
    let file = world.data.path().join("trust/trusted_root.json");
    assert_eq!(fs::read_to_string(&file).unwrap(), trusted_root(2));

    world.repository.publish(&release(3));
    let updated = world.update().await.unwrap();
    let ended = (Difference::Ended, Part::TransparencyLog);
    assert_eq!(short(&updated.changes), [ended]);
    assert_eq!(updated.changes[0].name, "https://rekor.sigstore.dev");
    let end: Timestamp = "2023-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(updated.changes[0].until, Some(end));
    assert_eq!(updated.root_version, 1);
    assert_eq!(updated.valid_until, "2999-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), trusted_root(3));
}

/// Without a file, what changes is told against the root that is built in.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_update_is_compared_with_what_is_built_in() {
    let world = World::new().await;
    fs::remove_dir_all(world.data.path().join("trust")).unwrap();
    let updated = world.update().await.unwrap();
    assert_eq!(
        short(&updated.changes),
        [
            (Difference::Ended, Part::TransparencyLog),
            (Difference::Removed, Part::CertificateLog)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_update_changes_and_downloads_nothing() {
    let world = World::new().await;
    let (before, asked) = (world.tree(), world.repository.asked().len());
    assert_eq!(world.update().await.unwrap().changes, []);
    assert!(world.tree() == before);
    let asked = world.repository.asked().split_off(asked);
    assert_eq!(asked, ["/2.root.json", "/timestamp.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_was_edited_on_disk_is_put_right() {
    let world = World::new().await;
    let file = world.data.path().join("trust/trusted_root.json");
    fs::write(&file, trusted_root(9)).unwrap();
    world.update().await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), trusted_root(2));
}

/// Keys may change with every version. What was followed once is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn s18_roots_are_followed_one_by_one() {
    let world = World::new().await;
    let (second, third) = (Key::generate(), Key::generate());
    let repository = &world.repository;
    let first = &repository.root_key;
    repository.put(
        "/2.root.json",
        &sign(&repository.root(2, &second), &[first, &second]),
    );
    repository.put(
        "/3.root.json",
        &sign(&repository.root(3, &third), &[&second, &third]),
    );
    assert_eq!(world.update().await.unwrap().root_version, 3);

    repository.remove("/2.root.json");
    repository.remove("/3.root.json");
    assert_eq!(world.update().await.unwrap().root_version, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_root_version_is_not_skipped() {
    let world = World::new().await;
    for version in [1, 3, u64::MAX] {
        let key = &world.repository.root_key;
        let root = world.repository.root(version, key);
        world.repository.put("/2.root.json", &sign(&root, &[key]));
        world.refuses(TrustRootInvalid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_root_is_signed_by_the_keys_of_the_one_before_and_by_its_own() {
    let world = World::new().await;
    let (second, stranger) = (Key::generate(), Key::generate());
    let repository = &world.repository;
    let root = repository.root(2, &second);
    let first = &repository.root_key;
    for signers in [
        [].as_slice(),
        &[&second],
        &[first],
        &[&second, &stranger],
        &[&second, &repository.online_key],
        &[first, first, &second],
    ] {
        repository.put("/2.root.json", &sign(&root, signers));
        world.refuses(TrustRootInvalid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_threshold_is_at_least_one_and_counts_keys() {
    let world = World::new().await;
    world.repository.publish(&release(3));
    for threshold in [0, 2] {
        world.publish_root(2, |root| {
            root["roles"]["timestamp"]["threshold"] = threshold.into()
        });
        world.refuses(TrustRootInvalid).await;
    }
    let online = &world.repository.online_key;
    let twice = sign(&timestamp(&release(3)), &[online, online]);
    world.repository.put("/timestamp.json", &twice);
    world.refuses(TrustRootInvalid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_roots_without_end_are_not_followed_for_ever() {
    let world = World::new().await;
    for version in 2..=300 {
        world.publish_root(version, |_| {});
    }
    world.refuses(TrustRootInvalid).await;
    let highest = world.repository.asked().pop().unwrap();
    assert_eq!(highest, "/257.root.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_no_role_goes_back() {
    let world = World::new().await;
    let back = |timestamp, snapshot, targets| Release {
        timestamp,
        snapshot,
        targets,
        ..release(1)
    };
    for release in [back(1, 1, 1), back(1, 2, 2), back(3, 1, 2), back(3, 3, 1)] {
        world.repository.publish(&release);
        world.refuses(TrustRootInvalid).await;
    }
    world.repository.publish(&release(3));
    world.update().await.unwrap();
}

/// What a version said once it says for ever.
#[tokio::test(flavor = "multi_thread")]
async fn s18_a_version_does_not_change_its_meaning() {
    let world = World::new().await;
    let before = world.tree();
    world.repository.publish(&Release::new(2, trusted_root(9)));
    assert_eq!(world.update().await.unwrap().changes, []);
    assert!(world.tree() == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_metadata_that_has_expired_is_refused() {
    let world = World::new().await;
    for role in ["timestamp", "snapshot", "targets"] {
        let expired = Release {
            expired: Some(role),
            ..release(3)
        };
        world.repository.publish(&expired);
        world.refuses(TrustRootInvalid).await;
    }
    world.repository.publish(&release(3));
    world.publish_root(2, |root| root["expires"] = "2026-05-31T23:59:59Z".into());
    world.refuses(TrustRootInvalid).await;
}

/// A repository that says the same for ever is found out when that expires.
#[tokio::test(flavor = "multi_thread")]
async fn s18_a_repository_cannot_be_frozen() {
    let world = World::new().await;
    let before = world.tree();
    let late = "2999-01-01T00:00:01Z".parse().unwrap();
    let error = world.request().run(late).await.unwrap_err();
    assert_eq!(error.kind(), TrustRootInvalid);
    assert!(world.tree() == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_data_without_end_is_cut_off() {
    let world = World::new().await;
    let target = release(3).target_path();
    for path in [
        "/2.root.json",
        "/timestamp.json",
        "/3.snapshot.json",
        "/3.targets.json",
        &target,
    ] {
        world.repository.publish(&release(3));
        let head = b"HTTP/1.1 200 OK\r\n\r\n{".to_vec();
        world
            .repository
            .answer(path, Reply::Endless(head, vec![b' '; 1 << 16]));
        world.refuses(TrustRootInvalid).await;
        world.repository.remove(path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_file_that_is_announced_too_large_is_not_fetched() {
    let world = World::new().await;
    let mut huge = release(3);
    let mut listed = huge.listing();
    listed["trusted_root.json"]["length"] = (1_u64 << 40).into();
    huge.listed = Some(listed);
    world.repository.publish(&huge);
    world.refuses(TrustRootInvalid).await;
    assert!(!world.repository.asked().contains(&huge.target_path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_target_is_what_was_signed() {
    let world = World::new().await;
    let signed = release(3);
    world.repository.publish(&signed);
    let other = trusted_root(4);
    assert_eq!(other.len(), signed.trusted_root.len());
    for text in [&other, &other[1..], &format!("{other} "), ""] {
        world.repository.put(&signed.target_path(), text.as_bytes());
        world.refuses(TrustRootInvalid).await;
    }
}

/// No name from metadata becomes a path: neither that of a target, nor a hash,
/// which is part of a target's address, nor that of a role.
#[tokio::test(flavor = "multi_thread")]
async fn s18_names_with_paths_lead_nowhere() {
    let world = World::new().await;
    let mut hostile = release(3);
    let honest = hostile.listing()["trusted_root.json"].clone();
    for name in [
        "../trusted_root.json",
        "../../../etc/cron.d/x",
        "/trusted_root.json",
    ] {
        hostile.listed = Some(json!({name: honest}));
        world.repository.publish(&hostile);
        world.refuses(TrustRootInvalid).await;
    }
    for hash in [
        "../../../x",
        "x?y",
        "x#y",
        "x y",
        "x\r\nHost: evil.test",
        "",
    ] {
        let mut listed = hostile.listing();
        listed["trusted_root.json"]["hashes"] = json!({"sha256": hash});
        hostile.listed = Some(listed);
        world.repository.publish(&hostile);
        world.refuses(TrustRootInvalid).await;
    }
}

/// The role is asked for under an escaped name, and nothing of it is kept.
#[tokio::test(flavor = "multi_thread")]
async fn s18_a_role_with_a_path_for_a_name_is_not_written() {
    let world = World::new().await;
    let names: Vec<PathBuf> = world.tree().into_keys().collect();
    let mut delegating = release(3);
    let role = json!({"targets": delegating.listing()});
    delegating.listed = Some(json!({}));
    delegating.delegated = vec![("../../escape".to_owned(), role)];
    world.repository.publish(&delegating);
    world.update().await.unwrap();
    assert!(
        world
            .repository
            .asked()
            .contains(&"/1...%2F..%2Fescape.json".to_owned())
    );
    assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), names);
}

/// Delegations are followed, each role once, and no more than 32.
#[tokio::test(flavor = "multi_thread")]
async fn s18_delegations_in_a_circle_end() {
    let world = World::new().await;
    let to = |names: &[&str]| {
        let key = &world.repository.online_key;
        json!({"targets": {}, "delegations": delegations(names.iter().copied(), key)})
    };
    let mut circle = release(3);
    circle.listed = Some(json!({}));
    circle.delegated = vec![
        ("a".to_owned(), to(&["b", "a", "targets"])),
        ("b".to_owned(), to(&["a", "b", "root"])),
    ];
    world.repository.publish(&circle);
    world.refuses(TrustRootInvalid).await;

    let names: Vec<String> = (0..100).map(|number| format!("role{number}")).collect();
    circle.delegated = names
        .iter()
        .map(|name| (name.clone(), json!({"targets": {}})))
        .collect();
    world.repository.publish(&Release {
        timestamp: 4,
        snapshot: 4,
        targets: 4,
        ..circle
    });
    world.refuses(TrustRootInvalid).await;
    let asked = world.repository.asked();
    assert_eq!(
        asked.iter().filter(|path| path.contains(".role")).count(),
        31
    );
}

/// Whoever signs may be wrong, too.
#[tokio::test(flavor = "multi_thread")]
async fn s18_a_trusted_root_that_is_no_use_is_refused() {
    let world = World::new().await;
    let mut broken: Value = serde_json::from_str(&trusted_root(3)).unwrap();
    broken["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into();
    for text in ["", "{}", r#"{"mediaType": "x"}"#, &broken.to_string()] {
        world.repository.publish(&Release::new(3, text));
        world.refuses(TrustRootInvalid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_metadata_that_is_no_metadata_is_refused() {
    let world = World::new().await;
    let deep = "[".repeat(10_000);
    let root = String::from_utf8(world.repository.first_root.clone()).unwrap();
    for text in ["", "{", "null", "[]", r#"{"signed": {}}"#, &deep, &root] {
        world.repository.put("/timestamp.json", text.as_bytes());
        world.refuses(TrustRootInvalid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_is_said_to_be_so() {
    let world = World::new().await;
    for reply in [
        Reply::head("404 Not Found", "content-length: 0\r\n\r\n"),
        Reply::head("500 Internal Server Error", "\r\n"),
        Reply::head(
            "302 Found",
            "location: /1.root.json\r\ncontent-length: 0\r\n\r\n",
        ),
        Reply::head("200 OK", "content-length: 10\r\n\r\n{"),
        Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(100)),
        Reply::Once(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        Reply::Once(Vec::new()),
    ] {
        world.repository.answer("/timestamp.json", reply);
        world.refuses(InvalidRequest).await;
    }
}

/// However a repository stays silent, the update ends.
#[tokio::test(flavor = "multi_thread")]
async fn s18_a_repository_that_takes_too_long_is_given_up() {
    let world = World::new().await;
    world.repository.answer("/timestamp.json", Reply::Silence);
    let request = Update {
        patience: Duration::from_millis(200),
        ..world.request()
    };
    world.request_refused(request, InvalidRequest).await;
}

/// The first thing that goes out is a TLS handshake (record type 22), to the
/// one address that the operator named.
#[tokio::test(flavor = "multi_thread")]
async fn n15_nothing_is_said_before_the_connection_is_encrypted() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let network = Arc::new(FakeNetwork::default());
    network.name("tuf.test", &["93.184.216.34"]);
    network.listen("93.184.216.34:443", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap()
    });
    let root = world.repository.first_root.clone();
    let request = Update {
        source: Source::new("https://tuf.test", root).unwrap(),
        network: Arc::<FakeNetwork>::clone(&network),
        ..world.request()
    };
    world.request_refused(request, InvalidRequest).await;
    assert_eq!(heard.await.unwrap(), 22);
    assert_eq!(network.resolved(), ["tuf.test"]);
}
