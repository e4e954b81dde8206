//! The last good answers of tools that an operator lets stand in for new ones.
//! They are in memory only, and each belongs to one principal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::answer::{Body, Content, Output};
use crate::artifact::Digest;

/// The most answers that a host keeps.
const MAX_ANSWERS: usize = 1024;

/// The most bytes of answers that a host keeps.
const MAX_BYTES: usize = 16 << 20;

/// The largest answer that is kept, in bytes.
const MAX_ANSWER: usize = MAX_BYTES / 16;

/// Which answer: of which component, to whom, to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) digest: Arc<str>,
    pub(crate) tool: Arc<str>,
    pub(crate) principal: Arc<str>,
    pub(crate) arguments: Digest,
}

/// The answers of a host.
#[derive(Debug, Default)]
pub(crate) struct LastGood {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<Question, Good>,
    bytes: usize,
}

/// An answer; the structured part as text, which takes as much room as it says.
#[derive(Debug)]
struct Good {
    content: Vec<Content>,
    structured: Option<String>,
    at: Instant,
    bytes: usize,
}

impl LastGood {
    /// Keeps an answer in the place of an earlier one; the oldest make room.
    pub(crate) fn keep(&self, question: Question, output: &Output, now: Instant) {
        let structured = output.structured.as_ref().map(Value::to_string);
        let bytes = output.content.iter().map(size).sum::<usize>()
            + structured.as_ref().map_or(0, String::len);
        let mut kept = self.lock();
        kept.remove(&question);
        if bytes > MAX_ANSWER {
            return;
        }
        while kept.answers.len() >= MAX_ANSWERS || kept.bytes + bytes > MAX_BYTES {
            kept.remove_oldest();
        }
        kept.bytes += bytes;
        let good = Good {
            content: output.content.clone(),
            structured,
            at: now,
            bytes,
        };
        kept.answers.insert(question, good);
    }

    /// Keeps no answer of a component any longer.
    pub(crate) fn forget(&self, digest: &str) {
        let mut kept = self.lock();
        let of_it = |question: &&Question| *question.digest == *digest;
        let gone: Vec<Question> = kept.answers.keys().filter(of_it).cloned().collect();
        for question in &gone {
            kept.remove(question);
        }
    }

    /// The answer and its age, if it is no older than that.
    pub(crate) fn recall(
        &self,
        question: &Question,
        oldest: Duration,
        now: Instant,
    ) -> Option<(Output, Duration)> {
        let kept = self.lock();
        let good = kept.answers.get(question)?;
        let age = now.saturating_duration_since(good.at);
        if age > oldest {
            return None;
        }
        let structured = good.structured.as_deref().map(serde_json::from_str);
        let output = Output {
            content: good.content.clone(),
            structured: structured.transpose().ok()?,
        };
        Some((output, age))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // The count of bytes may be off after a panic, by one answer.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, question: &Question) {
        if let Some(good) = self.answers.remove(question) {
            self.bytes = self.bytes.saturating_sub(good.bytes);
        }
    }

    fn remove_oldest(&mut self) {
        let oldest = self.answers.iter().min_by_key(|(_, good)| good.at);
        match oldest.map(|(question, _)| question.clone()) {
            Some(question) => self.remove(&question),
            None => self.bytes = 0,
        }
    }
}

fn size(content: &Content) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let own = match content {
        Content::Text(text) => text.len(),
        Content::Image(data, kind) | Content::Audio(data, kind) => data.len() + kind.len(),
        Content::Embedded {
            uri,
            mime_type,
            body,
        } => {
            let body = match body {
                Body::Text(text) => text.len(),
                Body::Bytes(bytes) => bytes.len(),
            };
            uri.len() + optional(mime_type) + body
        }
        Content::Link {
            uri,
            name,
            description,
            mime_type,
        } => uri.len() + name.len() + optional(description) + optional(mime_type),
    };
    own + size_of::<Content>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question(principal: &str, arguments: &str) -> Question {
        Question {
            digest: "d".into(),
            tool: "t".into(),
            principal: principal.into(),
            arguments: Digest::of(arguments.as_bytes()),
        }
    }

    fn output(text: &str) -> Output {
        Output {
            content: vec![Content::Text(text.to_owned())],
            structured: Some(json!({"n": 1})),
        }
    }

    #[test]
    fn an_answer_ages_and_belongs_to_one_question_of_one_principal() {
        let (answers, now) = (LastGood::default(), Instant::now());
        let minute = Duration::from_secs(60);
        answers.keep(question("a", "1"), &output("one"), now);
        let recall = |who, what, then| answers.recall(&question(who, what), minute, then);
        assert_eq!(
            recall("a", "1", now + minute),
            Some((output("one"), minute))
        );
        let late = now + minute + Duration::from_millis(1);
        assert_eq!(recall("a", "1", late), None);
        assert_eq!(recall("b", "1", now), None);
        assert_eq!(recall("a", "2", now), None);
    }

    #[test]
    fn answers_are_bounded_in_number_and_in_bytes() {
        let (answers, now) = (LastGood::default(), Instant::now());
        let keep = |number: usize, size: usize| {
            let then = now + Duration::from_millis(number as u64);
            answers.keep(
                question("a", &number.to_string()),
                &output(&"x".repeat(size)),
                then,
            );
        };
        (0..MAX_ANSWERS + 5).for_each(|number| keep(number, 10));
        let has = |number: usize| {
            let question = question("a", &number.to_string());
            answers
                .recall(&question, Duration::from_secs(60), now)
                .is_some()
        };
        assert!(!has(4) && has(5) && has(MAX_ANSWERS + 4));
        (2000..2100).for_each(|number| keep(number, MAX_ANSWER / 2));
        assert!(answers.lock().bytes <= MAX_BYTES);
        assert!(has(2099) && !has(2000));
        keep(2099, MAX_ANSWER + 1);
        assert!(!has(2099));
    }
}
