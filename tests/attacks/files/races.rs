//! F08, F15, R22: others change what a path means while it is used.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, mknodat, renameat_with};
use serde_json::json;
use skillhost::Kind;
use skillhost_tests::bench::{SECRET, invocation};
use tokio::runtime::Builder;

use super::Tree;

/// Two names that change places as fast as they can.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Swapper {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let (stop, swaps) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, swapped) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                swapped.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            swaps,
            thread,
        }
    }

    /// Stops, and says how often they changed places.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.swaps.load(Ordering::Relaxed)
    }
}

/// A folder and a link that leads out change places, and so do a file and one.
#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn race_reader() {
    let tree = Tree::new();
    let granted = tree.path("granted");
    fs::write(granted.join("sub/secret.txt"), "inside").unwrap();
    symlink("..", granted.join("to-root")).unwrap();
    fs::write(granted.join("file"), "inside").unwrap();
    symlink("../secret.txt", granted.join("to-file")).unwrap();
    let outside = tree.outside();
    let bench = tree.bench("race_reader", "rw");
    let folders = Swapper::start(granted.join("sub"), granted.join("to-root"));
    let files = Swapper::start(granted.join("file"), granted.join("to-file"));
    for (path, changed) in [
        ("/sub/secret.txt", "/sub/made"),
        ("/file", "/sub/secret.txt.made"),
    ] {
        let input = json!({"path": path, "changed": changed, "for_ms": 1200});
        let called = bench.call("race_reader", "race", input).await;
        let seen = called.structured();
        assert!(seen["reads"].as_u64().unwrap() > 100, "{seen}");
        let different = seen["different"].as_array().unwrap();
        assert!(different.contains(&json!("inside")), "{seen}");
        assert!(different.contains(&json!("PermissionDenied")), "{seen}");
        assert!(!seen.to_string().contains(SECRET), "{seen}");
    }
    assert!(folders.end() > 1000);
    assert!(files.end() > 1000);
    // What the guest made lies inside, whichever was there.
    assert_eq!(tree.outside(), outside);
}

/// A pipe takes the place of a file between the look at it and its opening.
#[tokio::test(flavor = "multi_thread")]
async fn r22_a_file_that_becomes_a_pipe_blocks_nobody() {
    let tree = Tree::new();
    let granted = tree.path("granted");
    let (file, pipe) = (granted.join("file"), granted.join("pipe"));
    fs::write(&file, "inside").unwrap();
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let bench = tree.bench("race_reader", "rw");
    let swapper = Swapper::start(file.clone(), pipe.clone());
    let input = json!({"path": "/file", "changed": "", "for_ms": 2000});
    let called = bench.call("race_reader", "race", input).await;
    let swaps = swapper.end();
    // Lets go of threads that wait, so that the test ends either way.
    for path in [&file, &pipe] {
        let _release = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty());
    }
    let seen = called.structured();
    assert!(seen["reads"].as_u64().unwrap() > 100, "{seen}");
    let different = seen["different"].as_array().unwrap();
    assert!(different.contains(&json!("inside")), "{seen}");
    assert!(different.contains(&json!("PermissionDenied")), "{seen}");
    assert!(swaps > 1000, "{swaps}");
}

/// All threads for files are taken, by a file system that hangs for example.
#[test]
fn r22_waiting_for_a_thread_counts_against_the_deadline() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tree = Tree::new();
        let bench = tree.limited("read_file", &["granted:/:ro"], |limits| {
            limits.timeout = Duration::from_secs(1);
        });
        bench.ensure_loaded("read_file").await;
        bench.assert_serving().await;
        let (release, taken) = channel::<()>();
        tokio::task::spawn_blocking(move || taken.recv());
        let read = invocation("read_file", "read", json!({"path": "/hello.txt"}));
        let called = bench.invoke(read).await;
        called.expect(Kind::DeadlineExceeded, &["limit.exceeded"]);
        // Who touches no file is served.
        bench.assert_serving().await;
        drop(release);
    });
}
