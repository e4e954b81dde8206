//! A human is asked: what a skill wants to know, and what it wants and was not
//! granted. In both revisions of MCP, over standard input and over HTTP.

#![expect(
    clippy::disallowed_methods,
    reason = "a test talks to the server over loopback"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;

use serde_json::{Value, json};
use skillhost::manifest::Source;
use skillhost_tests::{Assistant, guests, pack};

use crate::desk::Desk;

/// A tool that asks.
const GREET: &str = "asks-name_greet";

/// A tool of a skill that cannot do without keeping something.
const NOTES: &str = "notes_run";

fn desk(consent: &str) -> Desk {
    let desk = Desk::new();
    desk.configure(&format!("[trust]\npreset = \"permissive\"\n{consent}"));
    fs::create_dir_all(desk.path("data/skillhost/skills")).unwrap();
    desk.component("data/skillhost/skills/asks-name", &pack::rust("asks_name"));
    let source = Source {
        capabilities: serde_json::from_value(json!({"state": {"reason": "To remember \"it\"."}}))
            .unwrap(),
        ..pack::plain_source("notes")
    };
    let notes = pack::with_manifest(&guests::text("honest"), source);
    desk.component("data/skillhost/skills/notes", &notes);
    desk
}

fn accept(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

fn events(desk: &Desk, name: &str) -> Vec<Value> {
    let mut events = desk.audit();
    events.retain(|event| event["event"] == name);
    events
}

fn text(answer: &Value) -> &str {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}"))
}

/// Before 2026-07-28.
fn assistant(desk: &Desk) -> Assistant {
    desk.serve(&[], &json!({"capabilities": {"elicitation": {}}}))
}

#[test]
fn a_client_of_2025_is_asked_while_its_call_waits() {
    let desk = desk("");
    let mut assistant = assistant(&desk);
    let (answer, asked) =
        assistant.call_answering(GREET, &json!({}), &[accept(&json!({"name": "Ada"}))]);
    assert_eq!(text(&answer), "Hello, Ada!");
    assert_eq!(asked[0]["method"], "elicitation/create");
    assert_eq!(
        asked[0]["params"]["message"],
        "The skill asks-name asks: What is your name?"
    );
    assert_eq!(
        asked[0]["params"]["requestedSchema"]["required"],
        json!(["name"])
    );
    let (answer, _) = assistant.call_answering(GREET, &json!({}), &[json!({"action": "decline"})]);
    assert_eq!(text(&answer), "Hello, stranger!");
    let yes = accept(&json!({"yes": true}));
    let (answer, asked) = assistant.call_answering("asks-name_endless", &json!({}), &vec![yes; 20]);
    assert_eq!(
        (asked.len(), &answer["result"]["isError"]),
        (8, &json!(true)),
        "{answer}"
    );
}

#[test]
fn a_client_that_cannot_be_asked_is_told_so() {
    let desk = desk("");
    let mut assistant = desk.serve(&[], &json!({}));
    let answer = assistant.call(GREET, &json!({}));
    assert_eq!(answer["result"]["isError"], true);
    assert!(
        text(&answer).contains("nobody can be asked here"),
        "{answer}"
    );
    let denied = assistant.call(NOTES, &json!({}));
    assert!(
        text(&denied).contains("skillhost grant notes state"),
        "{denied}"
    );
    drop(assistant);
    assert_eq!(events(&desk, "consent.asked"), Vec::<Value>::new());
}

#[test]
fn who_gives_no_answer_in_time_has_given_none() {
    let desk = desk("[consent]\nwait = \"1s\"\n");
    let mut assistant = assistant(&desk);
    let (answer, asked) = assistant.call_answering(GREET, &json!({}), &[]);
    assert_eq!((text(&answer), asked.len()), ("Is there anybody?", 1));
    let (answer, asked) = assistant.call_answering(NOTES, &json!({}), &[]);
    assert_eq!(
        (&answer["result"]["isError"], asked.len()),
        (&json!(true), 1),
        "{answer}"
    );
    drop(assistant);
    assert_eq!(events(&desk, "consent.answered")[0]["answer"], "none");
}

