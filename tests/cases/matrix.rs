//! The tables of attacks in `docs/SECURITY.md` name each attack once, and the
//! very tests that try it: those whose name begins with its number, and those
//! of the guests whose first line does.
//!
//! The last column is written by this test when `SKILLHOST_WRITE_MATRIX` is
//! set, so that nobody has to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Begins the last column of an attack that no test tries.
const NOT_TRIED: &str = "Not tried: ";

/// Tests that try an attack: function and module.
type Tests = BTreeMap<String, BTreeSet<(String, String)>>;

#[test]
fn each_attack_is_there_once_and_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join("docs/SECURITY.md");
    let written = fs::read_to_string(&path).unwrap();
    let known: Vec<String> = attacks();
    let there: Vec<&str> = written.lines().filter_map(attack).collect();
    assert_eq!(there, known);

    let tests = tests(root);
    // Of the attacks on signatures only those on the cache are listed here.
    let is_unknown = |id: &&String| !id.starts_with('S') && !known.contains(id);
    let unknown: Vec<_> = tests.keys().filter(is_unknown).collect();
    assert!(
        unknown.is_empty(),
        "tests of attacks that are not listed: {unknown:?}"
    );
    let lines: Vec<String> = written.lines().map(|line| filled(line, &tests)).collect();
    let filled = lines.join("\n") + "\n";
    if writes() {
        fs::write(&path, filled).unwrap();
        return;
    }
    let stale: Vec<_> = lines
        .iter()
        .zip(written.lines())
        .filter(|(new, old)| new != old)
        .collect();
    assert!(
        stale.is_empty(),
        "run this with SKILLHOST_WRITE_MATRIX=1: {stale:#?}"
    );
    for line in lines.iter().filter(|line| attack(line).is_some()) {
        let held_by = line.split(" | ").nth(3).unwrap();
        assert!(
            held_by.contains('`') || held_by.len() > NOT_TRIED.len() + 20,
            "neither a test nor a reason: {line}"
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "asks whoever runs the tests")]
fn writes() -> bool {
    std::env::var("SKILLHOST_WRITE_MATRIX").is_ok()
}

/// The numbers of all attacks of these families, in order.
fn attacks() -> Vec<String> {
    let families = [
        ('R', 1..=36),
        ('S', 24..=26),
        ('F', 1..=18),
        ('N', 1..=20),
        ('I', 1..=15),
        ('M', 12..=15),
        ('M', 1..=11),
        ('M', 16..=20),
        ('X', 1..=10),
        ('C', 1..=9),
        ('D', 1..=10),
    ];
    let numbers = families.into_iter().flat_map(|(family, numbers)| {
        numbers.map(move |number: u8| format!("{family}{number:02}"))
    });
    numbers.collect()
}

/// The number with which a line of a table begins.
fn attack(line: &str) -> Option<&str> {
    let (id, _) = line.strip_prefix("| ")?.split_once(" | ")?;
    is_attack(&id.to_lowercase()).then_some(id)
}

/// `r01`, but not `r1`, `t01` or `red`.
fn is_attack(word: &str) -> bool {
    let number = word.strip_prefix(['r', 's', 'f', 'n', 'x', 'c', 'd', 'm', 'i']);
    number.is_some_and(|it| it.len() == 2 && it.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The line with the tests that there are. Where there are none, a reason is
/// written by hand and stays.
fn filled(line: &str, tests: &Tests) -> String {
    let Some(tests) = attack(line).and_then(|id| tests.get(id)) else {
        return line.to_owned();
    };
    let columns: Vec<&str> = line.split(" | ").take(3).collect();
    let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, name) in tests {
        modules.entry(module).or_default().push(name);
    }
    let modules: Vec<String> = modules
        .into_iter()
        .map(|(module, names)| format!("`{module}` `{}`", names.join("`, `")))
        .collect();
    format!("{} | {} |", columns.join(" | "), modules.join("; "))
}

/// Every test that names an attack, and every test of a guest that does.
fn tests(root: &Path) -> Tests {
    let guests = guests(&root.join("tests/guests"));
    let mut tests = Tests::new();
    for (folder, name) in [
        ("tests/attacks", "attacks"),
        ("tests/e2e", "e2e"),
        ("tests/cases", "cases"),
        ("host/src", "host"),
    ] {
        let folder = root.join(folder);
        for file in files(&folder) {
            let module = module(name, file.strip_prefix(&folder).unwrap());
            let source = fs::read_to_string(&file).unwrap();
            for test in functions(&source) {
                let own = guests.get(test).filter(|_| name == "attacks");
                for id in own.cloned().unwrap_or_else(|| ids(test.split('_'))) {
                    let entry = (module.clone(), test.to_owned());
                    tests.entry(id.to_uppercase()).or_default().insert(entry);
                }
            }
        }
    }
    tests
}

/// The attacks of each guest, as its first line has them.
fn guests(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let named = files(folder).into_iter().map(|path| {
        let source = fs::read_to_string(&path).unwrap();
        let line = source.lines().next().unwrap_or_default().to_lowercase();
        let words = line
            .trim_start_matches(['/', '!', ';', ' '])
            .split([' ', ':', ',']);
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, ids(words.filter(|word| !word.is_empty())))
    });
    named.collect()
}

/// The numbers with which some words begin: `r01 r03`, `r01 and r03`, or
/// `r01 to r03`.
fn ids<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut range = false;
    for word in words {
        match word {
            "to" => range = true,
            "and" => {}
            id if is_attack(id) => {
                let last = found.last().filter(|_| range).map(|last| number(last));
                let first = last.map_or(number(id), |last| last + 1);
                found.extend((first..=number(id)).map(|each| format!("{}{each:02}", &id[..1])));
                range = false;
            }
            _ => break,
        }
    }
    found
}

fn number(id: &str) -> u8 {
    id[1..].parse().unwrap()
}

/// The names of functions behind a test's attribute.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    let lines = source.lines().map(str::trim_start);
    let mut is_test = false;
    lines.filter_map(move |line| {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let (_, rest) = line.split_once("fn ").filter(|_| is_test)?;
        let ends = !line.starts_with("//");
        is_test &= !ends;
        rest.split_once('(').map(|(name, _)| name).filter(|_| ends)
    })
}

/// `attacks::compute` for `compute.rs`, `host::verify` for `verify/tests.rs`.
fn module(root: &str, file: &Path) -> String {
    let path = file.with_extension("");
    let parts = path.iter().map(|part| part.to_str().unwrap());
    let parts = parts.filter(|part| !["mod", "tests", "main", "lib"].contains(part));
    [root]
        .into_iter()
        .chain(parts)
        .collect::<Vec<_>>()
        .join("::")
}

/// All sources below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|it| it.to_str());
            match extension {
                _ if path.is_dir() => open.push(path),
                Some("rs" | "wat") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn numbers_are_read_as_they_are_meant() {
    let read = |text: &str| ids(text.split('_'));
    assert_eq!(read("r01_to_r03_all_of_it"), ["r01", "r02", "r03"]);
    assert_eq!(read("f05_f06_nothing"), ["f05", "f06"]);
    assert_eq!(read("r19_and_r24_r"), ["r19", "r24"]);
    assert_eq!(read("nothing_of_r01"), Vec::<String>::new());
    let source =
        "#[test]\nfn r01_a() {}\nfn r02_b() {}\n#[tokio::test(x)]\n#[y]\npub async fn r03_c() {}";
    assert_eq!(functions(source).collect::<Vec<_>>(), ["r01_a", "r03_c"]);
}
