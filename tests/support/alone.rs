//! A test in a process of its own: what it measures there is nobody else's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use crate::oracles::{self, Held, SECRET};

/// Names the test that a process was started for.
const VARIABLE: &str = "SKILLHOST_TEST_ALONE";

/// Stands in the environment of such a process, where no guest may find it.
const ENVIRONMENT: &str = "SKH_ENVIRONMENT";

/// Longer than any of these tests takes.
const LONGEST: Duration = Duration::from_secs(120);

/// How soon everything is given back.
const SOON: Duration = Duration::from_secs(2);

/// How often the kernel counts CPU time in a second (`getconf CLK_TCK`).
const TICKS: u64 = 100;

/// Runs a test of that path (as in `attacks --exact PATH`) in a new process,
/// with two workers.
///
/// # Panics
///
/// With all that it wrote, if it fails there.
#[expect(clippy::disallowed_methods, reason = "a test starts itself once more")]
pub fn alone<F: Future<Output = ()>>(path: &str, test: impl FnOnce() -> F) {
    if std::env::var(VARIABLE).is_ok_and(|wanted| wanted == path) {
        return within(test());
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([path, "--exact", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, path)
        .env(ENVIRONMENT, SECRET)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(output.status.success(), "{}{}", told[0], told[1]);
    assert!(told[0].contains("1 passed"), "no test {path}: {}", told[0]);
}

/// A test that hangs, hangs in this process only.
fn within(test: impl Future<Output = ()>) {
    thread::spawn(|| {
        thread::sleep(LONGEST);
        std::process::abort();
    });
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(Duration::from_millis(200))
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// What a process held and had used before an attack.
#[derive(Debug)]
pub struct Scale {
    memory: u64,
    cpu: Duration,
    held: Held,
}

impl Scale {
    /// From here on. Everything that is not to be measured is done before:
    /// skills are loaded, and have been called once.
    #[must_use]
    pub fn begin() -> Self {
        // Resets the highest value of resident memory: proc(5), `clear_refs`.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        Self {
            memory: memory("VmRSS:"),
            cpu: Self::cpu(),
            held: held(),
        }
    }

    /// User and system time of this process: fields 14 and 15 of proc(5), `stat`.
    #[must_use]
    pub fn cpu() -> Duration {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let behind_name = stat.rsplit_once(") ").unwrap().1;
        let fields = behind_name.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    /// O2, O3 and O4: the process took no more than that in between, and all
    /// that it held is given back soon.
    pub async fn end(self, allowed_memory: u64, allowed_cpu: Duration) {
        let (peak, used) = (memory("VmHWM:"), Self::cpu() - self.cpu);
        oracles::o3_within_memory(self.memory, peak, allowed_memory).unwrap();
        oracles::o2_little_work(used, allowed_cpu).unwrap();
        let end = now() + SOON;
        while let Err(left) = oracles::o4_nothing_left(self.held, held()) {
            assert!(now() < end, "{left}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What this process holds now. Machine code and images of memories lie in
/// memory files: they belong to a skill that is loaded, not to its calls.
fn held() -> Held {
    let of_skill = |path: PathBuf| path.to_string_lossy().starts_with("/memfd:");
    let open = fs::read_dir("/proc/self/fd").unwrap();
    // What is gone by now was open to read the folder.
    let open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    Held {
        descriptors: open.filter(|path| !of_skill(path.clone())).count(),
        threads: fs::read_dir("/proc/self/task").unwrap().count(),
        tasks: tasks(),
    }
}

/// Tasks of this runtime that have not ended.
#[must_use]
pub fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// A line of `/proc/self/status`, in bytes.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn now() -> Instant {
    Instant::now()
}
