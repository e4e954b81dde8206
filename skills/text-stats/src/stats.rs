//! All counts of a text.

use crate::passage::{paragraphs, sentences};
use crate::readability::{Counts, Readability, rounded};
use crate::syllables::syllables;
use crate::vocabulary::{Selection, Vocabulary, WordCount};
use skillhost_sdk::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

/// Silent reading of English non-fiction by adults: M. Brysbaert, "How many
/// words do we read per minute?", Journal of Memory and Language 109 (2019).
const WORDS_PER_MINUTE: u32 = 238;

/// Counts, averages and readability of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Schema)]
pub struct Stats {
    /// Characters (Unicode code points), with spaces and line breaks
    pub characters: u32,
    /// Characters that are not white space
    pub characters_without_spaces: u32,
    /// Words; numbers are words
    pub words: u32,
    /// Different words, without regard to case
    pub distinct_words: u32,
    /// Sentences; headings and list items count as one each
    pub sentences: u32,
    /// Runs of lines with a blank line between them
    pub paragraphs: u32,
    /// Lines
    pub lines: u32,
    /// Syllables, estimated from English spelling
    pub syllables: u32,
    /// Letters and digits per word
    pub average_word_length: f64,
    /// Words per sentence
    pub average_sentence_length: f64,
    /// Seconds that an adult needs to read it silently (238 words a minute)
    pub reading_seconds: u32,
    /// Absent if the text has no words
    pub readability: Option<Readability>,
    /// Most frequent first
    pub frequent_words: Vec<WordCount>,
}

impl Stats {
    /// Measures a text and lists the words of `selection`.
    pub fn of(text: &str, selection: Selection) -> Self {
        let counts = Counts::of(text);
        let vocabulary = Vocabulary::of(sentences(text).flat_map(words));
        let characters = text.chars().count();
        let spaces = text
            .chars()
            .filter(|character| character.is_whitespace())
            .count();
        Self {
            characters: number(characters),
            characters_without_spaces: number(characters - spaces),
            words: counts.words,
            distinct_words: number(vocabulary.size()),
            sentences: counts.sentences,
            paragraphs: number(paragraphs(text)),
            lines: number(text.lines().count()),
            syllables: counts.syllables,
            average_word_length: average(counts.characters, counts.words),
            average_sentence_length: average(counts.words, counts.sentences),
            reading_seconds: (counts.words.saturating_mul(60)).div_ceil(WORDS_PER_MINUTE),
            readability: Readability::of(counts),
            frequent_words: vocabulary.most_frequent(selection),
        }
    }
}

/// The words of a sentence by UAX #29, as `unicode_words` gives them; but that
/// brings tables of its own for what is a letter.
fn words(sentence: &str) -> impl Iterator<Item = &str> {
    sentence
        .split_word_bounds()
        .filter(|part| part.contains(char::is_alphanumeric))
}

impl Counts {
    fn of(text: &str) -> Self {
        let mut counts = Self::default();
        for sentence in sentences(text) {
            counts.sentences += 1;
            for (position, word) in words(sentence).enumerate() {
                counts.add(word, position == 0);
            }
        }
        counts
    }

    fn add(&mut self, word: &str, starts_sentence: bool) {
        let syllables = syllables(word);
        self.words += 1;
        self.letters += number(word.chars().filter(|letter| letter.is_alphabetic()).count());
        self.characters += number(
            word.chars()
                .filter(|letter| letter.is_alphanumeric())
                .count(),
        );
        self.syllables += syllables;
        self.polysyllables += u32::from(syllables >= 3);
        self.hard_words += u32::from(syllables >= 3 && is_hard(word, starts_sentence));
    }
}

/// Whether Gunning counts a word of three syllables as hard: not a name, nor a
/// word that has its third syllable only from `-es`, `-ed` or `-ing`.
fn is_hard(word: &str, starts_sentence: bool) -> bool {
    let is_name = !starts_sentence && word.starts_with(char::is_uppercase);
    let inflected = ["es", "ed", "ing"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending));
    !is_name && inflected.is_none_or(|stem| syllables(stem) >= 3)
}

fn average(sum: u32, of: u32) -> f64 {
    if of == 0 {
        0.0
    } else {
        rounded(f64::from(sum) / f64::from(of))
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Selection = Selection {
        top: 100,
        min_length: 1,
        ignore_common: false,
    };

    #[test]
    fn counts_of_a_small_text() {
        let stats = Stats::of("The cat sat.\nIt purred!\n\nThe end", ALL);
        assert_eq!(
            (stats.characters, stats.characters_without_spaces),
            (32, 25)
        );
        assert_eq!(
            (stats.words, stats.distinct_words, stats.syllables),
            (7, 6, 7)
        );
        assert_eq!((stats.sentences, stats.paragraphs, stats.lines), (3, 2, 4));
        assert_eq!(
            (stats.average_word_length, stats.average_sentence_length),
            (3.29, 2.33)
        );
        assert_eq!(stats.reading_seconds, 2);
        assert_eq!(
            stats.frequent_words.first(),
            Some(&WordCount {
                word: "the".into(),
                count: 2
            })
        );
    }

    #[test]
    fn an_empty_text_has_nothing() {
        let stats = Stats::of(" \n", ALL);
        assert_eq!((stats.characters, stats.words, stats.sentences), (2, 0, 0));
        assert_eq!(
            (stats.average_word_length, stats.average_sentence_length),
            (0.0, 0.0)
        );
        assert_eq!((stats.readability, stats.frequent_words), (None, vec![]));
    }

    #[test]
    fn characters_are_code_points() {
        let stats = Stats::of("e\u{301}🇪🇺\r\n", ALL);
        assert_eq!((stats.characters, stats.characters_without_spaces), (6, 4));
    }

    #[test]
    fn words_are_those_of_unicode_words() {
        let text = "It's 3.14 o’clock, well-known\u{a0}foo_bar; 日本 कखग «déjà» 👍🏽 …";
        let theirs: Vec<&str> = text.unicode_words().collect();
        assert_eq!(words(text).collect::<Vec<_>>(), theirs);
    }

    #[test]
    fn words_follow_uax_29() {
        let words = |text| Stats::of(text, ALL).words;
        assert_eq!(words("can't 3.14 well-known e-mail foo_bar"), 7);
        assert_eq!(words("日本 café"), 3);
    }

    #[test]
    fn names_and_inflections_are_not_hard() {
        assert!(is_hard("university", false));
        assert!(is_hard("University", true));
        assert!(!is_hard("University", false));
        assert!(!is_hard("wanting", false));
        assert!(!is_hard("expanded", false));
        assert!(is_hard("remembering", false));
    }
}
