//! `mutate TARGET SECONDS SEED`: mutants of a corpus for a while, with the
//! compiler that is there. The last input stands in `TARGET.last` in the
//! temporary folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a tool for those who look for mistakes"
)]

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use fastrand::Rng;
use skillhost_fuzz::TARGETS;
use skillhost_fuzz::mutate::mutant;

fn main() {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap();
    let seconds = Duration::from_secs(arguments.next().unwrap().parse().unwrap());
    let mut random = Rng::with_seed(arguments.next().unwrap().parse().unwrap());
    let (_, target) = TARGETS.into_iter().find(|(it, _)| *it == name).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(&name);
    let entries = fs::read_dir(corpus).unwrap();
    let mut known: Vec<Vec<u8>> = entries
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let last = env::temp_dir().join(format!("{name}.last"));
    let (start, mut tried) = (Instant::now(), 0_u64);
    while start.elapsed() < seconds {
        let bytes = mutant(&known, &mut random);
        fs::write(&last, &bytes).unwrap();
        target(&bytes);
        tried += 1;
        // Mutants of mutants go further.
        if random.u8(..) == 0 && known.len() < 1000 && bytes.len() < 10_000 {
            known.push(bytes);
        }
    }
    println!("{name}: {tried} mutants");
}
