use skillhost_test_world::*;
fn main() {
    let world = World::new();
    let d = world
        .bundle(b"artifact")
        .identity(
            "https://ci.test/build.yml@refs/heads/main",
            "https://issuer.test",
        )
        .at(1_750_000_000);
    let p =
        |n: &str, t: String| std::fs::write(format!("tests/fuzz/corpus/bundle/{n}"), t).unwrap();
    p("rekor-v1", d.v1().json());
    p("rekor-v2", d.v2().json());
    p("offline", d.clone().key(&Key::generate()).unlogged().json());
    p(
        "statement",
        d.clone()
            .statement(
                "https://slsa.dev/provenance/v1",
                &serde_json::json!({"a": 1}),
            )
            .v2()
            .json(),
    );
    p("trusted-root", world.trusted_root());
}
