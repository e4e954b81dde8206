//! One difference between what was approved and what is found, in words.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::manifest::MAX_DESCRIPTION;
use crate::manifest::text::one_line;

/// The longest text that is shown, in characters. Enough for the longest that
/// an author may write: what is not shown could be what matters.
const MAX_SHOWN: usize = 2 * MAX_DESCRIPTION;

/// How much of what stayed the same is shown on each side of what changed, in
/// characters.
const AROUND: usize = 40;

/// What kind of difference a [`Change`] is. The names, in kebab case, are those
/// that `skillhost lock --json` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each name is its own description")]
pub enum What {
    NewSkill,
    NewVersion,
    OlderVersion,
    RolledBack,
    OtherBytes,
    SignerGone,
    SignerAdded,
    SkillDescription,
    ToolAdded,
    ToolRemoved,
    ToolRenamed,
    ToolTitle,
    ToolDescription,
    ArgumentAdded,
    ArgumentRemoved,
    ArgumentType,
    ArgumentRequired,
    ArgumentDescription,
    ArgumentRules,
    InputSchema,
    OutputSchema,
    Annotation,
    CapabilityAdded,
    CapabilityRemoved,
    CapabilityReason,
    CapabilityOptional,
    SettingsSchema,
    Limit,
    Definition,
}

impl fmt::Display for What {
    /// As it is serialised: `tool-added`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One difference between what was approved and what is found.
///
/// [`Display`](fmt::Display) shows one plain sentence on one line. Texts of the
/// author stand in it in double quotes, with everything escaped that could
/// forge a line or steer a terminal. It is for operators: a model that reads
/// it would read what was not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    what: What,
    widens: bool,
    sentence: String,
}

impl Change {
    /// A change that gives the skill more reach, or a model something else to
    /// go by.
    pub(super) const fn widening(what: What, sentence: String) -> Self {
        Self::new(what, true, sentence)
    }

    /// A change that takes something away, or that only operators read.
    pub(super) const fn harmless(what: What, sentence: String) -> Self {
        Self::new(what, false, sentence)
    }

    pub(super) const fn new(what: What, widens: bool, sentence: String) -> Self {
        Self {
            what,
            widens,
            sentence,
        }
    }

    /// That the host remembers a later version than this one.
    pub(crate) const fn rolled_back(sentence: String) -> Self {
        Self::widening(What::RolledBack, sentence)
    }

    /// What kind of difference it is.
    #[must_use]
    pub const fn what(&self) -> What {
        self.what
    }

    /// Whether the skill can do more with it than what was approved, tells a
    /// model something else, or is vouched for by fewer.
    #[must_use]
    pub const fn widens(&self) -> bool {
        self.widens
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Change", 3)?;
        fields.serialize_field("what", &self.what)?;
        fields.serialize_field("widens", &self.widens)?;
        fields.serialize_field("sentence", &self.sentence)?;
        fields.end()
    }
}

/// A sentence about a text that differs: its part that does, and a little of
/// what stands around it.
pub(super) fn reworded(subject: &str, old: &str, new: &str) -> String {
    match (old, new) {
        ("", new) => format!("{subject} is now {}.", quoted(new)),
        (old, "") => format!("{subject} is gone; it was {}.", quoted(old)),
        (old, new) => {
            let (old, new) = difference(old, new);
            format!(
                "{subject} changed from {} to {}.",
                quoted(&old),
                quoted(&new)
            )
        }
    }
}

/// `text` in double quotes that nothing inside can end.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", one_line(&escaped, MAX_SHOWN))
}

/// `text` as part of a sentence of the host's.
pub(super) fn plain(text: &str) -> String {
    one_line(text, MAX_SHOWN)
}

/// Both texts without what they share at either end, but for [`AROUND`]
/// characters of it.
fn difference(old: &str, new: &str) -> (String, String) {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let same = |(one, other): &(&char, &char)| one == other;
    let before = old.iter().zip(&new).take_while(same).count();
    let left = old.len().min(new.len()) - before;
    let after = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(left)
        .take_while(same)
        .count();
    (excerpt(&old, before, after), excerpt(&new, before, after))
}

fn excerpt(text: &[char], before: usize, after: usize) -> String {
    let (start, cut) = (before.saturating_sub(AROUND), after.saturating_sub(AROUND));
    let middle = text.iter().skip(start).take(text.len() - start - cut);
    let mark = |is_cut: usize| if is_cut > 0 { "…" } else { "" };
    format!("{}{}{}", mark(start), middle.collect::<String>(), mark(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_with_a_little_around_it() {
        let text = |word: &str| format!("{} {word} {}", "a".repeat(50), "b".repeat(50));
        let sentence = reworded("It", &text("reads"), &text("writes"));
        let around = |word: &str| format!("\"…{} {word} {}…\"", "a".repeat(39), "b".repeat(38));
        let expected = format!(
            "It changed from {} to {}.",
            around("reads"),
            around("writes")
        );
        assert_eq!(sentence, expected);
    }

    #[test]
    fn short_texts_are_shown_whole() {
        for (old, new, expected) in [
            ("aa", "aaa", "It changed from \"aa\" to \"aaa\"."),
            ("", "x", "It is now \"x\"."),
            ("x", "", "It is gone; it was \"x\"."),
            ("é", "è", "It changed from \"é\" to \"è\"."),
        ] {
            assert_eq!(reworded("It", old, new), expected);
        }
    }

    #[test]
    fn a_text_cannot_end_its_quotes_or_its_line() {
        let sentence = reworded("It", "", "a\". All is well.\n\u{1b}[2K\u{202e}\\");
        assert_eq!(
            sentence,
            r#"It is now "a\". All is well.\n\u{1b}[2K\u{202e}\\"."#
        );
    }
}