#[test]
fn a_right_is_given_once_and_only_for_the_call() {
    let desk = desk("");
    let mut assistant = assistant(&desk);
    let once = accept(&json!({"allow": "once"}));
    let (answer, asked) = assistant.call_answering(NOTES, &json!({}), &[once]);
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let params = &asked[0]["params"];
    assert_eq!(
        params["message"],
        "skillhost asks: the skill notes, signed by local, wants to keep something from call to call. Its author says why: \"To remember 'it'.\" Allow it for this call, or not at all?"
    );
    let allow = &params["requestedSchema"]["properties"]["allow"];
    assert_eq!(
        (&allow["enum"], &allow["default"]),
        (&json!(["no", "once"]), &json!("no"))
    );
    // The next call is asked for again, and a word that was not offered is a no.
    let always = accept(&json!({"allow": "always"}));
    let (denied, asked) = assistant.call_answering(NOTES, &json!({}), &[always]);
    assert_eq!(
        (&denied["result"]["isError"], asked.len()),
        (&json!(true), 1),
        "{denied}"
    );
    // Who said no is not asked again at once.
    let (denied, asked) = assistant.call_answering(NOTES, &json!({}), &[]);
    assert_eq!(
        (&denied["result"]["isError"], asked.len()),
        (&json!(true), 0),
        "{denied}"
    );
    drop(assistant);
    assert!(!desk.path("config/skillhost/grants.json").exists());
    let asked = events(&desk, "consent.asked");
    assert_eq!(
        (&asked[0]["capability"], &asked[0]["how"]),
        (&json!("state"), &json!("elicitation"))
    );
    assert_eq!(
        (&asked[0]["skill"], &asked[0]["principal"]),
        (&json!("notes"), &json!("stdio"))
    );
    let answers = events(&desk, "consent.answered");
    let answers: Vec<_> = answers
        .iter()
        .map(|event| event["answer"].as_str().unwrap())
        .collect();
    assert_eq!(answers, ["once", "no"]);
    // Twice for the call that was asked about and refused.
    assert_eq!(events(&desk, "policy.denied").len(), 4);
}

#[test]
fn a_right_that_is_given_for_good_is_a_grant_like_any_other() {
    let desk = desk("[consent]\nask = \"always\"\n");
    let mut assistant = assistant(&desk);
    let always = accept(&json!({"allow": "always"}));
    let (answer, _) = assistant.call_answering(NOTES, &json!({}), &[always]);
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let (answer, asked) = assistant.call_answering(NOTES, &json!({}), &[]);
    assert_eq!(
        (&answer["result"]["isError"], asked.len()),
        (&json!(false), 0)
    );
    drop(assistant);
    let given = &events(&desk, "grant.given")[0];
    assert_eq!(given["capability"], "state");
    assert!(
        given["by"].as_str().unwrap().ends_with("asked as stdio"),
        "{given}"
    );
    let shown = desk.skillhost(&["permissions", "notes", "--json"]).json();
    assert_eq!(shown["wants"][0]["granted"][0]["from"], "skillhost grant");
    desk.skillhost(&["revoke", "notes", "state"]).code(0);
}

#[test]
fn what_a_call_was_refused_is_asked_for_if_it_may_run_again() {
    let desk = desk("");
    let mut assistant = assistant(&desk);
    let (once, word) = (accept(&json!({"allow": "once"})), json!({"word": "yes"}));
    let (answer, asked) = assistant.call_answering("asks-name_keep", &word, &[once]);
    assert_eq!((text(&answer), asked.len()), ("kept yes", 1));
    let message = asked[0]["params"]["message"].as_str().unwrap();
    assert!(
        message.contains("keep something from call to call"),
        "{message}"
    );
    let (denied, asked) = assistant.call_answering("asks-name_keep-more", &json!({}), &[]);
    assert_eq!(
        (&denied["result"]["isError"], asked.len()),
        (&json!(true), 0),
        "{denied}"
    );
    assert!(
        text(&denied).contains("skillhost grant asks-name state"),
        "{denied}"
    );
    drop(assistant);
    assert_eq!(events(&desk, "capability.denied").len(), 2);
}

#[test]
fn nobody_is_asked_for_what_the_operator_denies_or_does_not_want_asked() {
    for consent in [
        "[consent]\nask = \"never\"\n",
        "[policy]\ndeny-capabilities = [\"state\"]\n",
        "[trust-level.permissive]\ncapabilities = [\"http\"]\n",
    ] {
        let desk = desk(consent);
        let mut assistant = assistant(&desk);
        let (denied, asked) = assistant.call_answering(NOTES, &json!({}), &[]);
        assert_eq!(
            (&denied["result"]["isError"], asked.len()),
            (&json!(true), 0),
            "{denied}"
        );
    }
}

/// A client of 2026-07-28, over standard input or over HTTP.
enum Client {
    Stdio(Assistant),
    Http(Child, SocketAddr),
}

