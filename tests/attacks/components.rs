//! R25, R32, R34 and N12: what a component may be made of.

use skillhost::Kind::ComponentInvalid;
use skillhost_tests::{Bench, guests, pack};

/// A signed component that the host compiles at most, and refuses. Returns the
/// message.
async fn refused(bench: &Bench, component: &[u8]) -> String {
    let skill = pack::with_manifest(component, pack::plain_source("refused"));
    let error = bench.load("refused", &skill).await.unwrap_err();
    assert_eq!(error.kind(), ComponentInvalid, "{error:?}");
    let last = bench.records().all().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["kind"]),
        (&"skill.rejected".into(), &"ComponentInvalid".into())
    );
    error.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn tcp_connect() {
    let bench = Bench::new();
    let error = bench
        .load("tcp-connect", &pack::rust("tcp_connect"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ComponentInvalid, "{error:?}");
    assert!(
        error.message().contains("does not ask for raw connections"),
        "{error}"
    );
    assert!(
        error.hint().unwrap().contains("`[capabilities.sockets]`"),
        "{error:?}"
    );
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn n12_only_what_is_offered_can_be_imported() {
    let bench = Bench::new();
    for (import, part) in [
        ("wasi:sockets/tcp@0.2.0", "does not ask for raw"),
        ("wasi:sockets/udp@0.2.0", "does not ask for raw"),
        ("wasi:sockets/ip-name-lookup@0.2.0", "does not ask for raw"),
        ("wasi:http/incoming-handler@0.2.0", "does not offer it"),
        ("wasi:keyvalue/store@0.2.0", "does not offer it"),
        ("evil:host/shell@1.0.0", "does not offer it"),
        ("skillhost:skills/tools@1.0.0", "does not offer it"),
        ("wasi:cli2/environment@0.2.0", "does not offer it"),
    ] {
        let text = format!(r#"(component (import "{import}" (instance)))"#);
        let message = refused(&bench, &guests::assemble(&text)).await;
        assert!(
            message.contains(import) && message.contains(part),
            "{message}"
        );
    }
    let function =
        guests::assemble(r#"(component (import "system" (func (param "command" string))))"#);
    assert!(refused(&bench, &function).await.contains("`system`"));
    let wrong = r#"(component (import "wasi:cli/exit@0.2.0" (instance (export "run" (func)))))"#;
    refused(&bench, &guests::assemble(wrong)).await;
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_tools_is_refused() {
    let bench = Bench::new();
    let tools = "skillhost:skill/tools@1.0.0";
    for text in [
        "(component)".to_owned(),
        format!(r#"(component (instance $empty) (export "{tools}" (instance $empty)))"#),
    ] {
        assert!(
            refused(&bench, &guests::assemble(&text))
                .await
                .contains(tools)
        );
    }
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_features_that_no_toolchain_needs_are_refused() {
    let bench = Bench::new();
    let mut taken = Vec::new();
    for (feature, module) in [
        ("threads", "(memory 1 1 shared)"),
        ("memory64", "(memory i64 1)"),
        ("several memories", "(memory 1) (memory 1)"),
        (
            "garbage collection",
            "(type $s (struct)) (func (result (ref $s)) struct.new $s)",
        ),
        ("exceptions", "(tag) (func (throw 0))"),
        (
            "stack switching",
            "(type $f (func)) (type $c (cont $f)) (func (param (ref $c)))",
        ),
        ("tail calls", "(func $f return_call $f)"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
        (
            "recursive types",
            "(rec (type $a (struct (field (ref null $a)))))",
        ),
        ("memory64 tables", "(table i64 1 funcref)"),
        ("old exceptions", "(func try catch_all end)"),
        (
            "old exceptions",
            "(tag $t) (func try throw $t catch $t end)",
        ),
        (
            "continuations",
            "(type $f (func)) (type $c (cont $f)) (func (result (ref $c)) (cont.new $c (ref.func 0)))",
        ),
        ("shared tables", "(table shared 1 funcref)"),
        ("shared globals", "(global (shared mut i32) (i32.const 0))"),
        (
            "shared memory of others",
            r#"(import "m" "m" (memory 1 1 shared))"#,
        ),
        (
            "wide arithmetic",
            "(func (param i64 i64 i64 i64) (result i64 i64) \
             local.get 0 local.get 1 local.get 2 local.get 3 i64.add128)",
        ),
    ] {
        let text = format!("(component (core module {module}))");
        let message = refused(&bench, &guests::assemble(&text)).await;
        if !message.starts_with("The component is not valid: ") {
            taken.push(feature);
        }
    }
    assert_eq!(taken, Vec::<&str>::new());
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_asynchronous_components_are_refused() {
    let bench = Bench::new();
    for text in [
        r#"(component (type $s (stream u8)) (import "f" (func (param "s" $s))))"#,
        r#"(component (type $f (future u8)) (import "f" (func (param "f" $f))))"#,
        "(component (core func (canon backpressure.inc)))",
        "(component (core func (canon task.cancel)))",
        "(component (core func (canon waitable-set.new)))",
        "(component (core func (canon context.get i32 0)))",
        "(component (core func (canon thread.yield)))",
        "(component (core func (canon subtask.drop)))",
        "(component (type $s (stream u8)) (core func (canon stream.new $s)))",
        r#"(component (import "f" (func async)))"#,
        "(component (core module $m (func (export \"f\") (result i32) i32.const 0)) \
         (core instance $i (instantiate $m)) \
         (func (canon lift (core func $i \"f\") async)))",
        r#"(component (import "e" (func (param "e" error-context))))"#,
    ] {
        let message = refused(&bench, &guests::assemble(text)).await;
        assert!(
            message.starts_with("The component is not valid: "),
            "{text}: {message}"
        );
    }
    bench.assert_serving().await;
}

/// What the interfaces of WASI 0.3 and of the first preview are called.
#[tokio::test(flavor = "multi_thread")]
async fn r25_r32_other_previews_are_refused() {
    let bench = Bench::new();
    let preview1 =
        r#"(import "wasi_snapshot_preview1" "fd_renumber" (func (param i32 i32) (result i32)))"#;
    let module = guests::assemble(&format!("(module {preview1})"));
    let path = pack::write_signed(bench.folder(), "module", &module, bench.key());
    let error = bench.refused_file(&path).await;
    assert_eq!(error.kind(), ComponentInvalid, "{error:?}");
    for text in [
        // A module that nobody gives what it imports, and one from outside.
        format!("(component (core module $m {preview1}) (core instance (instantiate $m)))"),
        format!(r#"(component (import "adapter" (core module {preview1})))"#),
        r#"(component (import "wasi:cli/environment@0.3.0" (instance)))"#.to_owned(),
        r#"(component (import "wasi:snapshot-preview1/fd@0.1.0" (instance)))"#.to_owned(),
    ] {
        refused(&bench, &guests::assemble(&text)).await;
    }
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_components_are_refused_before_they_are_compiled() {
    let bench = Bench::new();
    let honest = pack::text("honest");
    for length in (9..honest.len() - 1).step_by(7) {
        let component = &honest[..length];
        let path = pack::write_signed(bench.folder(), "refused", component, bench.key());
        let error = bench.host().load(&path).await.unwrap_err();
        let kind = error.kind();
        assert!(
            matches!(kind, ComponentInvalid | skillhost::Kind::ManifestInvalid),
            "{length}: {error:?}"
        );
    }
    bench.assert_serving().await;
}

/// R07 and R13: types that are deep, or that double with each step.
#[tokio::test(flavor = "multi_thread")]
async fn r13_types_that_expand_are_refused_in_time() {
    let bench = Bench::new();
    let deep: String = (1..2_000)
        .map(|n| format!("(type $t{n} (list $t{}))", n - 1))
        .collect();
    let wide: String = (1..64)
        .map(|n| format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1))
        .collect();
    for (types, last) in [(deep, 1_999), (wide, 63)] {
        let text = format!(
            r#"(component (type $t0 (list u8)) {types} (import "f" (func (param "p" $t{last}))))"#
        );
        refused(&bench, &guests::assemble(&text)).await;
    }
    bench.assert_serving().await;
}
