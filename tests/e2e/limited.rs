//! A host that the system gives little: few descriptors, small files.

use std::fs;

use serde_json::{Value, json};
use skillhost_tests::{Assistant, pack};

use crate::desk::{Desk, argument};

/// A desk with these guests installed, which may do what they like in `files`.
fn desk(guests: &[&str]) -> Desk {
    let desk = Desk::new();
    desk.write("files/hello.txt", "hello");
    let mut text = "[trust]\npreset = \"permissive\"\n".to_owned();
    for guest in guests {
        let name = pack::skill_name(guest);
        let skill = desk.install(&name, &pack::rust(guest));
        desk.key().sign_file(&skill, None).unwrap();
        let files = desk.path("files");
        text += &format!(
            "[skill.{name}]\ndirectories = [\"{}:/:rw\"]\n",
            files.display()
        );
    }
    desk.configure(&text);
    desk
}

/// What a tool answered.
fn structured(assistant: &mut Assistant, tool: &str, arguments: &Value) -> Value {
    let answer = assistant.call(tool, arguments);
    let result = &answer["result"];
    assert_ne!(result["isError"], true, "{answer}");
    result["structuredContent"].clone()
}

/// A quarter of 128 for one call, though its limit is 64; and the host goes on
/// to serve, and to write its log.
#[test]
fn r24_a_host_with_few_descriptors_serves_on() {
    let desk = desk(&["descriptor_hoarder", "echo"]);
    let mut assistant = desk.serve_within("ulimit -n 128");
    for way in ["files", "streams"] {
        let greedy = json!({"path": "hello.txt", "count": 1000, "way": way, "hold_ms": 0});
        let hoarded = structured(&mut assistant, "descriptor-hoarder_hoard", &greedy);
        assert_eq!(hoarded, json!({"held": 32, "error": "quota"}));
        let answer = assistant.call("echo_echo", &json!({"text": "canary"}));
        assert_eq!(answer["result"]["content"][0]["text"], "canary", "{answer}");
    }
    drop(assistant.end());
    let audit = desk.audit();
    let denied: Vec<&Value> = audit
        .iter()
        .filter(|record| record["event"] == "capability.denied")
        .collect();
    assert_eq!(denied.len(), 2);
    let grant = "more file descriptors for the host (`ulimit -n`)";
    assert!(denied.iter().all(|record| record["grant"] == grant));
    let finished = audit
        .iter()
        .filter(|record| record["event"] == "invocation.finished");
    assert_eq!(finished.count(), 4);
}

/// The signal that the kernel sends to who writes past the limit ends a process
/// that does not expect it.
#[test]
fn r23_a_file_over_the_size_limit_of_the_process_ends_no_host() {
    let desk = desk(&["disk_filler", "echo"]);
    // 4,096 blocks of 512 bytes, or of 1,024 in some shells: machine code passes
    // through files in memory, which count as well.
    let mut assistant = desk.serve_within("ulimit -f 4096");
    for way in ["stream", "append", "grow", "write"] {
        let much = json!({"way": way, "times": 2000});
        let filled = structured(&mut assistant, "disk-filler_fill", &much);
        assert_eq!(filled["error"], "file-too-large", "{way}: {filled}");
        let answer = assistant.call("echo_echo", &json!({"text": "canary"}));
        assert_eq!(answer["result"]["content"][0]["text"], "canary", "{answer}");
    }
    drop(assistant.end());
    let size = fs::metadata(desk.path("files/filled")).unwrap().len();
    assert!(size <= 4096 * 1024, "{size}");
}

/// Keys, cache and records of the host are nothing that a skill is granted.
#[test]
fn f09_the_places_of_the_host_are_never_granted() {
    let desk = Desk::new();
    let reader = desk.guest("read_file");
    fs::create_dir_all(desk.path("data/skillhost/inside")).unwrap();
    for place in ["data/skillhost", "data/skillhost/inside", "data", "."] {
        let directory = desk.path(place);
        let granted = ["run", &reader, "--input", "{}", "--allow-dir"];
        let ran = desk
            .skillhost(&[&granted[..], &[argument(&directory)]].concat())
            .code(2);
        let told = "may not be granted: it reaches the host itself";
        assert!(ran.stderr.contains(told), "{place}: {ran:#?}");
    }
}
