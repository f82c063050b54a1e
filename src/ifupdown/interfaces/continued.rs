//! The logical lines of ifupdown2 and of ifupdown-ng, with every byte kept.
//!
//! Measured on ifupdown2 3.0.0: a backslash anywhere, with all blanks around it and so with line
//! ends before and behind it, is one blank, in comments too; a carriage return ends a line. On
//! ifupdown-ng 0.11.4: a backslash at the end joins the next line without its indentation; `#`
//! begins a comment anywhere, which no backslash continues, and `\#` is nothing at all.

use super::line::{is_blank, LogicalLine};
use crate::ifupdown::Caller;

/// Reads all lines of a file as one of the three does; together they are the file.
pub fn lines_as(bytes: &[u8], caller: Caller) -> Vec<LogicalLine> {
    let mut cursor = Cursor {
        bytes,
        at: 0,
        number: 1,
        line_start: 0,
    };
    let mut lines = Vec::new();
    match caller {
        Caller::Ifupdown => return LogicalLine::all(bytes),
        Caller::Ifupdown2 => {
            let mut ahead = Ahead::default();
            while cursor.at < bytes.len() {
                lines.push(cursor.line_of_ifupdown2(&mut ahead));
            }
        }
        Caller::IfupdownNg => {
            while cursor.at < bytes.len() {
                lines.push(cursor.line_of_ng());
            }
        }
    }
    lines
}

/// Whether ifupdown2 has a file rendered as a template of Mako before it reads it, into another one:
/// if it has a `%` at all, and then something that is not itself.
pub fn is_template(bytes: &[u8]) -> bool {
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let lines = bytes.split(|byte| *byte == b'\n');
    let mut controls = lines.map(|line| line.trim_ascii_start().first());
    bytes.contains(&b'%')
        && (has(b"${") || has(b"<%") || controls.any(|first| first == Some(&b'%')))
}

/// Where in a file reading is.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Which line of the file that is, from 1.
    number: usize,
    /// Where that begins.
    line_start: usize,
}

