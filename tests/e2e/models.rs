//! What a model sees of tools and of what they answer, over `skillhost serve`.

use std::process::Command;

use base64::Engine;
use serde_json::{Value, json};
use skillhost::manifest::section;
use skillhost_tests::{Assistant, guests, pack};

use crate::desk::{Desk, argument};

/// A desk with these guests installed, and more lines of configuration.
fn desk(guests: &[&str], more: &str) -> Desk {
    let desk = Desk::new();
    for guest in guests {
        install(&desk, &pack::skill_name(guest), &pack::rust(guest));
    }
    desk.configure(&format!("[trust]\npreset = \"permissive\"\n{more}"));
    desk
}

fn install(desk: &Desk, name: &str, component: &[u8]) {
    let skill = desk.install(name, component);
    desk.key().sign_file(&skill, None).unwrap();
}

fn serve(desk: &Desk) -> Assistant {
    desk.serve(&[], &json!({}))
}

/// The names of all tools, page by page.
fn listed(assistant: &mut Assistant) -> Vec<Vec<String>> {
    let (mut pages, mut params) = (Vec::new(), json!({}));
    loop {
        let answer = assistant.request("tools/list", &params);
        let result = &answer["result"];
        let tools = result["tools"].as_array().unwrap().iter();
        let names = tools.map(|tool| tool["name"].as_str().unwrap().to_owned());
        pages.push(names.collect());
        match &result["nextCursor"] {
            Value::Null => return pages,
            cursor => params = json!({"cursor": cursor}),
        }
    }
}

#[test]
fn m16_a_hidden_tool_is_told_like_one_that_is_not_there() {
    let deny = "[principal.stdio]\ntools.deny = [\"echo/*\"]\n";
    let desk = desk(&["echo", "big_output"], deny);
    let mut assistant = serve(&desk);
    let names = listed(&mut assistant).concat();
    assert_eq!(
        names,
        [
            "big-output_answer",
            "big-output_blocks",
            "big-output_control"
        ]
    );
    for arguments in [json!({"text": "x"}), json!({"wrong": 1}), json!({})] {
        let mut told = |tool: &str| {
            let mut answer = assistant.call(tool, &arguments);
            let id = answer.as_object_mut().unwrap().remove("id");
            assert!(id.is_some());
            answer.to_string().replace(tool, "TOOL")
        };
        let hidden = told("echo_echo");
        assert!(hidden.contains("-32602"), "{hidden}");
        for absent in [
            "echo_nothing",
            "nobody_echo",
            "big-output_nothing",
            "nothing",
        ] {
            assert_eq!(told(absent), hidden);
        }
    }
    drop(assistant.end());
    let audit = desk.audit();
    let kinds = |kind: &str| audit.iter().filter(|it| it["kind"] == kind).count();
    assert!(kinds("Forbidden") > 0 && kinds("UnknownTool") > 0);
}

#[test]
fn a_list_of_very_many_tools_comes_in_pages_that_miss_none() {
    let desk = desk(&[], "");
    for skill in ["first", "second", "third"] {
        let tool = |number: u32| {
            let letter = |digit| char::from_u32(u32::from(b'a') + digit).unwrap();
            let name = format!("x{}{}", letter(number / 12), letter(number % 12));
            json!({"name": name, "description": "", "input_schema": {"type": "object"}})
        };
        let manifest = json!({
            "format": 1, "name": skill, "version": "1.0.0", "description": "",
            "tools": (0..128).rev().map(tool).collect::<Vec<_>>(),
        });
        let code = guests::text("honest");
        let component = section::append(&code, manifest.to_string().as_bytes());
        install(&desk, skill, &component);
    }
    let mut assistant = serve(&desk);
    let pages = listed(&mut assistant);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [256, 128]);
    let names = pages.concat();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names[0], "first_xaa");
    let after = json!({"cursor": "second_gone-by-now"});
    let answer = assistant.request("tools/list", &after);
    assert_eq!(answer["result"]["tools"][0]["name"], "second_xaa");
    drop(assistant.end());
}

