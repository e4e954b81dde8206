//! C03, S21 and S22: files that change hands while they are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use skillhost::artifact::Digest;
use skillhost_tests::{Bench, pack};

use super::{assert_says_after, bundle_of, now, run, says_so};

/// How long the files take turns.
const RACE: Duration = Duration::from_secs(3);

/// What came of the calls of a race.
#[derive(Debug, Default)]
struct Tally {
    one: u64,
    other: u64,
    refused: u64,
}

/// A race: two versions of one file, and calls meanwhile.
struct Race {
    bench: Arc<Bench>,
    digests: [String; 2],
    calls: AtomicU64,
}

impl Race {
    /// `place` puts the first skill where it is loaded from.
    async fn new(place: impl FnOnce(&Path, &[PathBuf; 2]) -> PathBuf) -> (Arc<Self>, [PathBuf; 2]) {
        let bench = Bench::new();
        let staged = stage(&bench);
        let path = place(bench.folder(), &staged);
        bench.host().load(&path).await.unwrap();
        let race = Self {
            bench: Arc::new(bench),
            digests: variants().map(|bytes| Digest::of(&bytes).to_string()),
            calls: AtomicU64::new(0),
        };
        (Arc::new(race), staged)
    }

    /// With copies of the first skill's files.
    async fn of_files() -> (Arc<Self>, [PathBuf; 2]) {
        Self::new(|folder, [first, _]| {
            let place = folder.join("says.wasm");
            put(&bundle_of(first), &bundle_of(&place));
            put(first, &place);
            place
        })
        .await
    }

    /// Calls from two tasks, while a thread lets the files take turns.
    async fn run(self: &Arc<Self>, turn: impl Fn(usize) + Send + 'static) -> Tally {
        let race = Arc::clone(self);
        let swapping = Arc::new(std::thread::spawn(move || race.swap(turn)));
        let callers = [0, 1].map(|_| tokio::spawn(Arc::clone(self).call(Arc::clone(&swapping))));
        let mut sum = Tally::default();
        for caller in callers {
            let tally = caller.await.unwrap();
            sum.one += tally.one;
            sum.other += tally.other;
            sum.refused += tally.refused;
        }
        Arc::into_inner(swapping).unwrap().join().unwrap();
        self.bench.assert_serving().await;
        sum
    }

    /// Turns as fast as the disk allows; after each hundred the files stay for
    /// some calls.
    fn swap(&self, turn: impl Fn(usize)) {
        let end = now() + RACE;
        let mut turns = 0;
        while now() < end {
            for _ in 0..101 {
                turns += 1;
                turn(turns % 2);
            }
            let enough = self.calls.load(Ordering::SeqCst) + 4;
            while self.calls.load(Ordering::SeqCst) < enough {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    async fn call(self: Arc<Self>, swapping: Arc<std::thread::JoinHandle<()>>) -> Tally {
        let mut tally = Tally::default();
        while !swapping.is_finished() {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.count(&mut tally).await;
        }
        tally
    }

    /// What is answered is what the bytes say that were verified; nothing but
    /// trust refuses.
    async fn count(&self, tally: &mut Tally) {
        let called = self.bench.invoke(run()).await;
        if let Err(error) = &called.answer.outcome {
            assert!(error.kind().is_trust(), "{error:?}");
            tally.refused += 1;
            return;
        }
        let digest = &called.answer.skill.as_ref().unwrap().digest;
        match called.text().trim_end() {
            "one" if **digest == *self.digests[0] => tally.one += 1,
            "other" if **digest == *self.digests[1] => tally.other += 1,
            unexpected => panic!("{unexpected}, and {digest} was verified"),
        }
    }

    /// Digests of everything that was loaded, and so compiled.
    fn loaded(&self) -> BTreeSet<String> {
        let records = self.bench.records().named("skill.loaded");
        let says = records.iter().filter(|record| record["skill"] == "says");
        says.map(|it| it["digest"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Two skills of one name and one size.
fn variants() -> [Vec<u8>; 2] {
    [says_so("one"), says_so("other")]
}

/// Writes both, signed, into a folder beside the skills; returns where.
fn stage(bench: &Bench) -> [PathBuf; 2] {
    let [one, other] = variants();
    [("0", one), ("1", other)].map(|(name, bytes)| {
        let folder = bench.folder().join("staged").join(name);
        fs::create_dir_all(&folder).unwrap();
        pack::write_signed(&folder, "says", &bytes, bench.key())
    })
}

/// Puts a copy of a file into place in one step.
fn put(file: &Path, place: &Path) {
    let copy = file.with_extension("copy");
    fs::copy(file, &copy).unwrap();
    fs::rename(&copy, place).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c03_s21_two_signed_skills_that_take_turns_are_never_mixed_up() {
    let (race, staged) = Race::of_files().await;
    let place = race.bench.path("says");
    let tally = race
        .run(move |turn| {
            put(&bundle_of(&staged[turn]), &bundle_of(&place));
            put(&staged[turn], &place);
        })
        .await;
    let enough = tally.one > 10 && tally.other > 10 && tally.refused > 10;
    assert!(enough, "{tally:?}");
    assert_eq!(race.loaded(), BTreeSet::from(race.digests.clone()));
}

/// The bundle stays that of the first; the second is a component that nobody
/// signed, and is never compiled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s21_a_component_that_is_slipped_in_for_a_moment_never_runs() {
    let (race, staged) = Race::of_files().await;
    let place = race.bench.path("says");
    let tally = race.run(move |turn| put(&staged[turn], &place)).await;
    assert!(tally.one > 10 && tally.refused > 10, "{tally:?}");
    assert_eq!(tally.other, 0);
    assert_eq!(race.loaded(), BTreeSet::from([race.digests[0].clone()]));
}

/// Whoever writes the file where it lies, and puts the old times back, changes
/// nothing about the bytes that were read.
#[tokio::test(flavor = "multi_thread")]
async fn s21_bytes_that_change_under_an_open_skill_are_not_the_ones_that_run() {
    let bench = Bench::new();
    let [one, other] = variants();
    let path = bench.load("says", &one).await.unwrap().path().to_owned();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, &other).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    let called = bench.invoke(run()).await;
    called.expect(
        skillhost::Kind::DigestMismatch,
        &["artifact.changed", "verify.failed"],
    );
    fs::write(&path, &one).unwrap();
    let accepted = ["artifact.changed", "verify.passed", "skill.loaded"];
    assert_says_after(&bench, "one", &accepted).await;
}

/// The folder of a skill is a link that leads to another folder, again and
/// again; there, nobody signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_a_folder_that_becomes_another_lends_it_no_signature() {
    let (race, staged) = Race::new(|folder, [first, second]| {
        fs::remove_file(bundle_of(second)).unwrap();
        let link = folder.join("link");
        std::os::unix::fs::symlink(first.parent().unwrap(), &link).unwrap();
        link.join("says.wasm")
    })
    .await;
    let [link, next] = ["link", "next"].map(|name| race.bench.folder().join(name));
    let tally = race
        .run(move |turn| {
            std::os::unix::fs::symlink(staged[turn].parent().unwrap(), &next).unwrap();
            fs::rename(&next, &link).unwrap();
        })
        .await;
    assert!(tally.one > 10 && tally.refused > 10, "{tally:?}");
    assert_eq!(tally.other, 0);
    assert_eq!(race.loaded(), BTreeSet::from([race.digests[0].clone()]));
}
