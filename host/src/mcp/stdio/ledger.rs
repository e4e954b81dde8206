//! Who waits for which answer.
//!
//! `rmcp` knows a request by its id alone: of two that run under one id the
//! second would get the answer of the first. MCP says that an id is used once.

use std::collections::{HashSet, VecDeque};

use rmcp::model::RequestId;

/// Ids that are kept after their requests were given up, and requests of ours
/// whose answers may still come.
const MAX_KEPT: usize = 1024;

/// Ids of requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Asked by the client.
    open: HashSet<RequestId>,
    /// Given up by the client. What was asked may run on for a moment, and its
    /// answer is thrown away under that id.
    given_up: VecDeque<RequestId>,
    /// Asked by the host.
    asked: VecDeque<RequestId>,
}

impl Ledger {
    /// Whether a request has that id that runs, or may still run.
    pub(super) fn is_used(&self, id: &RequestId) -> bool {
        self.open.contains(id) || self.given_up.contains(id)
    }

    /// Whether a request may have that id, and has it from now on.
    pub(super) fn open(&mut self, id: &RequestId) -> bool {
        !self.is_used(id) && self.open.insert(id.clone())
    }

    /// Whether the client waits for that answer. It waits for one.
    pub(super) fn close(&mut self, id: &RequestId) -> bool {
        self.open.remove(id)
    }

    /// Whether the client gave up something that it waited for.
    pub(super) fn give_up(&mut self, id: &RequestId) -> bool {
        let was_open = self.open.remove(id);
        if was_open {
            keep(&mut self.given_up, id);
        }
        was_open
    }

    /// The host asks something.
    pub(super) fn ask(&mut self, id: &RequestId) {
        keep(&mut self.asked, id);
    }

    /// Whether the host asked that, and has no answer yet.
    pub(super) fn answer(&mut self, id: &RequestId) -> bool {
        let place = self.asked.iter().position(|asked| asked == id);
        place.and_then(|it| self.asked.remove(it)).is_some()
    }
}

fn keep(ids: &mut VecDeque<RequestId>, id: &RequestId) {
    if ids.len() == MAX_KEPT {
        ids.pop_front();
    }
    ids.push_back(id.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: i64) -> RequestId {
        RequestId::Number(number)
    }

    #[test]
    fn i11_an_id_is_one_request_s_until_it_is_answered() {
        let mut ledger = Ledger::default();
        assert!(ledger.open(&number(1)));
        assert!(!ledger.open(&number(1)));
        assert!(ledger.open(&RequestId::String("1".into())), "another id");
        assert!(ledger.close(&number(1)));
        assert!(!ledger.close(&number(1)), "one answer");
        assert!(ledger.open(&number(1)));
    }

    #[test]
    fn m12_what_is_given_up_is_not_answered_and_its_id_is_not_used_again() {
        let mut ledger = Ledger::default();
        assert!(!ledger.give_up(&number(1)), "nobody asked");
        ledger.open(&number(1));
        assert!(ledger.give_up(&number(1)));
        assert!(!ledger.give_up(&number(1)));
        assert!(!ledger.close(&number(1)));
        assert!(!ledger.open(&number(1)));
    }

    #[test]
    fn i11_answers_are_taken_once_and_for_what_was_asked() {
        let mut ledger = Ledger::default();
        ledger.ask(&number(0));
        assert!(!ledger.answer(&number(1)));
        assert!(!ledger.answer(&RequestId::String("0".into())));
        assert!(ledger.answer(&number(0)));
        assert!(!ledger.answer(&number(0)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut ledger = Ledger::default();
        for id in 0..5000 {
            ledger.open(&number(id));
            ledger.give_up(&number(id));
            ledger.ask(&number(id));
        }
        assert_eq!(
            (ledger.given_up.len(), ledger.asked.len()),
            (MAX_KEPT, MAX_KEPT)
        );
        assert!(ledger.open.is_empty());
    }
}
