//! Whatever is done to the files of a log, the verifier names the place.

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde_json::Value;
use skillhost::event::audit::{Damage, HeadCheck, Report, segments};
use skillhost_tests::trail::{Trail, end_call, start_call};
use tempfile::TempDir;

/// How many damages of each sort.
const TIMES: usize = 60;

/// A log of several files and runs.
fn written() -> (TempDir, Trail) {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::within(folder.path());
    for run in 0..3 {
        let events = trail.begin(|options| options.rotate_size = 6_000);
        for call in 0..12 {
            let id = format!("{run}-{call}");
            start_call(&events, &id).unwrap();
            end_call(&events, &id).unwrap();
        }
    }
    let report = trail.verify();
    assert!(report.is_intact() && report.files.len() > 3, "{report:#?}");
    (folder, trail)
}

/// The lines of each file.
type Files = Vec<(PathBuf, Vec<Vec<u8>>)>;

fn read(trail: &Trail) -> Files {
    let files = segments(&trail.log()).unwrap();
    files
        .into_iter()
        .map(|file| {
            let text = fs::read(&file.path).unwrap();
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            (file.path, lines.map(<[u8]>::to_vec).collect())
        })
        .collect()
}

fn write(files: &Files) {
    for (path, lines) in files {
        fs::write(path, lines.concat()).unwrap();
    }
}

/// A line somewhere: which file, and which line of it.
fn somewhere(files: &Files, random: &mut Rng) -> (usize, usize) {
    let file = random.usize(..files.len());
    (file, random.usize(..files[file].1.len()))
}

/// Damages a log in some way, many times, and mends it again.
fn damaged(mut damage: impl FnMut(&mut Files, &mut Rng, &dyn Fn(&Files) -> Report)) {
    let (_folder, trail) = written();
    let good = read(&trail);
    let mut random = Rng::with_seed(7);
    let verified = |files: &Files| {
        write(files);
        trail.verify()
    };
    for _ in 0..TIMES {
        damage(&mut good.clone(), &mut random, &verified);
    }
    assert!(verified(&good).is_intact());
}

fn names(report: &Report, file: &Path, line: usize, damage: Damage) -> bool {
    report
        .broken
        .iter()
        .any(|it| it.file == file && it.line == line as u64 + 1 && it.damage == damage)
}

#[test]
fn d03_an_edited_line_is_named() {
    damaged(|files, random, verified| {
        let (file, line) = somewhere(files, random);
        let (path, lines) = &mut files[file];
        let bytes = &mut lines[line];
        let at = random.usize(..bytes.len() - 1);
        let before = String::from_utf8(bytes.clone()).unwrap();
        let byte = bytes[at];
        while bytes[at] == byte || bytes[at] == b'\n' {
            bytes[at] = random.u8(..);
        }
        let path = path.clone();
        let report = verified(files);
        assert!(
            names(&report, &path, line, Damage::Edited)
                || names(&report, &path, line, Damage::ForgedCheckpoint),
            "byte {at} of line {line}: {before}{report:#?}"
        );
        let first = report.first().unwrap();
        assert!(
            first.line <= line as u64 + 1 || first.file != path,
            "{report:#?}"
        );
    });
}

/// What a person would edit: the value of a field, with everything else in
/// order. Run, sequence and event of the line are named as well.
#[test]
fn d03_an_edited_word_is_named_with_its_event_and_sequence() {
    let (_folder, trail) = written();
    let mut files = read(&trail);
    let text = String::from_utf8(files[1].1[3].clone()).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    files[1].1[3] = text
        .replace("\"skill\":\"echo\"", "\"skill\":\"other\"")
        .into_bytes();
    write(&files);
    let report = trail.verify();
    assert_eq!(report.broken.len(), 1, "{report:#?}");
    let broken = report.first().unwrap();
    assert_eq!((broken.line, broken.damage), (4, Damage::Edited));
    assert_eq!(broken.sequence, record["sequence"].as_u64());
    assert_eq!(broken.event.as_deref(), record["event"].as_str());
    assert_eq!(broken.run.as_deref(), record["run"].as_str());
    let text = broken.to_string();
    assert!(
        text.starts_with("audit-000002.jsonl, line 4 (sequence "),
        "{text}"
    );
}

#[test]
fn d03_a_deleted_line_is_named() {
    damaged(|files, random, verified| {
        let (file, line) = somewhere(files, random);
        files[file].1.remove(line);
        let last_file = file + 1 == files.len();
        let next = match files[file].1.get(line) {
            Some(_) => Some((file, line)),
            None if last_file => None,
            None => Some((file + 1, 0)),
        };
        let report = verified(files);
        match next {
            Some((file, line)) => assert!(
                names(&report, &files[file].0, line, Damage::Missing),
                "{file} {line}: {report:#?}"
            ),
            None => assert_eq!(report.first().unwrap().damage, Damage::Truncated),
        }
    });
}

#[test]
fn d03_lines_that_change_places_are_named() {
    damaged(|files, random, verified| {
        let (file, line) = somewhere(files, random);
        if line + 1 == files[file].1.len() {
            return;
        }
        files[file].1.swap(line, line + 1);
        let report = verified(files);
        assert!(
            names(&report, &files[file].0, line + 1, Damage::Reordered),
            "{file} {line}: {report:#?}"
        );
    });
}

