//! What the record of a call costs: two lines, its start and its end, written to
//! the log beside two plain lines of the same length that are only appended, and
//! with every caller waiting until both are on disk.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot be set up fails, and it prints its ratio"
)]

mod record;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use record::{begin, end, record};
use skillhost::event::Events;
use skillhost::event::audit::{Durability, Lines};
use skillhost::time::system;
use skillhost_tests::audit_log;
use tokio::runtime::Runtime;

const GROUP: &str = "audit";

/// How many wait at once.
const CALLERS: [u32; 3] = [1, 16, 256];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let output = folder.path().join("criterion");
    let mut criterion = Criterion::default()
        .output_directory(&output)
        .sample_size(20)
        .configure_from_args();
    plain(&mut criterion, folder.path());
    flush(&mut criterion, folder.path());
    for callers in CALLERS {
        fsync(&mut criterion, folder.path(), &runtime, callers);
    }
    criterion.final_summary();
    tell(&output);
}

fn tell(output: &Path) {
    let median = |name: &str| skillhost_benches::median(output, GROUP, name);
    let (Some(plain), Some(flush)) = (median("plain"), median("flush")) else {
        return;
    };
    println!(
        "record of a call: flush {:.2} us, two plain lines {:.2} us, ratio {:.2}",
        flush / 1000.0,
        plain / 1000.0,
        flush / plain
    );
    let one = median(&name(1)).unwrap();
    for callers in CALLERS {
        let each = median(&name(callers)).unwrap();
        println!(
            "record of a call: fsync with {callers} callers {:.1} us each, ratio to flush {:.1}, to one caller {:.3}",
            each / 1000.0,
            each / flush,
            each / one
        );
    }
}

fn name(callers: u32) -> String {
    format!("fsync-{callers}")
}

/// What a host that only appends would do: the same bytes, and nothing else.
fn plain(criterion: &mut Criterion, folder: &Path) {
    let folder = folder.join("lines");
    let events = Events::new(audit_log(&folder, Durability::Flush), vec![], system()).unwrap();
    record(&events);
    drop(events);
    let lines: Vec<Vec<u8>> = Lines::open(&folder.join("audit.jsonl"))
        .unwrap()
        .take(2)
        .map(|line| [line.unwrap().bytes, b"\n".to_vec()].concat())
        .collect();
    let mut options = File::options();
    let mut file = options
        .append(true)
        .create(true)
        .open(folder.join("plain"))
        .unwrap();
    let mut group = criterion.benchmark_group(GROUP);
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                file.write_all(line).unwrap();
            }
        });
    });
    group.finish();
}

fn flush(criterion: &mut Criterion, folder: &Path) {
    let audit = audit_log(&folder.join("flush"), Durability::Flush);
    let events = Events::new(audit, vec![], system()).unwrap();
    let mut group = criterion.benchmark_group(GROUP);
    group.bench_function("flush", |bencher| bencher.iter(|| record(&events)));
    group.finish();
}

/// The time of one call among as many as wait at once: wall-clock time divided
/// by calls.
fn fsync(criterion: &mut Criterion, folder: &Path, runtime: &Runtime, callers: u32) {
    let audit = audit_log(&folder.join(name(callers)), Durability::Fsync);
    let events = Arc::new(Events::new(audit, vec![], system()).unwrap());
    let mut group = criterion.benchmark_group(GROUP);
    group.bench_function(name(callers), |bencher| {
        bencher.iter_custom(|calls| {
            let each = calls.div_ceil(callers.into());
            let took = runtime.block_on(crowd(&events, callers, each));
            took.mul_f64(calls_per_call(calls, each, callers))
        });
    });
    group.finish();
}

/// Each caller makes whole calls, which may be more than were asked for.
fn calls_per_call(asked: u64, each: u64, callers: u32) -> f64 {
    let made = Duration::from_nanos(each * u64::from(callers));
    Duration::from_nanos(asked).div_duration_f64(made)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
async fn crowd(events: &Arc<Events>, callers: u32, each: u64) -> Duration {
    let start = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let events = Arc::clone(events);
            tokio::spawn(async move {
                for _ in 0..each {
                    begin(&events);
                    events.settle().await.unwrap();
                    end(&events);
                    events.settle().await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    start.elapsed()
}
