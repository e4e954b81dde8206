//! I07, I08, I09 and S23: what a component says about itself.

use std::time::Duration;

use serde_json::{Value, json};
use skillhost::Kind::{ComponentInvalid, ConfigInvalid, InvalidOutput, ManifestInvalid};
use skillhost::manifest::section;
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, Says, Scale, alone, guests};

use crate::output::structured;

fn manifest(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut manifest = json!({
        "format": 1, "name": "honest", "version": "1.0.0", "description": "",
        "tools": [{"name": "run", "description": "", "input_schema": {"type": "object"}}],
    });
    change(&mut manifest);
    section::append(&guests::text("honest"), manifest.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_as_it_should_be_is_taken() {
    let loaded = Bench::new()
        .load("honest", &manifest(|_| {}))
        .await
        .unwrap();
    assert_eq!(loaded.manifest().name.as_str(), "honest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_usable_manifest_is_not_compiled() {
    let bench = Bench::new();
    let honest = guests::text("honest");
    let error = bench.refused("honest", &honest).await;
    assert_eq!(error.kind(), ManifestInvalid);
    assert!(error.message().contains("carries no manifest"), "{error}");
    for text in [
        b"".as_slice(),
        b"{",
        b"null",
        b"{}",
        b"\xff",
        b"{\"format\": 1}",
    ] {
        assert_eq!(
            bench
                .refused("honest", &section::append(&honest, text))
                .await
                .kind(),
            ManifestInvalid
        );
    }
    let twice = section::append(&manifest(|_| {}), b"{}");
    let error = bench.refused("honest", &twice).await;
    assert_eq!(error.kind(), ComponentInvalid);
    assert!(error.message().contains("two manifests"), "{error}");
    let long = section::append(&honest, &vec![b' '; section::MAX_SECTION + 1]);
    assert_eq!(
        bench.refused("honest", &long).await.kind(),
        ComponentInvalid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_i08_names_and_texts_that_deceive_are_refused() {
    type Change = fn(&mut Value);
    let changes: [Change; _] = [
        |it| it["format"] = json!(2),
        |it| it["unknown"] = json!(true),
        |it| it["name"] = json!("Honest"),
        |it| it["name"] = json!("h\u{43e}nest"),
        |it| it["name"] = json!("../honest"),
        |it| it["name"] = json!(""),
        |it| it["name"] = json!("x".repeat(65)),
        |it| it["version"] = json!("1"),
        |it| it["description"] = json!("safe\u{200b}"),
        |it| it["description"] = json!("\u{202e}efas"),
        |it| it["description"] = json!("\u{1b}[2J"),
        |it| it["description"] = json!("x".repeat(10_000)),
        |it| it["tools"] = json!([]),
        |it| it["tools"] = json!([it["tools"][0], it["tools"][0]]),
        |it| it["tools"][0]["name"] = json!("run__other"),
        |it| it["tools"][0]["description"] = json!("hidden \u{e0041}"),
        |it| it["tools"][0]["input_schema"] = json!({"type": "string"}),
        |it| it["capabilities"] = json!({"bluetooth": {}}),
        |it| it["capabilities"] = json!({"sockets": {"tcp": ["*:1"]}}),
        |it| it["capabilities"] = json!({"sockets": {"tcp": ["db.test"], "reason": "r"}}),
        |it| it["capabilities"] = json!({"sockets": {"udp": ["169.254.169.254:1"], "reason": "r"}}),
        |it| it["capabilities"] = json!({"sockets": {"listen": ["0.0.0.0:1"], "reason": "r"}}),
    ];
    let bench = Bench::new();
    for (number, change) in changes.into_iter().enumerate() {
        let error = bench.refused("honest", &manifest(change)).await;
        assert_eq!(error.kind(), ManifestInvalid, "{number}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_schemas_are_never_fetched_and_never_slow() {
    let bench = Bench::new();
    for schema in [
        json!({"type": "object", "$ref": "http://127.0.0.1/schema.json"}),
        json!({"type": "object", "$ref": "file:///etc/passwd"}),
        json!({"type": "object", "properties": {"a": {"pattern": "(a{1000}){1000}"}}}),
        json!({"type": "object", "properties": {"a": {"type": 7}}}),
    ] {
        let component = manifest(|it| it["tools"][0]["input_schema"] = schema.clone());
        assert_eq!(
            bench.refused("honest", &component).await.kind(),
            ManifestInvalid,
            "{schema}"
        );
    }
    let nested = r#"{"type": "object", "properties": {"a": "#.repeat(10_000);
    let text = format!(
        r#"{{"format": 1, "name": "deep", "version": "1.0.0", "tools": [{{"name": "run", "description": "", "input_schema": {nested}{{}}{}}}]}}"#,
        "}}".repeat(10_000),
    );
    let deep = section::append(&guests::text("honest"), text.as_bytes());
    assert_eq!(bench.refused("deep", &deep).await.kind(), ManifestInvalid);
}

/// A schema that stands for itself would be followed for ever.
#[tokio::test(flavor = "multi_thread")]
async fn i06_a_schema_that_would_be_followed_for_ever_is_refused() {
    let bench = Bench::new();
    let schema = json!({
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/loop"}},
        "$defs": {"loop": {"allOf": [{"$ref": "#/$defs/loop"}]}},
    });
    let component = manifest(|it| it["tools"][0]["input_schema"] = schema.clone());
    let error = bench.load("honest", &component).await.unwrap_err();
    assert_eq!(error.kind(), ManifestInvalid);
    bench.assert_serving().await;
}

/// Forty definitions, each of which refers twice to the next: a few lines that
/// take 2^40 checks of one value.
#[tokio::test(flavor = "multi_thread")]
async fn i06_a_schema_that_multiplies_is_refused() {
    let bench = Bench::new();
    let mut definitions = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
        definitions.insert(format!("a{level}"), json!({"anyOf": [next, next]}));
    }
    definitions.insert("a40".to_owned(), json!({"type": "string"}));
    let schema = json!({
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a0"}},
        "$defs": definitions,
    });
    for field in ["input_schema", "output_schema"] {
        let component = manifest(|it| it["tools"][0][field] = schema.clone());
        let error = bench.load("honest", &component).await.unwrap_err();
        assert_eq!(error.kind(), ManifestInvalid, "{field}");
    }
    bench.assert_serving().await;
}

/// A skill promises what takes long to check, and then says something that
/// makes it take as long as it can. The check is no part of its fuel.
#[tokio::test(flavor = "multi_thread")]
async fn i06_what_a_skill_answers_is_checked_in_little_time() {
    let bench = Bench::with(|setup| setup.limits.timeout = Duration::from_secs(5));
    let mut random = fastrand::Rng::with_seed(7);
    let letters: String = (0..900_000)
        .map(|_| random.choice(['a', 'b']).unwrap())
        .collect();
    let text = json!({"a": letters}).to_string();
    let key = json!({letters: 1}).to_string();
    let numbers = format!("{{\"a\":[{}]}}", vec!["7"; 400_000].join(","));
    let many = vec!["a[ab]{100}c"; 100];
    let each = |pattern: &&str| json!({"pattern": pattern});
    let (pattern, object) = (
        "a[ab]{5000}c",
        |a: Value| json!({"type": "object", "properties": {"a": a}}),
    );
    for (schema, answer) in [
        (object(json!({"pattern": pattern})), &text),
        (object(json!({"not": {"pattern": pattern}})), &text),
        (
            object(json!({"allOf": many.iter().map(each).collect::<Vec<_>>()})),
            &text,
        ),
        (
            json!({"type": "object", "propertyNames": {"pattern": pattern}}),
            &key,
        ),
        (
            json!({"type": "object", "patternProperties": {pattern: {}}}),
            &key,
        ),
        (
            object(json!({"items": {"enum": (10_000..20_000).collect::<Vec<_>>()}})),
            &numbers,
        ),
    ] {
        let what = schema.to_string();
        let manifest = json!({
            "format": 1, "name": "honest", "version": "1.0.0", "description": "",
            "tools": [{
                "name": "run", "description": "",
                "input_schema": {"type": "object"}, "output_schema": schema,
            }],
        });
        let code = structured(answer);
        let component = section::append(&code, manifest.to_string().as_bytes());
        match bench.load("honest", &component).await {
            Err(error) => assert_eq!(error.kind(), ManifestInvalid, "{what:.200}"),
            Ok(_) => {
                let called = bench.attack(invocation("honest", "run", json!({}))).await;
                assert_eq!(called.kind(), InvalidOutput, "{what:.200}");
            }
        }
    }
}

/// Patterns are kept for as long as a skill is loaded.
#[test]
fn i06_patterns_take_little_memory() {
    alone("manifests::i06_patterns_take_little_memory", || async {
        let bench = Bench::new();
        bench.assert_serving().await;
        let patterns: Vec<Value> = (0..2_000)
            .map(|number| json!({"pattern": format!("a[ab]{{5000}}{number}")}))
            .collect();
        let component = manifest(|it| {
            it["tools"][0]["input_schema"] =
                json!({"type": "object", "properties": {"a": {"anyOf": patterns}}});
        });
        let scale = Scale::begin();
        let refused = bench.load("honest", &component).await.unwrap_err();
        assert_eq!(refused.kind(), ManifestInvalid);
        scale.end(32 << 20, Duration::from_secs(5)).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_two_files_cannot_share_a_name() {
    let bench = Bench::new();
    bench.load("honest", &manifest(|_| {})).await.unwrap();
    let error = bench
        .load("another", &manifest(|it| it["version"] = json!("2.0.0")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ConfigInvalid);
    assert_eq!(
        bench.host().skills()[0].manifest().version.to_string(),
        "1.0.0"
    );
    bench.assert_serving().await;
}

/// Whoever allows `says_run` in a dialogue would allow the other as well.
#[tokio::test(flavor = "multi_thread")]
async fn i07_a_tool_that_looks_like_one_of_another_skill_is_refused() {
    let bench = Bench::new();
    let skill = |name: &'static str, tool: &'static str| Says {
        name,
        tool,
        ..Says::new("hello")
    };
    bench
        .load("real", &skill("github", "send-mail").component())
        .await
        .unwrap();
    for (name, tool) in [
        ("glthub", "send-mail"),
        ("github-send", "mail"),
        ("git-hub", "send-mai1"),
        ("github", "sendmail"),
    ] {
        let component = skill(name, tool).component();
        let error = bench.load("copy", &component).await.unwrap_err();
        assert_eq!(error.kind(), ConfigInvalid, "{name} {tool}: {error}");
        let rejected = bench.records().newest();
        assert_eq!(rejected["event"], "skill.rejected", "{rejected}");
    }
    let error = bench
        .load("copy", &skill("glthub", "send-mail").component())
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "The tool `send-mail` of `glthub` is easily taken for the tool `send-mail` of `github`."
    );
    bench
        .load("other", &skill("gitlab", "send-mail").component())
        .await
        .unwrap();
    bench.assert_serving().await;
}

/// A file that turns into another skill is not run under the first one's name.
#[tokio::test(flavor = "multi_thread")]
async fn s22_a_file_that_becomes_another_skill_does_not_run() {
    let bench = Bench::new();
    bench.load("honest", &manifest(|_| {})).await.unwrap();
    bench.replace("honest", &manifest(|it| it["name"] = json!("other")));
    let called = bench.invoke(invocation("honest", "run", json!({}))).await;
    assert_eq!(
        called.kind(),
        skillhost::Kind::ArtifactChanged,
        "{:?}",
        called.error()
    );
    bench.assert_serving().await;
}

/// The author's wishes narrow the limits and never widen them.
#[tokio::test(flavor = "multi_thread")]
async fn i14_an_author_cannot_raise_limits() {
    let bench = Bench::with(|setup| setup.limits.fuel = 50_000_000);
    let component = section::append(
        &guests::text("post_loop"),
        json!({
            "format": 1, "name": "greedy", "version": "1.0.0", "limits": {"fuel": u64::MAX, "memory": "4 GiB"},
            "tools": [{"name": "run", "description": "", "input_schema": {"type": "object"}}],
        })
        .to_string()
        .as_bytes(),
    );
    bench.load("greedy", &component).await.unwrap();
    let called = bench.invoke(invocation("greedy", "run", json!({}))).await;
    called.expect(skillhost::Kind::FuelExhausted, &["limit.exceeded"]);
    bench.assert_serving().await;
}
