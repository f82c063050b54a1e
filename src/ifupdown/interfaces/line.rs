//! The logical lines of an interfaces(5) file as Debian's ifupdown reads them, with every byte kept.
//!
//! Measured on ifupdown 0.8.41 and 0.8.44: a line whose first character is `#` is a comment, and
//! a backslash at its end continues nothing; any other line that ends in a backslash goes on with
//! the next, whose indentation and `#` are then part of the text. A backslash before blanks or a
//! carriage return is not at the end. Blanks around the whole are dropped, those of C's `isspace`.
//! What follows a NUL byte in a line is not seen (in lines longer than its buffer it may be).

use std::ops::Range;

/// A line with its continuations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogicalLine {
    /// The number of its first line in the file, from 1.
    pub number: usize,
    /// The number that ifupdown names in its errors: that of its last line.
    pub last: usize,
    /// Every byte of it, line ends included.
    pub raw: Vec<u8>,
    /// What ifupdown takes it for: continuations joined, blanks around it dropped; empty for a
    /// blank line.
    pub text: Vec<u8>,
    /// The lines of the file that it was put together from.
    pieces: Vec<Physical>,
    comment: bool,
    /// The longest word that is kept of it, in bytes; what is longer loses its end.
    longest_word: usize,
}

/// What a line of the file gives to the text of a logical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Physical {
    /// Where in the text it begins.
    at: usize,
    /// Which line of the file it is, from 1.
    number: usize,
    /// How many of its bytes are left out in front.
    indent: usize,
}

/// The longest word that Debian's ifupdown keeps.
const WORD: usize = 79;

/// Whether C's `isspace` takes a byte for a blank.
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

impl LogicalLine {
    /// Reads all lines of a file; together they are the file.
    pub fn all(bytes: &[u8]) -> Vec<Self> {
        let mut physical = bytes.split_inclusive(|byte| *byte == b'\n');
        let (mut lines, mut number) = (Vec::new(), 0);
        while let Some(first) = physical.next() {
            number += 1;
            let mut line = Self::begin(first, number);
            while !line.comment && line.text.last() == Some(&b'\\') {
                line.text.pop();
                number += 1;
                if let Some(more) = physical.next() {
                    line.go_on(more, number);
                }
            }
            line.last = number;
            line.trim();
            lines.push(line);
        }
        lines
    }

    fn begin(raw: &[u8], number: usize) -> Self {
        let seen = seen(raw);
        let indent = seen.iter().take_while(|byte| is_blank(**byte)).count();
        let piece = Physical {
            at: 0,
            number,
            indent,
        };
        Self {
            number,
            last: number,
            raw: raw.to_vec(),
            text: seen.get(indent..).unwrap_or_default().to_vec(),
            pieces: vec![piece],
            comment: seen.get(indent) == Some(&b'#'),
            longest_word: WORD,
        }
    }

    /// A line that is put together by another rule, from [`Self::resume`] to [`Self::close`]; words
    /// are kept whole.
    pub fn open(number: usize) -> Self {
        let piece = Physical {
            at: 0,
            number,
            indent: 0,
        };
        Self {
            number,
            last: number,
            raw: Vec::new(),
            text: Vec::new(),
            pieces: vec![piece],
            comment: false,
            longest_word: usize::MAX,
        }
    }

    /// What comes next of the text stands behind so many bytes of a line of the file.
    pub fn resume(&mut self, number: usize, indent: usize) {
        let at = self.text.len();
        let piece = Physical { at, number, indent };
        match self.pieces.last_mut().filter(|last| last.at == at) {
            Some(last) => *last = piece,
            None => self.pieces.push(piece),
        }
    }

    /// Drops the blanks at the end of the text.
    pub fn trim(&mut self) {
        let end = self.text.iter().rposition(|byte| !is_blank(*byte));
        self.text.truncate(end.map_or(0, |end| end + 1));
        while self.pieces.len() > 1 && self.pieces.last().is_some_and(|p| p.at > self.text.len()) {
            self.pieces.pop();
        }
    }

    /// Says whether it is a comment, by its text.
    pub fn comment_if(&mut self, is_comment: impl Fn(&[u8]) -> bool) {
        self.trim();
        self.comment = is_comment(&self.text);
    }

    /// Ends it: with all its bytes, and the number of its last line.
    pub fn close(&mut self, raw: &[u8], last: usize) {
        self.raw = raw.to_vec();
        self.last = last.max(self.number);
        // A file may end where a line was to go on.
        let last = self.last;
        self.pieces.retain(|piece| piece.number <= last);
    }

    fn go_on(&mut self, raw: &[u8], number: usize) {
        self.pieces.push(Physical {
            at: self.text.len(),
            number,
            indent: 0,
        });
        self.raw.extend(raw);
        self.text.extend(seen(raw));
    }

    /// Whether it is a comment: a `#` behind a lone, continued backslash makes none.
    pub fn is_comment(&self) -> bool {
        self.comment
    }