#[test]
fn d03_a_line_that_is_put_in_is_named() {
    damaged(|files, random, verified| {
        let (from, which) = somewhere(files, random);
        let copy = files[from].1[which].clone();
        let (file, line) = somewhere(files, random);
        files[file].1.insert(line, copy);
        let report = verified(files);
        let named = report.broken.iter().any(|it| {
            it.file == files[file].0 && (it.line == line as u64 + 1 || it.line == line as u64 + 2)
        });
        assert!(named, "{from} {which} to {file} {line}: {report:#?}");
    });
}

#[test]
fn d03_lines_that_are_cut_off_the_end_are_missed() {
    damaged(|files, random, verified| {
        let live = files.len() - 1;
        let keep = random.usize(..files[live].1.len());
        files[live].1.truncate(keep);
        let report = verified(files);
        assert_eq!(
            report.first().unwrap().damage,
            Damage::Truncated,
            "{report:#?}"
        );
    });
}

#[test]
fn d03_a_line_that_is_cut_is_torn() {
    damaged(|files, random, verified| {
        let live = files.len() - 1;
        let last = files[live].1.last_mut().unwrap();
        last.truncate(random.usize(1..last.len()));
        let report = verified(files);
        let damages: Vec<_> = report.broken.iter().map(|it| it.damage).collect();
        assert_eq!(damages, [Damage::Torn, Damage::Truncated], "{report:#?}");
    });
}

#[test]
fn d03_a_file_that_is_deleted_is_missed() {
    let (_folder, trail) = written();
    let files = read(&trail);
    for (path, lines) in &files {
        fs::remove_file(path).unwrap();
        let report = trail.verify();
        assert!(
            matches!(
                report.first().unwrap().damage,
                Damage::Missing | Damage::Truncated
            ),
            "{}: {report:#?}",
            path.display()
        );
        fs::write(path, lines.concat()).unwrap();
    }
    assert!(trail.verify().is_intact());
}

/// Who can write the files can chain a line on, and nothing that it says excuses
/// a file that is gone.
#[test]
fn d03_a_line_that_nobody_signed_excuses_nothing() {
    let (_folder, trail) = written();
    let files = read(&trail);
    let (oldest, _) = &files[0];
    fs::remove_file(oldest).unwrap();
    let (live, lines) = files.last().unwrap();
    let last = lines.last().unwrap();
    let line = serde_json::from_slice::<Value>(last).unwrap()["line"]
        .as_u64()
        .unwrap();
    let excuse = format!(
        "{{\"previous\":\"{}\",\"line\":{},\"event\":\"audit.rotated\",\"removed\":\"{}\"}}\n",
        sigstore_crypto::sha256(last.trim_ascii_end()).to_hex(),
        line + 1,
        oldest.file_name().unwrap().to_str().unwrap()
    );
    fs::write(live, [lines.concat(), excuse.into_bytes()].concat()).unwrap();
    let report = trail.verify();
    assert_eq!(report.unsealed, 1, "{report:#?}");
    assert!(
        report.broken.iter().any(|it| it.damage == Damage::Missing),
        "{report:#?}"
    );
}

/// Who can write the files can make a sound chain; but cannot sign it.
#[test]
fn d03_a_chain_that_is_made_anew_is_not_signed() {
    let (_folder, trail) = written();
    let mut files = read(&trail);
    let mut previous = None;
    for (_, lines) in &mut files {
        for line in lines.iter_mut() {
            let text = String::from_utf8(line.clone()).unwrap();
            let text = text.replace("\"principal\":\"stdio\"", "\"principal\":\"local\"");
            let text = match &previous {
                Some(hash) => format!("{{\"previous\":\"{hash}{}", &text[77..]),
                None => text,
            };
            previous = Some(sigstore_crypto::sha256(text.trim_end().as_bytes()).to_hex());
            *line = text.into_bytes();
        }
    }
    write(&files);
    let report = trail.verify();
    assert_eq!(report.checkpoints, 0);
    assert_eq!(report.first().unwrap().damage, Damage::ForgedCheckpoint);
    assert!(
        report.broken.iter().any(|it| it.damage == Damage::Edited),
        "{report:#?}"
    );
    let checkpoints = trail.counts()["audit.checkpoint"];
    let forged = report
        .broken
        .iter()
        .filter(|it| it.damage == Damage::ForgedCheckpoint);
    assert_eq!(forged.count(), checkpoints);
}

#[test]
fn d03_a_head_that_is_deleted_or_older_is_noticed() {
    let (_folder, trail) = written();
    let head = trail.log().with_extension("jsonl.head");
    let good = fs::read(&head).unwrap();
    fs::remove_file(&head).unwrap();
    let report = trail.verify();
    assert_eq!(report.head, HeadCheck::Absent);
    assert_eq!(report.first().unwrap().damage, Damage::ForgedHead);
    let text = String::from_utf8(good).unwrap();
    fs::write(&head, text.replacen("\"lines\":", "\"lines\":1", 1)).unwrap();
    let report = trail.verify();
    assert_eq!(report.head, HeadCheck::Forged);
    assert_eq!(report.first().unwrap().damage, Damage::ForgedHead);
    fs::write(&head, text).unwrap();
    assert!(trail.verify().is_intact());
}
