//! M14: lines without end, noise, and a guest that writes to standard output.

use std::fs;

use serde_json::{Value, json};

use super::{assert_serving, desk, named, serve};

const MIB: usize = 1 << 20;

#[test]
fn m14_a_line_without_end_is_refused_and_takes_little_room() {
    let desk = desk(&["echo"]);
    let mut assistant = serve(&desk);
    let before = peak(assistant.process());
    let piece = vec![b'x'; MIB];
    for beginning in [
        "",
        r#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"arguments":{"text":""#,
    ] {
        assistant.write(beginning.as_bytes());
        for _ in 0..100 {
            assistant.write(&piece);
        }
        let answer = assistant.heard();
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["data"]["kind"]),
            (&json!(-32600), &json!("InputTooLarge"))
        );
        let expected = (!beginning.is_empty()).then(|| json!(77));
        assert_eq!(answer.get("id"), expected.as_ref(), "{answer}");
        assistant.write(b"\n");
        assert_serving(&mut assistant);
    }
    let taken = peak(assistant.process()) - before;
    assert!(taken < 128 * MIB, "{taken} bytes");
    drop(assistant.end());
    let rejected = named(&desk, "wire.rejected");
    assert!(
        rejected.iter().all(|it| it["limit"] == "line"),
        "{rejected:#?}"
    );
}

/// The largest amount of memory that a process had, in bytes.
fn peak(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[test]
fn m14_noise_is_answered_and_told_seldom() {
    let desk = desk(&["echo"]);
    let mut assistant = serve(&desk);
    let mut random = fastrand::Rng::with_seed(14);
    for _ in 0..16 {
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(16 * 1024)
            .collect();
        assistant.write(&noise);
        assistant.write(b"\n");
        assert_serving(&mut assistant);
    }
    let (rest, _) = assistant.rest();
    // A line of noise may be a digit, which is JSON.
    let is_refused = |it: &Value| it["error"]["code"] == -32700 || it["error"]["code"] == -32600;
    assert!(rest.iter().all(is_refused), "{rest:#?}");
    let rejected = named(&desk, "wire.rejected");
    let told: u64 = rejected
        .iter()
        .map(|it| it["repeated"].as_u64().unwrap() + 1)
        .sum();
    assert!(
        told >= 16 && rejected.len() < 100,
        "{} of {told}",
        rejected.len()
    );
}

#[test]
fn m14_what_a_guest_prints_never_reaches_the_client() {
    let desk = desk(&["echo", "print_forever"]);
    let mut assistant = serve(&desk);
    for (tool, input) in [
        ("print-forever_print", json!({"lines": 10_000})),
        ("print-forever_flood", json!({"mebibytes": 2})),
    ] {
        let answer = assistant.call(tool, &input);
        assert_eq!(
            answer["result"]["content"][0]["text"], "still here",
            "{answer}"
        );
    }
    assert_serving(&mut assistant);
    let (rest, _) = assistant.rest();
    assert_eq!(
        rest,
        [] as [Value; 0],
        "each line was a message, and asked for"
    );
}
