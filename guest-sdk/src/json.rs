//! JSON text written in const evaluation.
//!
//! A value is written twice: into an empty buffer to learn its length, then
//! into an array of that length. Nothing is allocated, so all of it runs in the
//! compiler.

/// Writes JSON into a buffer as far as it reaches, and counts all of it.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
    /// Whether a value was just written, so that a comma must come next.
    after_value: bool,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            length: 0,
            after_value: false,
        }
    }

    /// Bytes written so far, also those for which there was no room.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// Begins an object or an array, with `{` or `[`.
    pub(crate) const fn open(&mut self, bracket: &str) {
        self.separate();
        self.push(bracket.as_bytes());
    }

    /// Ends what [`Writer::open`] began, with `}` or `]`.
    pub(crate) const fn close(&mut self, bracket: &str) {
        self.push(bracket.as_bytes());
        self.after_value = true;
    }

    /// The name of an object's next member.
    pub(crate) const fn key(&mut self, name: &str) {
        self.string(name);
        self.push(b":");
        self.after_value = false;
    }

    /// A value that is JSON text already.
    pub(crate) const fn json(&mut self, text: &str) {
        self.separate();
        self.push(text.as_bytes());
        self.after_value = true;
    }

    /// A boolean.
    pub(crate) const fn boolean(&mut self, value: bool) {
        self.json(if value { "true" } else { "false" });
    }

    /// A whole number.
    pub(crate) const fn integer(&mut self, value: i128) {
        self.separate();
        if value < 0 {
            self.push(b"-");
        }
        let mut magnitude = value.unsigned_abs();
        let mut digits = [0; 39];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (magnitude % 10) as u8;
            magnitude /= 10;
            if magnitude == 0 {
                break;
            }
        }
        self.push(digits.split_at(start).1);
        self.after_value = true;
    }

    /// A string, escaped as RFC 8259 wants it.
    pub(crate) const fn string(&mut self, text: &str) {
        self.separate();
        self.push(b"\"");
        let mut rest = text.as_bytes();
        loop {
            let (plain, tail) = rest.split_at(plain_prefix(rest));
            self.push(plain);
            let Some((special, after)) = tail.split_first() else {
                break;
            };
            self.escape(*special);
            rest = after;
        }
        self.push(b"\"");
        self.after_value = true;
    }

    const fn escape(&mut self, byte: u8) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        match byte {
            b'"' => self.push(b"\\\""),
            b'\\' => self.push(b"\\\\"),
            b'\n' => self.push(b"\\n"),
            b'\t' => self.push(b"\\t"),
            b'\r' => self.push(b"\\r"),
            _ => {
                self.push(b"\\u00");
                self.push(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
            }
        }
    }

    const fn separate(&mut self) {
        if self.after_value {
            self.push(b",");
        }
        self.after_value = false;
    }

    const fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if end <= self.buffer.len() {
            let (_, free) = self.buffer.split_at_mut(self.length);
            free.split_at_mut(bytes.len()).0.copy_from_slice(bytes);
        }
        self.length = end;
    }
}

/// How many bytes at the start need no escape.
const fn plain_prefix(bytes: &[u8]) -> usize {
    let mut length = 0;
    while length < bytes.len()
        && bytes[length] >= 0x20
        && bytes[length] != b'"'
        && bytes[length] != b'\\'
    {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Writer<'_>)) -> String {
        let mut counter = Writer::new(&mut []);
        write(&mut counter);
        let mut buffer = vec![0; counter.length()];
        write(&mut Writer::new(&mut buffer));
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_serde_json_does() {
        for text in [
            "",
            "plain",
            "\"q\" \\ /",
            "a\nb\tc\rd",
            "\u{1}\u{1f}\u{7f}",
            "ünïcödé 🦀",
        ] {
            let written = written(|writer| writer.string(text));
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }

    #[test]
    fn commas_stand_between_values_only() {
        let json = written(|writer| {
            writer.open("{");
            writer.key("a");
            writer.open("[");
            writer.integer(i128::from(i64::MIN));
            writer.integer(0);
            writer.boolean(true);
            writer.open("{");
            writer.close("}");
            writer.close("]");
            writer.key("b");
            writer.string("c");
            writer.close("}");
        });
        assert_eq!(json, r#"{"a":[-9223372036854775808,0,true,{}],"b":"c"}"#);
    }
}
