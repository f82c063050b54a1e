//! A file of which some lines give way to options, and everything else stays byte for byte; also
//! as a unified diff.
//!
//! What goes and what comes is known here line by line, so that no crate has to find it out.

use std::collections::HashMap;

use super::search::NewOption;
use crate::ifupdown::interfaces::Text;

/// A line of the file, or of what comes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FileLine {
    Kept(Vec<u8>),
    Removed(Vec<u8>),
    Added(Vec<u8>),
}

/// The old file and the new one in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewriting {
    lines: Vec<FileLine>,
}

/// Lines that give way, by their places among the text's, and what comes where the first was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The lines.
    pub lines: Vec<usize>,
    /// The options.
    pub options: Vec<NewOption>,
}

impl Change {
    /// Whether the options come at this line.
    pub fn is_first(&self, line: usize) -> bool {
        self.lines.iter().min() == Some(&line)
    }
}

/// The blanks that a line begins with.
fn indent(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = line.iter().take_while(|byte| is_blank(byte)).count();
    line.get(..end).unwrap_or_default()
}

/// What a line ends with, as an editor of another system may have left it.
fn line_end(line: &[u8]) -> &'static str {
    if line.ends_with(b"\r\n") {
        "\r\n"
    } else {
        "\n"
    }
}

/// Lines around a change that a diff shows.
const CONTEXT: usize = 3;

impl Rewriting {
    /// Applies changes to a text.
    pub fn of(text: &Text, changes: &[Change]) -> Self {
        let mut lines = Vec::new();
        let mut by_line: HashMap<usize, &Change> = HashMap::new();
        for change in changes {
            for line in &change.lines {
                by_line.entry(*line).or_insert(change);
            }
        }
        for (at, line) in text.lines.iter().enumerate() {
            let Some(change) = by_line.get(&at) else {
                lines.push(FileLine::Kept(line.raw.clone()));
                continue;
            };
            lines.push(FileLine::Removed(line.raw.clone()));
            if change.is_first(at) {
                let indent = indent(&line.raw);
                let end = line_end(&line.raw);
                lines.extend(change.options.iter().map(|option| {
                    let option = format!("{option}{end}");
                    FileLine::Added([indent, option.as_bytes()].concat())
                }));
            }
        }
        let mut rewriting = Self { lines };
        rewriting.keep_missing_newline();
        rewriting
    }

    /// A file whose last line has no end is not given one.
    fn keep_missing_newline(&mut self) {
        if self.before().last().is_none_or(|byte| *byte == b'\n') {
            return;
        }
        let mut left = self.lines.iter_mut().rev();
        let last = left.find(|line| !matches!(line, FileLine::Removed(_)));
        if let Some(FileLine::Added(line)) = last {
            line.truncate(line.len() - line_end(line).len());
        }
    }

    /// The file as it was.
    pub fn before(&self) -> Vec<u8> {
        self.bytes(|line| match line {
            FileLine::Kept(line) | FileLine::Removed(line) => Some(line),
            FileLine::Added(_) => None,
        })
    }

    /// The file as it is to be.
    pub fn after(&self) -> Vec<u8> {
        self.bytes(|line| match line {
            FileLine::Kept(line) | FileLine::Added(line) => Some(line),
            FileLine::Removed(_) => None,
        })
    }

    fn bytes(&self, of: impl Fn(&FileLine) -> Option<&Vec<u8>>) -> Vec<u8> {
        let lines = self.lines.iter().filter_map(of);
        lines.map(Vec::as_slice).collect::<Vec<_>>().concat()
    }

    /// Whether anything changes.
    pub fn is_changed(&self) -> bool {
        self.counts() != (0, 0)
    }

    /// How many lines give way, and how many options come.
    pub fn counts(&self) -> (usize, usize) {
        let count = |is: fn(&FileLine) -> bool| self.lines.iter().filter(|line| is(line)).count();
        (
            count(|line| matches!(line, FileLine::Removed(_))),
            count(|line| matches!(line, FileLine::Added(_))),
        )
    }

    /// The lines of the file, marked as a unified diff has them: what comes stands behind what
    /// goes. A line that is continued is several here.
    fn marked(&self) -> Vec<(u8, &[u8])> {
        let mut marked: Vec<(u8, &[u8])> = Vec::new();
        let mut added: Vec<(u8, &[u8])> = Vec::new();
        for line in &self.lines {
            let (mark, bytes) = match line {
                FileLine::Kept(line) => (b' ', line),
                FileLine::Removed(line) => (b'-', line),
                FileLine::Added(line) => (b'+', line),
            };
            let lines = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .map(|line| (mark, line));
            if mark == b' ' {
                marked.append(&mut added);
            }
            if mark == b'+' {
                added.extend(lines);
            } else {
                marked.extend(lines);
            }
        }
        marked.append(&mut added);
        marked
    }

