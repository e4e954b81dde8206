//! `completions`, `--help`, `--version`, `new`.

use crate::desk::Desk;

#[test]
fn each_shell_gets_completions() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = desk.skillhost(&["completions", shell]).code(0);
        assert!(
            ran.stdout.contains("keygen") && ran.stderr.is_empty(),
            "{shell}"
        );
    }
    desk.skillhost(&["completions", "no-such-shell"]).code(2);
}

#[test]
fn help_is_an_answer_and_no_error() {
    let desk = Desk::new();
    for command in [
        "run", "new", "build", "keygen", "sign", "attest", "verify", "inspect", "list", "serve",
        "doctor",
    ] {
        let ran = desk.skillhost(&[command, "--help"]).code(0);
        assert!(ran.stdout.contains("\nUsage: "), "{ran:#?}");
        assert_eq!(ran.stderr, "");
    }
    let version = desk.skillhost(&["--version"]).code(0).stdout;
    assert_eq!(
        version,
        format!("skillhost {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_skill_is_begun_in_a_folder_of_its_own() {
    let desk = Desk::new();
    let ran = desk.skillhost(&["new", "hello"]).code(0);
    assert!(ran.stdout.ends_with("hello\n"), "{ran:#?}");
    for file in ["Cargo.toml", "src/lib.rs", "skill.toml"] {
        assert!(desk.path("hello").join(file).is_file(), "{file}");
    }
    desk.skillhost(&["new", "hello"]).code(2);
    desk.skillhost(&["new", "../hello"]).code(2);
}