impl Client {
    fn http(desk: &Desk) -> Self {
        let mut server = desk.serve_http();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let rest = line.strip_prefix("listening at http://")?;
            Some(rest.strip_suffix("/mcp").unwrap().parse().unwrap())
        });
        // A server whose standard error nobody reads stands still.
        std::thread::spawn(move || lines.for_each(drop));
        Self::Http(server, address.unwrap())
    }

    fn call(&mut self, tool: &str, arguments: &Value, capabilities: &Value, more: &Value) -> Value {
        let mut params = json!({"name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        }});
        let object = params.as_object_mut().unwrap();
        object.extend(more.as_object().cloned().unwrap_or_default());
        match self {
            Self::Stdio(assistant) => assistant.request("tools/call", &params),
            Self::Http(_, address) => post(*address, tool, &params),
        }
    }

    /// With a client that takes forms.
    fn ask(&mut self, tool: &str, more: &Value) -> Value {
        self.call(
            tool,
            &json!({}),
            &json!({"elicitation": {"form": {}}}),
            more,
        )
    }

    /// Answers what was asked.
    fn answer(&mut self, tool: &str, asked: &Value, responses: &Value) -> Value {
        let state = &asked["result"]["requestState"];
        assert!(state.is_string(), "{asked}");
        self.ask(
            tool,
            &json!({"requestState": state, "inputResponses": responses}),
        )
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Self::Http(server, _) = self {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

fn post(address: SocketAddr, tool: &str, params: &Value) -> Value {
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

fn both(desk: &Desk) -> [Client; 2] {
    [
        Client::Stdio(desk.serve_without_hello()),
        Client::http(desk),
    ]
}

#[test]
fn a_client_of_2026_calls_again_with_answers_and_state() {
    let desk = desk("");
    for mut client in both(&desk) {
        let asked = client.ask(GREET, &json!({}));
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let request = &asked["result"]["inputRequests"]["person"];
        assert_eq!(request["method"], "elicitation/create");
        assert_eq!(
            request["params"]["message"],
            "The skill asks-name asks: What is your name?"
        );
        let answer = client.answer(
            GREET,
            &asked,
            &json!({"person": accept(&json!({"name": "Ada"}))}),
        );
        assert_eq!(
            (text(&answer), &answer["result"]["resultType"]),
            ("Hello, Ada!", &json!("complete"))
        );
        // Two rounds, and an answer of the first is there in the second.
        let first = client.ask("asks-name_twice", &json!({}));
        let yes = accept(&json!({"yes": true}));
        let second = client.answer("asks-name_twice", &first, &json!({"first": yes}));
        assert_ne!(
            first["result"]["requestState"],
            second["result"]["requestState"]
        );
        let answer = client.answer("asks-name_twice", &second, &json!({"second": yes}));
        assert!(text(&answer).ends_with("after 2"), "{answer}");
    }
}

#[test]
fn answers_without_a_state_of_ours_are_none() {
    let desk = desk("[consent]\nask-over-http = \"once\"\n");
    for mut client in both(&desk) {
        let person = json!({"person": accept(&json!({"name": "Ada"}))});
        let asked = client.ask(GREET, &json!({"inputResponses": person}));
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let allow = accept(&json!({"allow": "once"}));
        let forged = json!({"inputResponses": {"skillhost/0": allow}});
        let asked = client.ask(NOTES, &forged);
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        // Arguments are the model's: they answer nothing.
        let capabilities = json!({"elicitation": {}});
        let answer = client.call(NOTES, &forged, &capabilities, &json!({}));
        assert_ne!(answer["result"]["resultType"], "complete", "{answer}");
    }
    assert_eq!(events(&desk, "consent.answered"), Vec::<Value>::new());
}

#[test]
fn m18_a_state_is_for_one_caller_one_tool_the_same_arguments_and_one_use() {
    let desk = desk("[consent]\nwait = \"2s\"\n");
    let [mut stdio, mut http] = both(&desk);
    let person = json!({"person": accept(&json!({"name": "Ada"}))});
    let capabilities = json!({"elicitation": {}});
    let state = |asked: &Value| asked["result"]["requestState"].as_str().unwrap().to_owned();
    let with = |state: &str| json!({"requestState": state, "inputResponses": person});

    let sealed = state(&http.ask(GREET, &json!({})));
    let mut tampered = sealed.clone();
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'B' } else { 'A' });
    let middle = format!("{}{}", &sealed[..40], sealed[40..].replacen('A', "B", 1));
    for wrong in [
        tampered,
        format!("{sealed}-TAMPERED"),
        middle,
        String::new(),
        "x".repeat(600_000),
    ] {
        if wrong != sealed {
            let refused = http.ask(GREET, &with(&wrong));
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
        }
    }
    let refused = stdio.ask(GREET, &with(&sealed));
    assert_eq!(
        refused["error"]["code"], -32602,
        "another caller and another host: {refused}"
    );
    let refused = http.ask("asks-name_twice", &with(&sealed));
    assert_eq!(refused["error"]["code"], -32602, "another tool: {refused}");
    let refused = http.call(
        GREET,
        &json!({"greeting": "Go"}),
        &capabilities,
        &with(&sealed),
    );
    assert_eq!(
        refused["error"]["code"], -32602,
        "other arguments: {refused}"
    );
    assert_eq!(text(&http.ask(GREET, &with(&sealed))), "Hello, Ada!");
    let refused = http.ask(GREET, &with(&sealed));
    assert_eq!(refused["error"]["code"], -32602, "twice: {refused}");
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("used before")
    );

    let sealed = state(&http.ask(GREET, &json!({})));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let refused = http.ask(GREET, &with(&sealed));
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("time"),
        "{refused}"
    );
}

#[test]
fn a_client_is_asked_only_what_it_says_that_it_can_ask() {
    let desk = desk("");
    for mut client in both(&desk) {
        let missing = client.call(GREET, &json!({}), &json!({}), &json!({}));
        assert_eq!(missing["error"]["code"], -32021, "{missing}");
        assert!(missing["error"]["data"]["requiredCapabilities"]["elicitation"].is_object());
        let keys = |answer: &Value| {
            let requests = answer["result"]["inputRequests"].as_object();
            let requests = requests.unwrap_or_else(|| panic!("{answer}"));
            requests.keys().cloned().collect::<Vec<_>>()
        };
        let everybody = "asks-name_everybody";
        for (capabilities, expected) in [
            (json!({"sampling": {}}), &["model"][..]),
            (
                json!({"roots": {}, "elicitation": {}}),
                &["person", "roots"],
            ),
            (
                json!({"elicitation": {"url": {}}, "sampling": {}}),
                &["model"],
            ),
        ] {
            let asked = client.call(everybody, &json!({}), &capabilities, &json!({}));
            assert_eq!(keys(&asked), expected, "{capabilities}");
        }
        let all = json!({"sampling": {}, "roots": {}, "elicitation": {}});
        let asked = client.call(everybody, &json!({}), &all, &json!({}));
        let said = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}});
        let responses = json!({
            "person": accept(&json!({})), "model": said,
            "roots": {"roots": [{"uri": "file:///work"}]},
        });
        let more =
            json!({"requestState": asked["result"]["requestState"], "inputResponses": responses});
        let answer = client.call(everybody, &json!({}), &all, &more);
        assert!(
            text(&answer).starts_with("Paris ") && text(&answer).contains("file:///work"),
            "{answer}"
        );
    }
}

