//! How many syllables an English word has, by its spelling.
//!
//! English spelling does not tell exactly; the readability formulas were made
//! for counting by ear and forgive a few percent. No dictionary: it would be
//! larger than the rest of the skill.

/// Words that the rules get wrong and that are too frequent to leave so.
const EXCEPTIONS: [(&str, u32); 33] = [
    ("people", 2),
    ("area", 3),
    ("idea", 3),
    ("ideas", 3),
    ("areas", 3),
    ("marriage", 2),
    ("evening", 2),
    ("create", 2),
    ("created", 3),
    ("creates", 2),
    ("element", 3),
    ("elements", 3),
    ("every", 2),
    ("everyone", 3),
    ("everything", 3),
    ("friend", 1),
    ("friends", 1),
    ("hundred", 2),
    ("sacred", 2),
    ("naked", 2),
    ("wicked", 2),
    ("via", 2),
    ("lion", 2),
    ("poem", 2),
    ("poet", 2),
    ("science", 2),
    ("sciences", 3),
    ("society", 4),
    ("business", 2),
    ("argue", 2),
    ("museum", 3),
    ("recipe", 3),
    ("theater", 3),
];

/// Endings that keep a silent `e` before them silent: `state-ment`.
const SUFFIXES: [&str; 6] = ["ly", "ful", "less", "ness", "ment", "ments"];

/// First parts of compounds with a silent `e` inside: `some-thing`.
const FIRST_PARTS: [&str; 8] = [
    "some", "there", "where", "home", "time", "life", "fire", "side",
];

/// The number of syllables of a word; at least 1.
pub fn syllables(word: &str) -> u32 {
    let straight = |letter| if letter == '’' { '\'' } else { letter };
    let word: String = word.to_ascii_lowercase().chars().map(straight).collect();
    match word.strip_suffix("n't") {
        Some(verb) if verb.ends_with(['d', 's']) => spoken(verb) + 1,
        Some(verb) => spoken(verb),
        None => spoken(word.split('\'').next().unwrap_or_default()),
    }
}

fn spoken(word: &str) -> u32 {
    if let Some((_, count)) = EXCEPTIONS.iter().find(|(exception, _)| *exception == word) {
        return *count;
    }
    if let Some((first, rest)) = divided(word) {
        return spoken(first) + spoken(rest);
    }
    if let Some(stem) = word
        .strip_suffix("ing")
        .filter(|stem| stem.contains(is_vowel))
    {
        return groups(stem) + 1;
    }
    let syllabic_m = u32::from(word.ends_with("sm"));
    (groups(without_silent_ending(word)) + syllabic_m).max(1)
}

/// A word in two parts, the first of which ends in a silent `e`.
fn divided(word: &str) -> Option<(&str, &str)> {
    let suffix = SUFFIXES.iter().find_map(|suffix| {
        let stem = word.strip_suffix(suffix)?;
        (stem.len() >= 3 && stem.ends_with('e')).then_some((stem, *suffix))
    });
    let compound = || {
        FIRST_PARTS.iter().find_map(|first| {
            let rest = word.strip_prefix(first)?;
            (rest.len() >= 3 && !rest.starts_with(is_vowel)).then_some((*first, rest))
        })
    };
    suffix.or_else(compound)
}

/// The word without a last `e`, `es` or `ed` that is not spoken.
fn without_silent_ending(word: &str) -> &str {
    let spoken_before = |stem: &str, endings: &[&str]| {
        syllabic_l(stem) || endings.iter().any(|ending| stem.ends_with(ending))
    };
    if let Some(stem) = word
        .strip_suffix("que")
        .or_else(|| word.strip_suffix("gue"))
    {
        return stem;
    }
    if let Some(stem) = word.strip_suffix("ed")
        && !spoken_before(stem, &["t", "d"])
    {
        return stem;
    }
    if let Some(stem) = word.strip_suffix("es")
        && !spoken_before(stem, &["s", "x", "z", "c", "g", "sh", "ch"])
    {
        return stem;
    }
    match word.strip_suffix('e') {
        Some(stem) if !syllabic_l(stem) => stem,
        _ => word,
    }
}

/// Whether an `l` after another consonant ends this: `tab-le`, but not `ville`.
fn syllabic_l(stem: &str) -> bool {
    stem.strip_suffix('l')
        .and_then(|before| before.chars().next_back())
        .is_some_and(|last| !is_vowel(last) && !matches!(last, 'l' | 'r' | 'w'))
}

/// Counts the vowels that are spoken as one.
fn groups(word: &str) -> u32 {
    let letters: Vec<char> = word.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or(' ');
    let mut count = 0;
    let mut previous = ' ';
    for index in 0..letters.len() {
        let (before, letter, after) = (at(index.wrapping_sub(1)), at(index), at(index + 1));
        if !is_spoken_vowel(before, letter, after) {
            previous = ' ';
            continue;
        }
        let onset = at(index.wrapping_sub(2));
        if previous == ' ' || are_apart(onset, previous, letter, after) {
            count += 1;
        }
        previous = letter;
    }
    count
}

/// A `y` before a vowel at the start of a word or after a vowel is a
/// consonant, and so is the `u` of `qu` and `gua`.
fn is_spoken_vowel(before: char, letter: char, after: char) -> bool {
    match letter {
        'y' => !(is_vowel(after) && (before == ' ' || is_vowel(before))),
        'u' => !(before == 'q' || before == 'g' && matches!(after, 'a' | 'e' | 'i')),
        _ => is_vowel(letter),
    }
}

/// Whether two vowels in a row, after `onset` and before `after`, belong to
/// two syllables: `ra-di-o`, but not `na-tion`.
fn are_apart(onset: char, first: char, second: char, after: char) -> bool {
    let softened = matches!(onset, 'c' | 't' | 's' | 'g' | 'x');
    match (first, second) {
        ('i', 'a' | 'o' | 'u') => !softened,
        ('i', 'e') => !softened && matches!(after, 't' | 'n'),
        ('e' | 'u' | 'a', 'o') | ('u', 'a') | ('i', 'i') | (_, 'ï') => true,
        _ => false,
    }
}

fn is_vowel(letter: char) -> bool {
    matches!(
        letter,
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'é' | 'è' | 'ê' | 'ï' | 'ö' | 'ü' | 'ä'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_to_six_syllables() {
        let table = [
            "a the I me be you eye one two made time like place friend school through strength \
             called walked moved stopped curled likes makes goes does league tongue queen \
             quick guess guide guard yes year young king thing spring coin rain boat view can't won't",
            "table little people handle handled tables wanted added places boxes wishes pages \
             being going buying dying making something sometimes statement careful lovely homeless \
             player royal beyond lawyer quiet science lion nation social special region region's \
             didn't couldn't isn't prism water happy over into about after unique language city's",
            "example family area idea radio video medium violent actual studying various \
             curious religious everyone element completely implement however computer another \
             important continue potato hospital remember November museum",
            "January information community available ability economy category material experience \
             television society",
            "capitalism university organization opportunity possibility curiosity individual communication",
            "responsibility availability",
        ];
        for (index, words) in table.iter().enumerate() {
            for word in words.split_whitespace() {
                assert_eq!(syllables(word) as usize, index + 1, "{word}");
            }
        }
    }

    #[test]
    fn every_word_has_a_syllable() {
        for word in ["", "hmm", "TV", "42", "'", "n't", "e", "日本"] {
            assert!(syllables(word) >= 1, "{word:?}");
        }
        assert_eq!(syllables("PEOPLE"), 2);
        assert_eq!(syllables("don’t"), 1);
        assert_eq!(syllables("naïve"), 2);
    }
}