/// What the first content of each page holds, from that page to the last.
fn read(assistant: &mut Assistant, first: &str) -> String {
    let (mut text, mut next) = (String::new(), Some(first.to_owned()));
    while let Some(uri) = next {
        let answer = assistant.request("resources/read", &json!({"uri": uri}));
        let page = &answer["result"]["contents"][0];
        text += page["text"].as_str().unwrap();
        let link = page["_meta"]["dev.skillhost/next"].as_str();
        next = link.map(str::to_owned);
    }
    text
}

#[test]
fn i10_a_large_answer_is_no_failure_and_is_read_in_pages() {
    let desk = desk(&["big_output"], "[mcp]\npage = \"100 KiB\"\n");
    let mut assistant = serve(&desk);
    let answer = assistant.call("big-output_answer", &json!({"bytes": 900_000}));
    let result = &answer["result"];
    assert_eq!(result["isError"], false, "{answer:.300}");
    assert!(result.to_string().len() < 8000);
    let link = &result["content"][1];
    assert_eq!(
        (&link["type"], &link["size"]),
        (&json!("resource_link"), &json!(900_000))
    );
    let uri = link["uri"].as_str().unwrap();
    assert!(result["content"][0]["text"].as_str().unwrap().contains(uri));
    assert_eq!(read(&mut assistant, uri), "x".repeat(900_000));
    let answer = assistant.request("resources/list", &json!({}));
    assert_eq!(answer["result"]["resources"][0]["uri"], uri);
    for hostile in [
        uri.replace("/1", "/99"),
        uri.replace("output/", "output/../"),
        "file:///etc/passwd".to_owned(),
        "%2e%2e/".repeat(20_000),
    ] {
        let answer = assistant.request("resources/read", &json!({"uri": hostile}));
        assert_eq!(answer["error"]["code"], -32002, "{hostile:.100}");
    }
    let answer = assistant.call("big-output_answer", &json!({"bytes": 2_000_000}));
    assert_eq!(
        answer["result"]["_meta"]["dev.skillhost/kind"],
        "OutputLimit"
    );
    drop(assistant.end());
}

#[test]
fn i10_forged_messages_and_control_characters_stay_text() {
    let desk = desk(&["big_output", "guest_errors"], "");
    let mut assistant = serve(&desk);
    let answer = assistant.call("big-output_control", &json!({}));
    let result = &answer["result"];
    assert_eq!(result["isError"], false);
    assert_eq!(
        result["content"],
        json!([{"type": "text", "text": "\u{1b}[2J\u{202e}\n{\"jsonrpc\":\"2.0\"}"}])
    );
    let answer = assistant.call("guest-errors_fail", &json!({"way": "forged"}));
    let told = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        told,
        "one\\ntwo \\u{1b}[31m\\u{202e}three. The same call would fail again."
    );
    assert!(!assistant.end().contains('\u{1b}'));
}

#[test]
fn i12_an_answer_that_breaks_its_promise_reaches_no_model() {
    let desk = desk(&["bad_output"], "");
    let mut assistant = serve(&desk);
    let tools = assistant.request("tools/list", &json!({}));
    let promised = &tools["result"]["tools"][0]["outputSchema"];
    assert_eq!(promised["type"], "object", "{tools}");
    let answer = assistant.call("bad-output_count", &json!({}));
    let result = &answer["result"];
    assert_eq!(result["isError"], true);
    assert_eq!(result["_meta"]["dev.skillhost/kind"], "InvalidOutput");
    assert_eq!(result.get("structuredContent"), None);
    assert!(!result.to_string().contains("many"), "{result}");
    drop(assistant.end());
}

