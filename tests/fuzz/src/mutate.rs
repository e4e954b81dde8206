//! Mutants of what is known, the same for the same seed: what a fuzzer would
//! try first, without one.

use fastrand::Rng;

/// Texts that parsers care about.
const WORDS: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\n",
    "\0",
    "..",
    "/",
    "@",
    "#",
    "%2e",
    "*",
    "*.",
    "127.0.0.1",
    "[::1]",
    "localhost",
    "\u{202e}",
    "\u{e9}",
    "1e999",
    "-0",
];

/// A mutant of one of these, with parts of another.
///
/// # Panics
///
/// If there is nothing to begin with.
#[must_use]
pub fn mutant(known: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut bytes = random.choice(known).unwrap().clone();
    for _ in 0..random.usize(1..=4) {
        let place = random.usize(0..=bytes.len());
        let end = (place + random.usize(0..=8)).min(bytes.len());
        match random.u8(0..7) {
            0 => bytes.truncate(place),
            1 => drop(bytes.drain(place..end)),
            2 => insert(&mut bytes, place, random.choice(WORDS).unwrap().as_bytes()),
            3 => insert(&mut bytes, place, &[random.u8(..)]),
            4 if place < bytes.len() => bytes[place] ^= 1 << random.u8(0..8),
            5 => {
                let part = bytes[place..end].to_vec();
                insert(&mut bytes, place, &part);
            }
            _ => {
                let other = random.choice(known).unwrap();
                let from = random.usize(0..=other.len());
                let part = &other[from..(from + 16).min(other.len())];
                insert(&mut bytes, place, part);
            }
        }
    }
    bytes
}

fn insert(bytes: &mut Vec<u8>, place: usize, part: &[u8]) {
    bytes.splice(place..place, part.iter().copied());
}