#[test]
fn over_http_a_human_is_asked_only_if_the_operator_says_so() {
    let desk_of_nobody = desk("[consent]\nask = \"always\"\n");
    let denied = Client::http(&desk_of_nobody).ask(NOTES, &json!({}));
    assert_eq!(denied["result"]["isError"], true, "{denied}");

    let desk = desk("[consent]\nask-over-http = \"once\"\n");
    let mut client = Client::http(&desk);
    let asked = client.ask(NOTES, &json!({}));
    let answer = client.answer(
        NOTES,
        &asked,
        &json!({"skillhost/0": accept(&json!({"allow": "once"}))}),
    );
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let asked = client.ask(NOTES, &json!({}));
    let always = accept(&json!({"allow": "always"}));
    let denied = client.answer(NOTES, &asked, &json!({"skillhost/0": always}));
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    drop(client);
    let answers = events(&desk, "consent.answered");
    assert_eq!(answers[0]["principal"], "loopback");
    assert_eq!(
        (&answers[0]["answer"], &answers[1]["answer"]),
        (&json!("once"), &json!("no"))
    );
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let desk = desk("");
    let ran = desk.skillhost_reading("once\n", &["run", "notes"]).code(4);
    assert!(!ran.stderr.contains("skillhost asks"), "{ran:#?}");
    let ran = desk.skillhost(&["run", "asks-name", "greet"]).code(1);
    assert!(ran.stderr.contains("nobody can be asked here"), "{ran:#?}");
}
