//! Records in the Common Event Format: each `cef/*.json`, a line of an audit
//! log, becomes exactly the line in the `.cef` beside it, but for the version of
//! this program.

use std::fs;
use std::path::Path;

use skillhost::event::reading::{Entry, cef};

#[test]
fn each_record_becomes_the_line_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/cef");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for case in paths.filter(|path| path.extension().is_some_and(|it| it == "json")) {
        let entry = Entry::parse(&fs::read_to_string(&case).unwrap()).unwrap();
        let expected = fs::read_to_string(case.with_extension("cef")).unwrap();
        let line = cef::of(&entry).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        assert_eq!(format!("{line}\n"), expected, "{}", case.display());
        seen += 1;
    }
    assert!(seen > 4, "{seen}");
}