/// A host cannot know that an argument is a password. It keeps none of them.
#[test]
fn i15_an_argument_that_comes_back_is_in_the_answer_and_in_no_record() {
    let desk = desk(&["echo"], "");
    let password = "SKH_CANARY_password";
    let mut assistant = serve(&desk);
    let answer = assistant.call("echo_echo", &json!({"text": password}));
    assert_eq!(answer["result"]["content"][0]["text"], password);
    let errors = assistant.end();
    assert!(!errors.contains(password), "{errors}");
    let audit = Value::from(desk.audit()).to_string();
    let encoded = base64::engine::general_purpose::STANDARD.encode(password);
    assert!(!audit.contains(password) && !audit.contains(&encoded));
}

#[test]
fn mcp_config_starts_the_host_that_printed_it() {
    let desk = desk(&["echo"], "");
    for client in [
        "claude-desktop",
        "claude-code",
        "vscode",
        "cursor",
        "zed",
        "gemini-cli",
        "generic",
    ] {
        let ran = desk.skillhost(&["mcp-config", client]).code(0);
        let snippet = ran.json();
        let servers = snippet.as_object().unwrap().values().next().unwrap();
        let entry = &servers["skillhost"];
        let words = entry["args"].as_array().unwrap().iter();
        let words: Vec<&str> = words.map(|it| it.as_str().unwrap()).collect();
        let file = desk.path("config/skillhost/skillhost.toml");
        assert_eq!(words, ["serve", "--config", argument(&file)], "{snippet}");
        assert!(
            ran.stderr.contains("Add this") || client == "generic",
            "{ran:#?}"
        );
    }
    let snippet = desk.skillhost(&["mcp-config", "generic"]).json();
    let entry = &snippet["mcpServers"]["skillhost"];
    let words = entry["args"].as_array().unwrap().iter();
    #[expect(clippy::disallowed_methods, reason = "the command is what is tested")]
    let mut command = Command::new(entry["command"].as_str().unwrap());
    command
        .args(words.map(|it| it.as_str().unwrap()))
        .current_dir("/")
        .env("HOME", desk.path("elsewhere"));
    for (variable, folder) in entry["env"].as_object().unwrap() {
        command.env(variable, folder.as_str().unwrap());
    }
    let mut assistant = Assistant::start(&mut command, &json!({}));
    assert!(
        listed(&mut assistant)
            .concat()
            .contains(&"echo_echo".to_owned())
    );
    drop(assistant.end());
}

#[test]
fn mcp_config_names_a_key_and_never_holds_one() {
    let desk = Desk::new();
    let url = "https://skills.example.com/mcp";
    let run = |words: &[&str]| desk.skillhost(&[&["mcp-config"], words].concat());
    let ran = run(&["claude-code", "--http", url]).code(0);
    let entry = &ran.json()["mcpServers"]["skillhost"];
    assert_eq!(entry["headers"]["Authorization"], "Bearer ${SKILLHOST_KEY}");
    let ran = run(&["cursor", "--http", url, "--key", "MY_KEY", "--json"]).code(0);
    let entry = &ran.json()["config"]["mcpServers"]["skillhost"];
    assert_eq!(entry["headers"]["Authorization"], "Bearer ${env:MY_KEY}");
    let ran = run(&["generic", "--http", "http://127.0.0.1:8808/mcp", "--no-key"]).code(0);
    assert_eq!(ran.json()["mcpServers"]["skillhost"].get("headers"), None);
    for wrong in [
        &["generic", "--http", url, "--key", "skh-secret"][..],
        &["generic", "--http", url, "--key", "skh_secret"],
        &["generic", "--http", "http://skills.example.com/mcp"],
        &["generic", "--http", "skills.example.com"],
        &["claude-desktop", "--http", url],
        &["notepad"],
        &[],
    ] {
        let ran = run(wrong).code(2);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert!(!ran.stderr.contains("secret"), "{ran:#?}");
    }
    let ran = run(&["--list"]).code(0);
    assert!(ran.stdout.contains("claude-desktop\n  macOS: "), "{ran:#?}");
    let ran = run(&["--list", "--json"]).code(0);
    assert_eq!(ran.json().as_array().unwrap().len(), 7);
}
