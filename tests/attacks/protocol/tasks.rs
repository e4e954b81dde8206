//! Tasks over standard input, which end with it.

use serde_json::json;
use skillhost_tests::pack;

use super::ends;
use crate::desk::Desk;

#[test]
fn m19_a_task_ends_with_the_input_and_once() {
    let desk = Desk::new();
    let guest = "sleep_forever";
    let skill = desk.install(&pack::skill_name(guest), &pack::rust(guest));
    desk.key().sign_file(&skill, None).unwrap();
    desk.configure(
        "[trust]\npreset = \"permissive\"\n[skill.sleep-forever.tool.sleep]\ntask = \"optional\"\n",
    );
    let mut assistant = desk.serve_without_hello();
    let able = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": able,
    });
    let call = json!({"name": "sleep-forever_sleep", "arguments": {}, "_meta": meta});
    let begun = assistant.request("tools/call", &call);
    assert_eq!(begun["result"]["resultType"], "task", "{begun}");
    let about = json!({"taskId": begun["result"]["taskId"], "_meta": meta});
    let working = assistant.request("tasks/get", &about);
    assert_eq!(working["result"]["status"], "working", "{working}");
    drop(assistant.rest());
    assert_eq!(ends(&desk, "sleep-forever"), [json!("Cancelled")]);
}