    /// A unified diff, as `diff -u` writes it and `patch` takes it; empty where nothing changes.
    pub fn diff(&self, name: &str) -> Vec<u8> {
        let marked = self.marked();
        let hunks = hunks(&marked);
        let mut diff = Vec::new();
        if !hunks.is_empty() {
            diff.extend(format!("--- {name}\n+++ {name}\n").into_bytes());
        }
        for (from, to) in hunks {
            let before = marked.get(..from).unwrap_or_default();
            let hunk = marked.get(from..to).unwrap_or_default();
            write_hunk(before, hunk, &mut diff);
        }
        diff
    }
}

/// Where the parts that a diff shows begin and end: what changes, with some lines around it.
fn hunks(marked: &[(u8, &[u8])]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    let lines = marked.iter().enumerate();
    for (at, _) in lines.filter(|(_, (mark, _))| *mark != b' ') {
        let (from, to) = (
            at.saturating_sub(CONTEXT),
            (at + CONTEXT + 1).min(marked.len()),
        );
        match hunks.last_mut() {
            Some((_, end)) if from <= *end => *end = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

fn write_hunk(before: &[(u8, &[u8])], hunk: &[(u8, &[u8])], diff: &mut Vec<u8>) {
    let count = |lines: &[(u8, &[u8])], without: u8| {
        lines.iter().filter(|(mark, _)| *mark != without).count()
    };
    let side = |without| {
        let lines = count(hunk, without);
        // Of an empty side the number is that of the line before.
        let first = count(before, without) + usize::from(lines > 0);
        format!("{first},{lines}")
    };
    diff.extend(format!("@@ -{} +{} @@\n", side(b'+'), side(b'-')).into_bytes());
    for (mark, line) in hunk {
        diff.push(*mark);
        diff.extend(*line);
        if line.last() != Some(&b'\n') {
            diff.extend(b"\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(text: &str, lines: &[usize], options: &[NewOption]) -> Rewriting {
        let change = Change {
            lines: lines.to_vec(),
            options: options.to_vec(),
        };
        Rewriting::of(&Text::read(text), &[change])
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        let text = "# top\t\n\niface eth1 inet static\n\taddress 10.0.0.5/24\n\
                    \tup ip route add \\\n\t\tdefault\n# between\n\tup x\t\r\n\tup ip rule add";
        let options = [
            NewOption::new("policy-table", "5"),
            NewOption::new("policy-gateway", "none"),
        ];
        let rewriting = rewrite(text, &[4, 7], &options);
        assert_eq!(rewriting.before(), text.as_bytes());
        assert_eq!(
            String::from_utf8(rewriting.after()).unwrap(),
            "# top\t\n\niface eth1 inet static\n\taddress 10.0.0.5/24\n\
             \tpolicy-table 5\n\tpolicy-gateway none\n# between\n\tup x\t\r\n"
        );
        assert_eq!(rewriting.counts(), (2, 2));
        let rewriting = rewrite(text, &[7], &options);
        assert!(rewriting
            .after()
            .ends_with(b"\tpolicy-table 5\n\tpolicy-gateway none"));
        assert!(!rewrite(text, &[], &options).is_changed());
    }

    #[test]
    fn options_have_the_line_ends_of_what_they_replace() {
        let options = [NewOption::new("policy-table", "5")];
        let text = "iface a\r\n up x\r\n up y\n up z";
        for (lines, expected) in [
            (&[1][..], "iface a\r\n policy-table 5\r\n up y\n up z"),
            (&[2], "iface a\r\n up x\r\n policy-table 5\n up z"),
            (&[3], "iface a\r\n up x\r\n up y\n policy-table 5"),
            (&[1, 2, 3], "iface a\r\n policy-table 5"),
        ] {
            let rewriting = rewrite(text, lines, &options);
            assert_eq!(rewriting.after(), expected.as_bytes(), "{lines:?}");
        }
    }

    #[test]
    fn the_diff_is_one_that_patch_takes() {
        let text = "1\n2\n3\n4\n  up a\n6\n  up b\n8\n9\n10\n11\n12\n13\n14\n  up c";
        let text = text.replace("  up", "x up");
        let rewriting = Rewriting {
            lines: text
                .split_inclusive('\n')
                .flat_map(|line| match line.trim_end() {
                    "x up a" => vec![
                        FileLine::Removed(line.into()),
                        FileLine::Added(b"new\n".to_vec()),
                    ],
                    "x up b" | "x up c" => vec![FileLine::Removed(line.into())],
                    _ => vec![FileLine::Kept(line.into())],
                })
                .collect(),
        };
        assert_eq!(
            String::from_utf8(rewriting.diff("f")).unwrap(),
            "--- f\n+++ f\n@@ -2,9 +2,8 @@\n 2\n 3\n 4\n-x up a\n+new\n 6\n-x up b\n 8\n 9\n 10\n\
             @@ -12,4 +11,3 @@\n 12\n 13\n 14\n-x up c\n\\ No newline at end of file\n"
        );
        assert_eq!(rewrite("iface lo inet loopback\n", &[], &[]).diff("f"), b"");
    }
}
