//! Readability formulas. All of them were fitted to English prose.

use skillhost_sdk::prelude::*;

/// What the formulas look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Sentences.
    pub sentences: u32,
    /// Words.
    pub words: u32,
    /// Letters, without digits and marks.
    pub letters: u32,
    /// Letters and digits.
    pub characters: u32,
    /// Syllables of all words.
    pub syllables: u32,
    /// Words of three or more syllables.
    pub polysyllables: u32,
    /// Words that are hard in the sense of Gunning.
    pub hard_words: u32,
}

/// How hard a text is to read, for English.
#[derive(Clone, Debug, PartialEq, Serialize, Schema)]
pub struct Readability {
    /// 100: very easy, 60: plain English, 30 and less: very hard
    pub flesch_reading_ease: f64,
    /// US school grade
    pub flesch_kincaid_grade: f64,
    /// US school grade
    pub gunning_fog: f64,
    /// US school grade
    pub coleman_liau: f64,
    /// US school grade
    pub automated_readability_index: f64,
    /// US school grade; made for texts of 30 sentences or more
    pub smog: f64,
}

impl Readability {
    /// The measures of a text, to two decimals; none if it has no sentence.
    pub fn of(counts: Counts) -> Option<Self> {
        (counts.words > 0 && counts.sentences > 0).then(|| Self {
            flesch_reading_ease: rounded(counts.flesch_reading_ease()),
            flesch_kincaid_grade: rounded(counts.flesch_kincaid_grade()),
            gunning_fog: rounded(counts.gunning_fog()),
            coleman_liau: rounded(counts.coleman_liau()),
            automated_readability_index: rounded(counts.automated_readability_index()),
            smog: rounded(counts.smog()),
        })
    }
}

impl Counts {
    /// R. Flesch, "A new readability yardstick", Journal of Applied Psychology
    /// 32 (1948), pages 221 to 233.
    fn flesch_reading_ease(self) -> f64 {
        206.835 - 1.015 * self.words_per_sentence() - 84.6 * self.per_word(self.syllables)
    }

    /// J. P. Kincaid et al., "Derivation of new readability formulas for Navy
    /// enlisted personnel", Research Branch Report 8-75 (1975).
    fn flesch_kincaid_grade(self) -> f64 {
        0.39 * self.words_per_sentence() + 11.8 * self.per_word(self.syllables) - 15.59
    }

    /// R. Gunning, "The Technique of Clear Writing", McGraw-Hill (1952).
    fn gunning_fog(self) -> f64 {
        0.4 * (self.words_per_sentence() + 100.0 * self.per_word(self.hard_words))
    }

    /// M. Coleman and T. L. Liau, "A computer readability formula designed for
    /// machine scoring", Journal of Applied Psychology 60 (1975), pages 283 to 284.
    fn coleman_liau(self) -> f64 {
        5.88 * self.per_word(self.letters) - 29.6 * self.per_word(self.sentences) - 15.8
    }

    /// E. A. Smith and R. J. Senter, "Automated Readability Index",
    /// AMRL-TR-66-220 (1967).
    fn automated_readability_index(self) -> f64 {
        4.71 * self.per_word(self.characters) + 0.5 * self.words_per_sentence() - 21.43
    }

    /// G. H. McLaughlin, "SMOG grading: a new readability formula", Journal of
    /// Reading 12 (1969), pages 639 to 646.
    fn smog(self) -> f64 {
        let sample = f64::from(self.polysyllables) * 30.0 / f64::from(self.sentences);
        1.043 * sample.sqrt() + 3.1291
    }

    fn words_per_sentence(self) -> f64 {
        f64::from(self.words) / f64::from(self.sentences)
    }

    fn per_word(self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.words)
    }
}

/// A number to two decimals: more would promise what the formulas cannot hold.
pub fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_formula_gives_what_a_pocket_calculator_gives() {
        let counts = Counts {
            sentences: 10,
            words: 150,
            letters: 700,
            characters: 710,
            syllables: 225,
            polysyllables: 20,
            hard_words: 15,
        };
        assert_eq!(
            Readability::of(counts),
            Some(Readability {
                flesch_reading_ease: 64.71,
                flesch_kincaid_grade: 7.96,
                gunning_fog: 10.0,
                coleman_liau: 9.67,
                automated_readability_index: 8.36,
                smog: 11.21,
            })
        );
    }

    #[test]
    fn a_text_without_words_has_no_grade() {
        assert_eq!(Readability::of(Counts::default()), None);
    }
}
