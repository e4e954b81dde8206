//! Lines of a bounded length, from somebody who may never end one.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// How much room is kept from line to line, in bytes.
const KEPT: usize = 1 << 20;

/// Reads lines. May be dropped while it waits: what was read is not lost.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    longest: usize,
    /// Whether the rest of a line is passed over that was too long.
    is_passing: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The beginning of one that is too long.
    TooLong(Vec<u8>),
    /// Nothing: there is no more.
    End,
}

/// How much of a line that is too long is kept, to find out whose it is.
const BEGINNING: usize = 1024;

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R, longest: usize) -> Self {
        Self {
            input: BufReader::with_capacity(CHUNK, input),
            line: Vec::new(),
            longest,
            is_passing: false,
        }
    }

    /// The next line that is not empty, or the news that one is too long, as soon
    /// as it is. A last line need not end.
    pub(super) async fn next(&mut self) -> io::Result<Line> {
        loop {
            let chunk = self.input.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(self.last());
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let (part, read) = match end {
                Some(end) => (chunk.get(..end).unwrap_or(chunk), end + 1),
                None => (chunk, chunk.len()),
            };
            if !self.is_passing {
                let room = self.longest.saturating_add(1) - self.line.len();
                self.line
                    .extend_from_slice(part.get(..room).unwrap_or(part));
            }
            self.input.consume(read);
            if let Some(line) = self.after(end.is_some()) {
                return Ok(line);
            }
        }
    }

    /// What there is after some more of a line, or all of it.
    fn after(&mut self, is_whole: bool) -> Option<Line> {
        if self.is_passing {
            self.is_passing = !is_whole;
            return None;
        }
        if self.line.len() > self.longest {
            self.is_passing = !is_whole;
            let mut beginning = std::mem::take(&mut self.line);
            beginning.truncate(BEGINNING);
            beginning.shrink_to_fit();
            return Some(Line::TooLong(beginning));
        }
        is_whole.then(|| self.take()).flatten()
    }

    fn take(&mut self) -> Option<Line> {
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if self.line.iter().all(u8::is_ascii_whitespace) {
            self.line.clear();
            return None;
        }
        Some(Line::Whole(std::mem::take(&mut self.line)))
    }

    /// Gives back a line that is read, so that its room is used again.
    pub(super) fn give_back(&mut self, mut line: Vec<u8>) {
        if self.line.is_empty() && line.capacity() <= KEPT {
            line.clear();
            self.line = line;
        }
    }

    fn last(&mut self) -> Line {
        if self.is_passing {
            return Line::End;
        }
        self.take().unwrap_or(Line::End)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, repeat};

    use super::*;

    async fn all(input: &[u8], longest: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, longest);
        let mut all = Vec::new();
        loop {
            match lines.next().await.unwrap() {
                Line::End => return all,
                line => all.push(line),
            }
        }
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn lines_end_in_both_ways_and_empty_ones_are_none() {
        let lines = all(b"a\r\n\n\r\n \n\tb\nc", 10).await;
        assert_eq!(lines, [whole("a"), whole("\tb"), whole("c")]);
        assert_eq!(all(b"a\rb\n\r\r\n", 10).await, [whole("a\rb")]);
    }

    #[tokio::test]
    async fn m14_a_line_that_is_too_long_is_told_and_the_next_is_read() {
        let long = |text: &str| Line::TooLong(text.as_bytes().to_vec());
        let lines = all(b"12345\n123456\n12345\n1234567890\nx\n1234567", 5).await;
        assert_eq!(
            lines,
            [
                whole("12345"),
                long("123456"),
                whole("12345"),
                long("123456"),
                whole("x"),
                long("123456")
            ]
        );
    }

    #[tokio::test]
    async fn m14_a_line_of_a_gigabyte_takes_no_room() {
        let endless = repeat(b'x').take(1 << 30).chain(&b"\nnext\n"[..]);
        let mut lines = Lines::new(endless, 1 << 16);
        let Line::TooLong(beginning) = lines.next().await.unwrap() else {
            panic!("it is too long");
        };
        assert_eq!(beginning.len(), BEGINNING);
        assert_eq!(lines.next().await.unwrap(), whole("next"));
        assert!(lines.line.capacity() <= 1 << 17);
    }

    /// `rmcp` stops waiting for a line whenever there is something else to do.
    #[tokio::test]
    async fn nothing_is_lost_when_waiting_ends() {
        let (mut near, far) = duplex(64);
        let mut lines = Lines::new(far, 100);
        for part in [&b"a"[..], b"b", b"c\nd"] {
            near.write_all(part).await.unwrap();
            tokio::select! {
                biased;
                line = lines.next() => assert_eq!(line.unwrap(), whole("abc")),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(near);
        assert_eq!(lines.next().await.unwrap(), whole("d"));
        assert_eq!(lines.next().await.unwrap(), Line::End);
    }
}