    /// The word that begins at a place in the text, and where the next one begins; `None` at the
    /// end. As ifupdown does it, a line that begins with a continued blank begins with an empty
    /// word.
    pub fn word(&self, at: usize) -> Option<(Range<usize>, usize)> {
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().take_while(|byte| !is_blank(**byte)).count();
        let blanks = rest.iter().skip(length);
        let blanks = blanks.take_while(|byte| is_blank(**byte)).count();
        Some((at..at + length, at + length + blanks))
    }

    /// All words from a place on, with their places.
    pub fn words(&self, mut at: usize) -> impl Iterator<Item = (usize, String)> + '_ {
        std::iter::from_fn(move || {
            let (word, next) = self.word(at)?;
            at = next;
            Some((word.start, self.name(word)))
        })
    }

    /// A word as ifupdown keeps it; bytes that are no text are replaced.
    pub fn name(&self, word: Range<usize>) -> String {
        let longest = word.start.saturating_add(self.longest_word);
        let word = word.start..word.end.min(longest);
        String::from_utf8_lossy(self.text.get(word).unwrap_or_default()).into_owned()
    }

    /// Where in the file a place in the text is: the line, and the column in characters; both
    /// count from 1.
    pub fn place(&self, at: usize) -> (usize, usize) {
        let piece = self.pieces.iter().rev().find(|piece| piece.at <= at);
        let Some(piece) = piece else {
            return (self.number, 1);
        };
        let before = self.physical(piece.number);
        let before = before.get(..piece.indent + at - piece.at).unwrap_or(before);
        (
            piece.number,
            String::from_utf8_lossy(before).chars().count() + 1,
        )
    }

    /// One of its lines in the file, by its number there, without the line end.
    pub fn physical(&self, number: usize) -> &[u8] {
        let mut lines = self.raw.split(|byte| *byte == b'\n');
        let nth = number.checked_sub(self.number);
        nth.and_then(|nth| lines.nth(nth)).unwrap_or_default()
    }
}

/// What ifupdown sees of a line.
fn seen(raw: &[u8]) -> &[u8] {
    let end = raw.iter().position(|byte| matches!(byte, b'\n' | 0));
    end.and_then(|end| raw.get(..end)).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &[u8]) -> Vec<(usize, usize, String)> {
        let lines = LogicalLine::all(bytes);
        let raw: Vec<u8> = lines.iter().flat_map(|line| line.raw.clone()).collect();
        assert_eq!(raw, bytes, "every byte");
        let text = |line: &LogicalLine| String::from_utf8(line.text.clone()).unwrap();
        let told = lines
            .iter()
            .map(|line| (line.number, line.last, text(line)));
        told.collect()
    }

    fn told(texts: &[(usize, usize, &str)]) -> Vec<(usize, usize, String)> {
        let told = texts
            .iter()
            .map(|(a, b, text)| (*a, *b, (*text).to_owned()));
        told.collect()
    }

    #[test]
    fn lines_are_joined_as_ifupdown_joins_them() {
        let text = b"  a b \\\n\t c\\\n#d \n# e \\\n\nf\\ \ng\\\r\nh \r\ni\0j\nk\\\\";
        assert_eq!(
            texts(text),
            told(&[
                (1, 3, "a b \t c#d"),
                (4, 4, "# e \\"),
                (5, 5, ""),
                (6, 6, "f\\"),
                (7, 7, "g\\"),
                (8, 8, "h"),
                (9, 9, "i"),
                (10, 12, "k"),
            ])
        );
        assert!(texts(b"").is_empty());
    }

    #[test]
    fn a_continued_indentation_is_an_empty_word() {
        let lines = LogicalLine::all(b"\\\n  foo bar");
        let words: Vec<(usize, String)> = lines[0].words(0).collect();
        assert_eq!(
            words,
            [(0, String::new()), (2, "foo".into()), (6, "bar".into())]
        );
    }

    #[test]
    fn a_continued_line_is_no_comment() {
        let lines = LogicalLine::all(b"\\\n# a \\\nb\n# c \\\n");
        let comments: Vec<bool> = lines.iter().map(LogicalLine::is_comment).collect();
        assert_eq!(comments, [false, true]);
        assert_eq!(lines[0].text, b"# a b");
    }

    #[test]
    fn places_are_those_of_the_file() {
        let line = &LogicalLine::all("  \u{e9}a b\\\n  c d\\\ne\n".as_bytes())[0];
        let place = |word: &str| {
            let text = String::from_utf8(line.text.clone()).unwrap();
            line.place(text.find(word).unwrap())
        };
        assert_eq!(place("a"), (1, 4));
        assert_eq!(place("b"), (1, 6));
        assert_eq!(place("c"), (2, 3));
        assert_eq!(place("e"), (3, 1));
        assert_eq!(line.physical(2), b"  c d\\");
    }

    #[test]
    fn long_words_lose_their_end() {
        let long = "x".repeat(100);
        let line = &LogicalLine::all(format!("{long} y").as_bytes())[0];
        let (_, word) = line.words(0).next().unwrap();
        assert_eq!(word.len(), WORD);
    }
}
