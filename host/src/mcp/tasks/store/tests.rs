use rmcp::model::ContentBlock;
use serde_json::json;

use super::*;

/// A clock that stands until it is moved.
#[derive(Debug)]
struct Hand(Instant, Mutex<Duration>);

impl Hand {
    fn turn(&self, by: Duration) {
        *self.1.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + *self.1.lock().unwrap()
    }

    fn monotonic(&self) -> Instant {
        self.0 + *self.1.lock().unwrap()
    }
}

const SMALL: Paging = Paging {
    inline: 0,
    page: 0,
    keep: Duration::from_secs(60),
    keep_size: 600 << 10,
    keep_size_per_caller: 400 << 10,
    keep_count: 2,
};

fn tasks(paging: Paging) -> (Tasks, Arc<Hand>) {
    let start = crate::time::system().monotonic();
    let clock = Arc::new(Hand(start, Mutex::default()));
    (Tasks::new(paging, Arc::clone(&clock) as _), clock)
}

fn named(name: &str) -> Principal {
    Principal::Named(name.parse().unwrap())
}

fn begin(tasks: &Tasks, owner: &Principal, input: usize) -> Option<u128> {
    let opening = Opening {
        owner,
        tool: "jobs_run",
        input,
        stop: &CancellationToken::new(),
    };
    tasks.begin(&opening).map(|(id, _)| id)
}

fn text(text: impl Into<String>) -> TaskPayload {
    completed(&CallToolResult::success(vec![ContentBlock::text(text)]))
}

fn shown(tasks: &Tasks, id: u128) -> Value {
    serde_json::to_value(tasks.get(id).unwrap()).unwrap()
}

#[test]
fn m18_a_task_is_found_by_who_began_it_alone() {
    let (tasks, _) = tasks(SMALL);
    let (alice, bob) = (named("alice"), named("bob"));
    let id = begin(&tasks, &alice, 0).unwrap();
    assert_eq!(tasks.tool(&alice, id).unwrap(), "jobs_run");
    assert!(tasks.tool(&bob, id).is_none() && tasks.tool(&alice, id ^ 1).is_none());
}

#[test]
fn m18_an_id_reads_one_way_only() {
    let id = "00112233445566778899aabbccddeeff";
    assert_eq!(parse(id), Some(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff));
    for wrong in [
        "",
        "1",
        "00112233445566778899AABBCCDDEEFF",
        "+0112233445566778899aabbccddeeff",
        "0x112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff0",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_task_is_there_for_as_long_as_was_said_after_its_end() {
    let (tasks, clock) = tasks(SMALL);
    let alice = named("alice");
    let id = begin(&tasks, &alice, 0).unwrap();
    assert_eq!(shown(&tasks, id)["ttlMs"], 60_000);
    clock.turn(Duration::from_secs(600));
    let working = shown(&tasks, id);
    assert_eq!(
        (&working["status"], &working["ttlMs"]),
        (&json!("working"), &json!(660_000))
    );
    tasks.end(id, text("done"));
    clock.turn(Duration::from_secs(59));
    let ended = shown(&tasks, id);
    assert_eq!(
        (&ended["status"], &ended["ttlMs"]),
        (&json!("completed"), &json!(660_000))
    );
    assert_eq!(ended["createdAt"], "1970-01-01T00:00:00Z");
    assert_eq!(ended["lastUpdatedAt"], "1970-01-01T00:10:00Z");
    tasks.cancel(id);
    assert_eq!(
        shown(&tasks, id),
        ended,
        "one that has ended stays as it is"
    );
    clock.turn(Duration::from_secs(1));
    assert!(tasks.get(id).is_none() && tasks.kept.lock().unwrap().is_empty());
}

#[test]
fn tasks_of_a_caller_and_of_all_are_bounded_and_none_is_dropped_for_another() {
    let (tasks, clock) = tasks(SMALL);
    let (alice, bob, carol) = (named("alice"), named("bob"), named("carol"));
    let first = begin(&tasks, &alice, 0).unwrap();
    assert!(begin(&tasks, &alice, 300 << 10).is_none(), "its own room");
    begin(&tasks, &alice, 0).unwrap();
    assert!(begin(&tasks, &alice, 0).is_none(), "its own number");
    let bobs = begin(&tasks, &bob, 200 << 10).unwrap();
    assert!(begin(&tasks, &carol, 0).is_none(), "the room of all");
    tasks.end(first, text("done"));
    assert_eq!(shown(&tasks, first)["status"], "completed");
    begin(&tasks, &carol, 0).unwrap();
    assert!(begin(&tasks, &alice, 0).is_none());
    tasks.end(bobs, text("done"));
    clock.turn(SMALL.keep);
    assert!(begin(&tasks, &alice, 0).is_some());
}

#[test]
fn a_result_for_which_there_is_no_room_is_a_failure_that_says_so() {
    let (tasks, _) = tasks(SMALL);
    let id = begin(&tasks, &named("alice"), 0).unwrap();
    tasks.end(id, text("x".repeat(500 << 10)));
    let ended = shown(&tasks, id);
    assert_eq!(
        (&ended["status"], &ended["result"]["isError"]),
        (&json!("completed"), &json!(true))
    );
    assert_eq!(tasks.kept.lock().unwrap()[&id].size, ENDED);
}

#[test]
fn a_task_waits_for_an_answer_to_each_question() {
    let (tasks, _) = tasks(SMALL);
    let id = begin(&tasks, &named("alice"), 0).unwrap();
    let form = json!({"method": "elicitation/create", "params": {
        "mode": "form", "message": "?", "requestedSchema": {"type": "object", "properties": {}},
    }});
    let requests: InputRequests = serde_json::from_value(json!({"a": form, "b": form})).unwrap();
    let mut replies = tasks.ask(id, requests.clone());
    let asked = |tasks: &Tasks| -> Vec<String> {
        let requests = shown(tasks, id)["inputRequests"].take();
        requests.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(asked(&tasks), ["1.a", "1.b"]);
    let answer = |key: &str| InputResponses::from([(key.to_owned(), json!(key))]);
    tasks.answer(id, answer("1.a"));
    tasks.answer(id, answer("a"));
    assert_eq!(asked(&tasks), ["1.b"]);
    assert!(replies.try_recv().is_err());
    tasks.answer(id, answer("1.b"));
    assert_eq!(shown(&tasks, id)["status"], "working");
    let replies = replies.try_recv().unwrap();
    assert_eq!(json!(replies), json!({"a": "1.a", "b": "1.b"}));
    let mut again = tasks.ask(id, requests);
    assert_eq!(asked(&tasks), ["2.a", "2.b"], "no key comes twice");
    tasks.cancel(id);
    assert_eq!(shown(&tasks, id)["status"], "working");
    assert!(again.try_recv().is_err(), "nobody answers any more");
}
