//! Which words a text uses, and how often.

use skillhost_sdk::prelude::*;
use std::cmp::Ordering;

/// English words that say little about a text, in alphabetical order.
const COMMON: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "but", "by", "can", "could", "did", "do", "does",
    "don't", "each", "for", "from", "had", "has", "have", "he", "her", "here", "him", "his", "how",
    "i", "if", "in", "into", "is", "it", "it's", "its", "just", "like", "may", "me", "more",
    "most", "my", "no", "not", "of", "on", "one", "only", "or", "other", "our", "out", "over",
    "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "to", "under", "up", "us", "very", "was", "we", "were",
    "what", "when", "where", "which", "who", "will", "with", "would", "you", "your",
];

/// Which words to list.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// At most this many.
    pub top: u32,
    /// None shorter than this, in characters.
    pub min_length: u32,
    /// Without the most common words of English.
    pub ignore_common: bool,
}

/// A word and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Schema)]
pub struct WordCount {
    /// In lower case
    pub word: String,
    /// How often it occurs
    pub count: u32,
}

/// The words of a text without regard to case.
#[derive(Debug, Default)]
pub struct Vocabulary(Vec<WordCount>);

impl Vocabulary {
    /// Each different word once, in alphabetical order.
    pub fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: Vec<WordCount> = words.map(WordCount::once).collect();
        sort(&mut counts, |one, other| one.word.cmp(&other.word));
        counts.dedup_by(|next, kept| {
            let same = next.word == kept.word;
            kept.count += u32::from(same);
            same
        });
        Self(counts)
    }

    /// The number of different words.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The selected words, most frequent first, then in alphabetical order.
    pub fn most_frequent(mut self, selection: Selection) -> Vec<WordCount> {
        self.0.retain(|counted| selection.includes(&counted.word));
        sort(&mut self.0, |one, other| other.count.cmp(&one.count));
        self.0
            .truncate(usize::try_from(selection.top).unwrap_or(usize::MAX));
        self.0
    }
}

impl WordCount {
    fn once(word: &str) -> Self {
        let straight = |letter| if letter == '’' { '\'' } else { letter };
        // By character: `str::to_lowercase` brings tables for the final sigma.
        let word = word.chars().map(straight).flat_map(char::to_lowercase);
        Self {
            word: word.collect(),
            count: 1,
        }
    }
}

/// Sorts through a function pointer, so that there is one sort in the
/// component rather than two.
fn sort(counts: &mut [WordCount], order: fn(&WordCount, &WordCount) -> Ordering) {
    counts.sort_by(order);
}

impl Selection {
    fn includes(&self, word: &str) -> bool {
        let shortest = usize::try_from(self.min_length).unwrap_or(usize::MAX);
        word.chars().count() >= shortest
            && !(self.ignore_common && COMMON.binary_search(&word).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str, selection: Selection) -> Vec<(String, u32)> {
        let counts = Vocabulary::of(text.split(' ')).most_frequent(selection);
        counts
            .into_iter()
            .map(|WordCount { word, count }| (word, count))
            .collect()
    }

    const ALL: Selection = Selection {
        top: 100,
        min_length: 1,
        ignore_common: false,
    };

    #[test]
    fn the_common_words_are_in_order() {
        assert!(COMMON.is_sorted());
    }

    #[test]
    fn the_most_frequent_word_comes_first() {
        let words = [
            ("the".into(), 3),
            ("a".into(), 2),
            ("don't".into(), 2),
            ("ox".into(), 1),
        ];
        assert_eq!(listed("The ox the a don’t A don't THE", ALL), words);
        assert_eq!(
            listed(
                "The ox the a don’t A don't THE",
                Selection { top: 2, ..ALL }
            ),
            words[..2]
        );
        assert_eq!(listed("a", Selection { top: 0, ..ALL }), []);
    }

    #[test]
    fn short_and_common_words_can_be_left_out() {
        let text = "the é fox éé";
        let common = Selection {
            ignore_common: true,
            ..ALL
        };
        assert_eq!(
            listed(text, common),
            [("fox".into(), 1), ("é".into(), 1), ("éé".into(), 1)]
        );
        let short = Selection {
            min_length: 2,
            ..common
        };
        assert_eq!(listed(text, short), [("fox".into(), 1), ("éé".into(), 1)]);
    }
}
