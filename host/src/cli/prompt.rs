//! Asking the person at this terminal: what a skill asks, and what it wants and
//! was not granted.
//!
//! Questions go to standard error and answers come from standard input, and only
//! if both are terminals. What stands on the screen was made harmless before.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::terminal::note;
use crate::host::Human;
use crate::manifest::text::printable;
use crate::question::Question;

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;

/// How often an answer that does not fit is asked for again.
const MAX_TRIES: usize = 3;

/// Where answers come from and questions go to.
pub(super) trait Terminal: Send {
    /// Shows a question.
    fn show(&mut self, text: &str);

    /// The next line; none if there is no more.
    fn line(&mut self) -> Option<String>;
}

/// The person at a terminal.
pub(super) struct Person<T> {
    terminal: Arc<Mutex<T>>,
    /// Kept from the screen while there is a question on it.
    bar: ProgressBar,
}

/// Standard input and standard error.
pub(super) struct Standard;

impl Person<Standard> {
    /// The person at this terminal, if there is one.
    pub(super) fn here(bar: ProgressBar) -> Option<Self> {
        let is_here = io::stdin().is_terminal() && io::stderr().is_terminal();
        is_here.then(|| Self::at(Standard, bar))
    }
}

impl<T> Person<T> {
    fn at(terminal: T, bar: ProgressBar) -> Self {
        Self {
            terminal: Arc::new(Mutex::new(terminal)),
            bar,
        }
    }
}

impl Terminal for Standard {
    fn show(&mut self, text: &str) {
        note(&printable(text));
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = io::Read::take(io::stdin().lock(), MAX_LINE).read_line(&mut line);
        read.is_ok_and(|count| count > 0)
            .then(|| line.trim().to_owned())
    }
}

impl<T: Terminal + 'static> Human for Person<T> {
    const HOW: &'static str = "terminal";

    /// Nobody here is a model, and there are no roots.
    fn can(&self, question: &Question) -> bool {
        matches!(question, Question::Form { .. } | Question::Url { .. })
    }

    async fn ask(&self, requests: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let (terminal, bar) = (Arc::clone(&self.terminal), self.bar.clone());
        // A person is slow: no thread of the runtime waits.
        let answers = tokio::task::spawn_blocking(move || {
            let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
            let each = requests.into_iter();
            let each = each.map(|(key, request)| (key, answer(&mut *terminal, &request)));
            bar.suspend(|| each.collect())
        });
        answers.await.unwrap_or_default()
    }
}

fn answer(terminal: &mut impl Terminal, request: &Value) -> Value {
    let params = request.get("params").unwrap_or(&Value::Null);
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
    terminal.show(text("message"));
    if params.get("url").is_some() {
        terminal.show(&format!("  {}", text("url")));
        terminal.show("Go there, then press Enter; `-` declines.");
        return match terminal.line() {
            Some(line) if line.is_empty() => json!({"action": "accept"}),
            Some(_) => json!({"action": "decline"}),
            None => json!({"action": "cancel"}),
        };
    }
    let schema = params.get("requestedSchema").unwrap_or(&Value::Null);
    let fields = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| {
        let mut names = required.into_iter().flatten();
        names.any(|it| it.as_str() == Some(name))
    };
    let mut content = Map::new();
    for (name, field) in fields.into_iter().flatten() {
        match value(terminal, name, field, is_required(name)) {
            Answered::Value(value) => drop(content.insert(name.clone(), value)),
            Answered::Left => {}
            Answered::Declined => return json!({"action": "decline"}),
            Answered::Gone => return json!({"action": "cancel"}),
        }
    }
    json!({"action": "accept", "content": content})
}

enum Answered {
    Value(Value),
    Left,
    Declined,
    Gone,
}

fn value(terminal: &mut impl Terminal, name: &str, field: &Value, required: bool) -> Answered {
    let choices = choices(field);
    terminal.show(&prompt(name, field, &choices, required));
    for _ in 0..MAX_TRIES {
        let Some(line) = terminal.line() else {
            return Answered::Gone;
        };
        if line == "-" {
            return Answered::Declined;
        }
        if line.is_empty() {
            match field.get("default") {
                Some(default) => return Answered::Value(default.clone()),
                None if !required => return Answered::Left,
                None => {}
            }
        } else if let Some(value) = read(field, &choices, &line) {
            return Answered::Value(value);
        }
        terminal.show("That does not fit. Again, or `-` to decline:");
    }
    Answered::Declined
}

fn prompt(name: &str, field: &Value, choices: &[String], required: bool) -> String {
    let text = |key: &str| field.get(key).and_then(Value::as_str);
    let title = text("title").unwrap_or(name);
    let described = text("description")
        .map(|it| format!(" ({it})"))
        .unwrap_or_default();
    let choice = if choices.is_empty() {
        match text("type") {
            Some("boolean") => " [yes/no]".to_owned(),
            _ => String::new(),
        }
    } else {
        format!(" [{}]", choices.join("/"))
    };
    let default = field.get("default").map(|it| match it {
        Value::String(text) => format!(", Enter for {text}"),
        other => format!(", Enter for {other}"),
    });
    let left = if required { "" } else { ", may be left empty" };
    let default = default.unwrap_or_else(|| left.to_owned());
    format!("{title}{described}{choice}{default}, `-` declines:")
}