/// Up to where blanks were looked over for what comes behind them: each byte is looked at once.
#[derive(Default)]
struct Ahead {
    end: usize,
    backslash: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over a byte.
    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.number += 1;
            self.line_start = self.at + 1;
        }
        self.at += 1;
    }

    fn skip(&mut self, fits: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.step();
        }
    }

    fn begin(&self) -> LogicalLine {
        LogicalLine::open(self.number)
    }

    /// Goes on with the text of a line where the file is now.
    fn resume(&self, line: &mut LogicalLine) {
        line.resume(self.number, self.at - self.line_start);
    }

    /// Ends a line that began at a place, and its last byte is in the line before this one.
    fn close(&self, line: &mut LogicalLine, begun: usize) {
        let raw = self.bytes.get(begun..self.at).unwrap_or_default();
        let ended = usize::from(raw.last() == Some(&b'\n'));
        line.close(raw, self.number - ended);
    }

    fn line_of_ifupdown2(&mut self, ahead: &mut Ahead) -> LogicalLine {
        let (begun, mut line) = (self.at, self.begin());
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => {
                    line.trim();
                    self.step();
                    self.skip(is_blank);
                    if !line.text.is_empty() {
                        line.text.push(b' ');
                    }
                    self.resume(&mut line);
                }
                b'\n' | b'\r' if !self.backslash_follows(ahead) => {
                    self.step();
                    if byte == b'\r' && self.peek() == Some(b'\n') {
                        self.step();
                    }
                    break;
                }
                b'\n' | b'\r' => self.skip(is_blank),
                _ => {
                    self.take(&mut line, byte);
                }
            }
        }
        line.comment_if(|text| text.first() == Some(&b'#'));
        self.close(&mut line, begun);
        line
    }

    /// Whether a backslash is the first byte behind the blanks here.
    fn backslash_follows(&self, ahead: &mut Ahead) -> bool {
        if self.at >= ahead.end {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
            ahead.end = self.at + blanks;
            ahead.backslash = rest.get(blanks) == Some(&b'\\');
        }
        ahead.backslash
    }

    fn line_of_ng(&mut self) -> LogicalLine {
        let (begun, mut line) = (self.at, self.begin());
        let (mut quoted, mut comment) = (false, false);
        // A string of C ends at a NUL.
        let mut unseen = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if !quoted => quoted = true,
                b'#' if !quoted => {
                    comment = true;
                    self.skip(|byte| byte != b'\n');
                    self.step();
                    break;
                }
                b'#' => quoted = false,
                b'\n' if !quoted => {
                    self.step();
                    break;
                }
                b'\n' => {
                    quoted = false;
                    self.step();
                    self.skip(|byte| matches!(byte, b' ' | b'\t'));
                    self.resume(&mut line);
                    continue;
                }
                _ => {
                    unseen |= byte == 0;
                    if unseen {
                        self.step();
                        continue;
                    }
                    if std::mem::take(&mut quoted) {
                        line.text.push(b'\\');
                    }
                    self.take(&mut line, byte);
                    continue;
                }
            }
            self.step();
        }
        self.at = self.at.min(self.bytes.len());
        line.comment_if(|text| comment && text.is_empty());
        self.close(&mut line, begun);
        line
    }

    /// Takes a byte into a line's text, unless it is a blank in front of it.
    fn take(&mut self, line: &mut LogicalLine, byte: u8) {
        if line.text.is_empty() {
            if !is_blank(byte) {
                self.resume(line);
                line.text.push(byte);
            }
        } else {
            line.text.push(byte);
        }
        self.step();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &[u8], caller: Caller) -> Vec<String> {
        let lines = lines_as(bytes, caller);
        let raw: Vec<u8> = lines.iter().flat_map(|line| line.raw.clone()).collect();
        assert_eq!(raw, bytes);
        let texts = lines.iter().map(|line| String::from_utf8_lossy(&line.text));
        texts.map(String::from).collect()
    }

    #[test]
    fn a_line_that_was_to_go_on_where_the_file_ends_is_one_line() {
        for caller in [Caller::Ifupdown2, Caller::IfupdownNg] {
            let lines = lines_as(b"mtu 1400\\\n", caller);
            assert_eq!((lines.len(), lines[0].last), (1, 1), "{caller}");
            assert_eq!(lines[0].place(8), (1, 9), "{caller}");
        }
    }

    #[test]
    fn a_backslash_of_ifupdown2_joins_all_around_it() {
        let of = |text: &str| texts(text.as_bytes(), Caller::Ifupdown2);
        assert_eq!(of("a \\\n  b\n"), ["a b"]);
        assert_eq!(of("a\\b  \n c"), ["a b", "c"]);
        assert_eq!(of("a\n\n \\\n\n b\n\nc"), ["a b", "", "c"]);
        assert_eq!(
            of("# a \\\n b\n  c # d\r\ne\rf"),
            ["# a b", "c # d", "e", "f"]
        );
        assert_eq!(of("\\\n a \\"), ["a"]);
        let lines = lines_as(b"  a \\\n   bc\n\n d", Caller::Ifupdown2);
        assert_eq!(lines[0].place(0), (1, 3));
        assert_eq!(lines[0].place(2), (2, 4));
        assert_eq!((lines[0].number, lines[0].last), (1, 2));
        assert_eq!((lines[2].number, lines[2].place(0)), (4, (4, 2)));
        assert!(lines_as(b"#a\nb", Caller::Ifupdown2)[0].is_comment());
    }

    #[test]
    fn a_hash_of_ifupdown_ng_is_a_comment_anywhere() {
        let of = |text: &str| texts(text.as_bytes(), Caller::IfupdownNg);
        assert_eq!(of("a # b \\\n c\n"), ["a", "c"]);
        assert_eq!(of("a \\\n  b"), ["a b"]);
        assert_eq!(of("a\\\n\t#c\nd"), ["a", "d"]);
        assert_eq!(of("a\\#b \\x\\\\y"), ["ab \\x\\\\y"]);
        assert_eq!(of("a\0b\\\nc\n #d\r\n\ne \r\n\\"), ["a", "", "", "e", ""]);
        let lines = lines_as(b"#a\n  b \\\n\tc\n", Caller::IfupdownNg);
        assert!(lines[0].is_comment() && !lines[1].is_comment());
        assert_eq!((lines[1].place(0), lines[1].place(2)), ((2, 3), (3, 2)));
    }
}
