//! Text from a skill that people and models read.

/// The first character of `text` that a reader would not see or that would
/// change how the rest is shown: control characters but line feed and tab,
/// other ends of lines, zero-width and bidirectional controls, tag characters.
#[must_use]
pub(crate) fn hidden_character(text: &str) -> Option<char> {
    text.chars().find(|&character| is_hidden(character))
}

/// Unicode 16, general categories Cc, Cf, Zl and Zp, and the variation selectors that
/// have been used to smuggle text past readers.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// `text` on one line, with everything escaped that could forge a line or
/// steer a terminal, cut after `max` characters.
#[must_use]
pub(crate) fn one_line(text: &str, max: usize) -> String {
    // Nearly every text is one: names, and sentences of the host.
    if text.len() <= max && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len().min(max));
    for (index, character) in text.chars().enumerate() {
        if index == max {
            line.push('…');
            break;
        }
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            hidden if is_hidden(hidden) => line.extend(hidden.escape_unicode()),
            plain => line.push(plain),
        }
    }
    line
}

/// `text` with line feeds and tabs kept and everything else that could steer a
/// terminal escaped.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_and_plain_text_is_not() {
        assert_eq!(hidden_character("Zähle Wörter\n\t– 数える 🎉"), None);
        for hidden in ['\u{1b}', '\u{200b}', '\u{202e}', '\u{e0041}', '\r', '\0'] {
            assert_eq!(hidden_character(&format!("a{hidden}b")), Some(hidden));
        }
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(one_line("a\n\u{1b}[31mb", 80), "a\\n\\u{1b}[31mb");
        assert_eq!(one_line("abc", 2), "ab…");
    }
}
