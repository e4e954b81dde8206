//! What tools are called in the list of `skillhost serve`.

use serde_json::json;
use skillhost_tests::Says;
use skillhost_tests::operator::AUTHOR;

use crate::desk::Desk;

#[test]
fn a_tool_is_listed_and_called_by_the_name_that_the_operator_gave_it() {
    let desk = Desk::new();
    let skill = desk.install("says", &Says::new("one").component());
    desk.key().sign_file(&skill, None).unwrap();
    let author = AUTHOR.replace("author.pub", "../../data/skillhost/keys/local.pub");
    let name = "[skill.says.tool.run]\nname = \"Tell_me.a-word\"\n";
    desk.configure(&format!("[trust]\npreset = \"permissive\"\n{author}{name}"));
    let mut assistant = desk.serve(&[], &json!({}));
    let list = assistant.request("tools/list", &json!({}));
    let tools = list["result"]["tools"].as_array().unwrap();
    let listed: Vec<_> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(listed, ["Tell_me.a-word"]);
    for name in ["Tell_me.a-word", "says_run"] {
        let answer = assistant.call(name, &json!({}));
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text.trim_end(), "one", "{answer}");
    }
    for name in ["Tell_me.a-Word", "tell_me.a-word", "Tell_me"] {
        let answer = assistant.call(name, &json!({}));
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    drop(assistant.end());
}
