use super::*;

#[test]
fn what_was_approved_passes_and_the_same_with_other_bytes_does_not() {
    let lock = lock();
    let approved = found(&document(), b"1.2.0", &["alice", "bob"]);
    assert_eq!(lock.check(&approved), Ok(()));
    assert_eq!(lock.compare(&approved), []);
    let other = found(&document(), b"1.2.0 ", &["alice", "bob"]);
    let [change] = lock.check(&other).unwrap_err().try_into().unwrap();
    assert_eq!((change.what(), change.widens()), (What::OtherBytes, true));
    let sentence = change.to_string();
    for part in [
        "The same version 1.2.0 has other bytes: ",
        &Digest::of(b"1.2.0").to_string(),
        &Digest::of(b"1.2.0 ").to_string(),
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[test]
fn a_tool_that_is_added_is_told_with_all_that_a_model_reads() {
    let tool = json!({
        "name": "upload", "description": "Uploads.",
        "input_schema": {"type": "object", "properties": {"to": {"type": "string", "description": "Where"}}},
        "annotations": {"read_only": true},
    });
    let told: Vec<(What, String)> = changes(&[("/tools/-", tool)])
        .iter()
        .map(|change| (change.what(), change.to_string()))
        .collect();
    let expected = [
        (What::ToolAdded, "The tool `upload` was added."),
        (
            What::ToolDescription,
            r#"The description of the tool `upload` is now "Uploads."."#,
        ),
        (
            What::ArgumentAdded,
            r#"The argument `to` of the tool `upload` was added (string): "Where"."#,
        ),
        (
            What::Annotation,
            "The tool `upload` now claims to be read-only.",
        ),
    ];
    assert_eq!(told, expected.map(|(what, text)| (what, text.to_owned())));
}

#[test]
fn a_tool_with_the_same_schema_is_renamed_and_hides_nothing() {
    let changes = changes(&[
        ("/tools/0/name", json!("tally")),
        ("/tools/0/description", json!("Tallies.")),
    ]);
    let kinds: Vec<What> = changes.iter().map(Change::what).collect();
    assert_eq!(kinds, [What::ToolRenamed, What::ToolDescription]);
    assert_eq!(
        changes[0].to_string(),
        "The tool `count` is now named `tally`."
    );
    let told = self::changes(&[
        ("/tools/0/name", json!("tally")),
        ("/tools/0/input_schema/properties", json!({})),
    ]);
    assert!(told.iter().any(|change| change.what() == What::ToolRemoved));
    assert!(told.iter().any(|change| change.what() == What::ToolAdded));
}

#[test]
fn signers_may_be_more_and_not_fewer() {
    let lock = lock();
    let signed = |component: &[u8], signers: &[&str]| found(&document(), component, signers);
    let more = signed(b"1.2.0", &["alice", "bob", "carol"]);
    assert_eq!(lock.check(&more), Ok(()));
    let [told] = lock.compare(&more).try_into().unwrap();
    assert_eq!((told.what(), told.widens()), (What::SignerAdded, false));
    assert_eq!(told.to_string(), "`carol` signs it as well.");

    let [gone] = lock
        .check(&signed(b"1.2.0", &["alice"]))
        .unwrap_err()
        .try_into()
        .unwrap();
    assert_eq!((gone.what(), gone.widens()), (What::SignerGone, true));
    assert_eq!(gone.to_string(), "`bob` no longer signs it.");

    let other = lock
        .check(&signed(b"1.2.0", &["alice", "carol"]))
        .unwrap_err();
    let kinds: Vec<What> = other.iter().map(Change::what).collect();
    assert_eq!(kinds, [What::SignerGone, What::SignerAdded]);
}

#[test]
fn a_version_is_compared_with_the_nearest_below_it() {
    let lock = lock();
    for (version, what, widens, sentence) in [
        (
            "1.3.0",
            What::NewVersion,
            false,
            "Version 1.3.0 was not approved; it is compared with 1.2.0.",
        ),
        (
            "1.1.0",
            What::OlderVersion,
            true,
            "Version 1.1.0 was not approved, and 1.2.0, which was, is later; it is compared with 1.0.0.",
        ),
        (
            "0.9.0",
            What::OlderVersion,
            true,
            "Version 0.9.0 was not approved, and 1.2.0, which was, is later; it is compared with 1.0.0.",
        ),
    ] {
        let document = document_with(&[
            ("/version", json!(version)),
            ("/capabilities/filesystem/access", json!("read-write")),
        ]);
        let changes = lock.check(&found(&document, b"x", &["alice"])).unwrap_err();
        assert_eq!(changes[0].to_string(), sentence);
        assert_eq!((changes[0].what(), changes[0].widens()), (what, widens));
        assert_eq!(changes.last().unwrap().what(), What::CapabilityAdded);
        let gone = changes
            .iter()
            .any(|change| change.what() == What::SignerGone);
        assert_eq!(gone, version == "1.3.0", "{changes:#?}");
    }
    let latest = lock.latest(&"text-stats".parse().unwrap()).unwrap();
    assert_eq!(latest.version(), &Version::new(1, 2, 0));
}

#[test]
fn a_skill_that_is_not_in_the_lock_is_told_with_all_that_it_declares() {
    let release = found(&document(), b"x", &["alice", "bob"]);
    let changes = Lock::default().check(&release).unwrap_err();
    assert_eq!(changes[0].what(), What::NewSkill);
    assert_eq!(
        changes[0].to_string(),
        "`text-stats` 1.2.0, signed by alice, bob, was not approved, nor was any other version of it."
    );
    let told: String = changes.iter().map(|change| format!("{change}\n")).collect();
    for part in [
        "The tool `about` was added.",
        r#"The description of the tool `count` is now "Counts the words of a text."."#,
        "It now wants http GET, HEAD to https://*.good.test, https://one.test: \"fetches pages\".",
        "It now wants filesystem read-only: \"reads files\".",
        "It now wants sockets: \"asks a database\".",
        "It now wants tcp *:5432.",
        "It now wants udp time.test:123.",
        "It now wants to listen on 127.0.0.1:8080.",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// A secret that is wanted for something else is a new wish and an old one that
/// is gone.
#[test]
fn a_secret_for_another_origin_or_use_widens() {
    let origin = (
        "/capabilities/secrets/token/origin",
        json!("https://evil.test"),
    );
    let [added, gone] = changes(&[origin]).try_into().unwrap();
    assert_eq!(
        (added.what(), added.widens()),
        (What::CapabilityAdded, true)
    );
    assert_eq!(
        added.to_string(),
        "It now wants secret token, added to requests to https://evil.test."
    );
    assert_eq!(
        (gone.what(), gone.widens()),
        (What::CapabilityRemoved, false)
    );
    let shown = json!({"use": "reveal", "reason": "signs in"});
    let [added, _] = changes(&[("/capabilities/secrets/token", shown)])
        .try_into()
        .unwrap();
    assert!(added.widens(), "{added}");
}

#[test]
fn the_order_in_which_an_author_writes_is_no_change() {
    let mut tools = document()["tools"].as_array().unwrap().clone();
    tools.reverse();
    assert_eq!(
        changes(&[
            ("/tools", json!(tools)),
            (
                "/capabilities/http/origins",
                json!(["https://one.test", "https://*.good.test"])
            ),
            ("/capabilities/http/methods", json!(["GET", "HEAD"])),
            ("/capabilities/sockets/tcp", json!(["db.test:22", "*:5432"])),
        ]),
        []
    );
}

/// No change of a manifest that a model or a grant depends on leaves the
/// definition as it was.
#[test]
fn each_value_of_a_manifest_is_part_of_its_definition() {
    let original = found(&document(), b"", &["alice"]).definition().digest();
    let mut pointers = Vec::new();
    leaves(&document(), "", &mut pointers);
    let mut compared = 0;
    for pointer in pointers {
        if matches!(pointer.as_str(), "/format" | "/name" | "/version") {
            continue;
        }
        let mut document = document();
        let leaf = document.pointer_mut(&pointer).unwrap();
        *leaf = other(leaf);
        let Ok(manifest) = Manifest::parse(Some(document.to_string().as_bytes())) else {
            continue;
        };
        assert_ne!(Definition::of(&manifest).digest(), original, "{pointer}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

fn leaves(value: &Value, path: &str, pointers: &mut Vec<String>) {
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), pointers)),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .for_each(|(index, value)| leaves(value, &format!("{path}/{index}"), pointers)),
        _ => pointers.push(path.to_owned()),
    }
}

fn other(leaf: &Value) -> Value {
    match leaf {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) if text == "read-only" => json!("read-write"),
        Value::String(text) if text.contains("://") => json!("https://other.test"),
        Value::String(text) if text.contains(':') => json!("127.0.0.1:9"),
        Value::String(text) if text.ends_with("MiB") => json!("2 MiB"),
        Value::String(text) if text == "5s" => json!("6s"),
        Value::String(text) if text == "GET" || text == "HEAD" => json!("PUT"),
        Value::String(text) => json!(format!("{text}x")),
        other => other.clone(),
    }
}

/// An author who nests long names must not make the host repeat them for each
/// argument inside.
#[test]
fn names_that_are_nested_do_not_multiply() {
    let leaves: serde_json::Map<String, Value> = (0..2000)
        .map(|index| (format!("a{index}"), json!({})))
        .collect();
    let mut schema = json!({"type": "object", "properties": leaves});
    for _ in 0..30 {
        schema = json!({"type": "object", "properties": {"n".repeat(8000): schema}});
    }
    let document = document_with(&[("/tools/0/input_schema", schema)]);
    let mut lock = Lock::default();
    lock.approve(found(&document, b"", &["alice"]));
    let text = lock.to_text().unwrap();
    assert!(
        text.len() < 2 * document.to_string().len(),
        "{}",
        text.len()
    );
}
