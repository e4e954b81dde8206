//! M12: whoever gives up a call has one outcome, whenever that is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost::Kind::Cancelled;
use skillhost_tests::Bench;
use skillhost_tests::bench::invocation;

use super::{call, cancel, desk, named, serve};

/// Given up before it begins, while the first of them has the skill compiled,
/// while the guest runs and calls the host, and after its end.
#[tokio::test(flavor = "multi_thread")]
async fn m12_two_thousand_calls_that_are_given_up_have_one_outcome_each() {
    let bench = Bench::new();
    bench.ensure_loaded("echo").await;
    bench.ensure_loaded("print_forever").await;
    let mut random = fastrand::Rng::with_seed(12);
    let mut seen = [0, 0];
    for number in 0..2000_u32 {
        let call = match number % 2 {
            0 => invocation("echo", "echo", json!({"text": "a"})),
            _ => invocation("print_forever", "print", json!({"lines": 20})),
        };
        let (id, token) = (call.id.to_string(), call.cancelled.clone());
        let pause = Duration::from_micros(random.u64(0..1500));
        let giving_up = async {
            if number % 10 != 0 {
                tokio::time::sleep(pause).await;
            }
            token.cancel();
        };
        let ((), answer) = tokio::join!(giving_up, bench.host().invoke(call));
        let kind = answer.outcome.as_ref().err().map(skillhost::Error::kind);
        assert!(kind.is_none_or(|kind| kind == Cancelled), "{kind:?}");
        seen[usize::from(kind.is_none())] += 1;
        let records = bench.records().of(&id);
        let ends: Vec<&Value> = records
            .iter()
            .filter(|it| it["event"] == "invocation.finished")
            .collect();
        assert_eq!(ends.len(), 1, "{records:#?}");
        assert_eq!(ends[0].get("kind").is_some(), kind.is_some());
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    bench.assert_serving().await;
}

/// Over the wire: no answer or one, and one end on record for each beginning.
#[test]
fn m12_over_standard_input_an_id_has_one_answer_or_none() {
    let desk = desk(&["echo"]);
    let mut assistant = serve(&desk);
    let mut random = fastrand::Rng::with_seed(21);
    for id in 1000..1200 {
        assistant.send(&call(&json!(id), "echo_echo", &json!({"text": "a"})));
        std::thread::sleep(Duration::from_micros(random.u64(0..4000)));
        assistant.send(&cancel(&json!(id)));
    }
    let (rest, _) = assistant.rest();
    let mut answers: BTreeMap<u64, u32> = BTreeMap::new();
    for answer in rest.iter().filter(|it| it.get("result").is_some()) {
        *answers.entry(answer["id"].as_u64().unwrap()).or_default() += 1;
    }
    assert!(answers.values().all(|count| *count == 1), "{answers:?}");
    let count = |event: &str| named(&desk, event).len();
    assert_eq!(count("invocation.started"), count("invocation.finished"));
    let mut ids: Vec<Value> = named(&desk, "invocation.finished")
        .iter()
        .map(|it| it["invocation"].clone())
        .collect();
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), count("invocation.finished"));
}