fn choices(field: &Value) -> Vec<String> {
    let place = field.get("items").unwrap_or(field);
    let plain = place.get("enum").and_then(Value::as_array);
    let titled = place
        .get("oneOf")
        .or_else(|| place.get("anyOf"))
        .and_then(Value::as_array);
    let plain = plain.into_iter().flatten().filter_map(Value::as_str);
    let titled = titled
        .into_iter()
        .flatten()
        .filter_map(|it| it.get("const")?.as_str());
    plain.chain(titled).map(str::to_owned).collect()
}

/// What was typed, as the field's type; of a choice, the beginning is enough.
fn read(field: &Value, choices: &[String], line: &str) -> Option<Value> {
    let chosen = |text: &str| {
        let text = text.trim().to_lowercase();
        let exact = choices.iter().find(|it| it.to_lowercase() == text);
        let mut begun = choices
            .iter()
            .filter(|it| it.to_lowercase().starts_with(&text));
        let only = begun.next().filter(|_| begun.next().is_none());
        exact.or(only).filter(|_| !text.is_empty()).cloned()
    };
    match field.get("type").and_then(Value::as_str)? {
        "string" if choices.is_empty() => Some(line.into()),
        "string" => chosen(line).map(Value::from),
        "integer" => line.parse::<i64>().ok().map(Value::from),
        "number" => serde_json::Number::from_f64(line.parse().ok()?).map(Value::Number),
        "boolean" => match line.to_lowercase().as_str() {
            "y" | "yes" | "true" => Some(true.into()),
            "n" | "no" | "false" => Some(false.into()),
            _ => None,
        },
        "array" => {
            let each = line.split(',').map(chosen);
            each.collect::<Option<Vec<String>>>().map(Value::from)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A terminal with somebody who types these lines.
    struct Scripted {
        lines: VecDeque<&'static str>,
        shown: String,
    }

    impl Terminal for Scripted {
        fn show(&mut self, text: &str) {
            self.shown += text;
            self.shown += "\n";
        }

        fn line(&mut self) -> Option<String> {
            self.lines.pop_front().map(str::to_owned)
        }
    }

    fn typed(lines: &[&'static str], schema: &Value) -> (Value, String) {
        let mut terminal = Scripted {
            lines: lines.iter().copied().collect(),
            shown: String::new(),
        };
        let request = json!({"params": {"message": "Really?", "requestedSchema": schema}});
        (answer(&mut terminal, &request), terminal.shown)
    }

    fn consent() -> Value {
        let allow = json!({"type": "string", "enum": ["no", "once", "always"], "default": "no"});
        json!({"properties": {"allow": allow}, "required": ["allow"]})
    }

    #[test]
    fn a_right_is_given_by_a_word_and_by_nothing_less() {
        for (lines, expected) in [
            (&["once"][..], json!("once")),
            (&["o"], json!("once")),
            (&["A"], json!("always")),
            (&[""], json!("no")),
            (&["n"], json!("no")),
            (&["yes", "o"], json!("once")),
        ] {
            let (answer, shown) = typed(lines, &consent());
            assert_eq!(
                answer,
                json!({"action": "accept", "content": {"allow": expected}})
            );
            assert!(shown.contains("[no/once/always], Enter for no"), "{shown}");
        }
    }

    #[test]
    fn who_is_gone_or_types_something_else_has_not_agreed() {
        assert_eq!(typed(&[], &consent()).0, json!({"action": "cancel"}));
        assert_eq!(typed(&["-"], &consent()).0, json!({"action": "decline"}));
        assert_eq!(
            typed(&["y", "ok", "sure"], &consent()).0,
            json!({"action": "decline"})
        );
    }

    #[test]
    fn values_are_read_as_their_fields_have_them() {
        let schema = json!({"properties": {
            "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"},
            "d": {"type": "boolean"}, "e": {"type": "array", "items": {"enum": ["red", "green"]}},
            "f": {"type": "string"},
        }, "required": ["a", "b", "c", "d", "e"]});
        let (answer, shown) = typed(&["x", "1.5", "7", "1.5", "yes", "red, g", ""], &schema);
        let expected = json!({"a": "x", "b": 7, "c": 1.5, "d": true, "e": ["red", "green"]});
        assert_eq!(answer, json!({"action": "accept", "content": expected}));
        assert!(shown.contains("That does not fit."), "{shown}");
    }

    #[tokio::test]
    async fn a_model_is_nobody_at_a_terminal() {
        let terminal = Scripted {
            lines: ["o"].into(),
            shown: String::new(),
        };
        let person = Person::at(terminal, ProgressBar::hidden());
        assert!(!person.can(&Question::Roots {}));
        assert!(!person.can(&Question::Model {
            params: Value::Null
        }));
        let request = json!({"params": {"message": "Really?", "requestedSchema": consent()}});
        let answers = person
            .ask(BTreeMap::from([("a".to_owned(), request)]))
            .await;
        assert_eq!(answers["a"]["content"]["allow"], "once");
    }
}
