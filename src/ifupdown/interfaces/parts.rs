//! One interfaces(5) file: the blocks of lines that ifupdown tells apart, with every byte kept, and
//! what ifupdown refuses in it.
//!
//! A reader of our own: `migrate` writes back what it did not change byte for byte, and `check`
//! points at line and column. The crate for this file format (interface-rs) keeps one interface a
//! name, neither comments nor order nor places, and no second stanza for a name.

use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;

use super::fault::{FaultKind, FileFault};
use super::line::LogicalLine;
use super::methods::methods_of;

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Its lines, in order; together they are the file.
    pub lines: Vec<LogicalLine>,
    /// Its blocks, in order; each line belongs to one.
    pub blocks: Vec<Block>,
    /// What is wrong with it, in order. Whether the name behind `inherits` is known depends on the
    /// files that were read before: `sourced.rs` adds that.
    pub faults: Vec<FileFault>,
}

/// Some lines that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which of the text's lines.
    pub lines: Range<usize>,
    pub kind: BlockKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// An `iface` stanza: from its first line to its last option, with the comments between.
    Stanza(IfaceStanza),
    Mapping(Mapping),
    /// `auto`, `allow-…`, `no-auto-down`, `no-scripts` or `rename`, and the names behind it.
    Selection(String, Vec<String>),
    Source(SourceLine),
    /// A comment outside a stanza, or behind its last option.
    Comment,
    /// A blank line outside a stanza, or behind its last option.
    Blank,
    /// A line that ifupdown refuses: the text's faults say why.
    Refused,
}

/// An `iface` stanza as written: nothing is inherited yet, and no method has added its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfaceStanza {
    /// The logical interface's name.
    pub name: String,
    /// The address family; `None` where it is inherited.
    pub family: Option<String>,
    /// The method; `None` where it is inherited.
    pub method: Option<String>,
    /// The stanza that it inherits from.
    pub inherits: Option<String>,
    pub options: Vec<OptionLine>,
    /// The number of its first line in the file, from 1.
    pub number: usize,
}

/// An option of a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionLine {
    pub name: String,
    /// The value as ifupdown takes it.
    pub value: OsString,
    /// Which of the text's lines it is.
    pub line: usize,
    /// Where in that line's text the value begins: for [`LogicalLine::place`].
    pub at: usize,
    /// The number of the line in the file in which the option begins, from 1.
    pub number: usize,
}

/// A `mapping` stanza: scripts choose logical names for physical ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Whether it has a `script`.
    pub script: bool,
    /// What stands behind `map`, line by line: for most scripts a logical name comes last.
    pub map: Vec<OsString>,
}

/// A `source` or `source-directory` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Whether folders are meant.
    pub directory: bool,
    /// What stands behind the keyword, for wordexp(3).
    pub pattern: OsString,
}

impl Text {
    /// Reads a file. It never fails: what is wrong is in `faults`, and the rest is read all the
    /// same.
    pub fn read(bytes: impl AsRef<[u8]>) -> Self {
        let mut reader = BlockReader {
            text: Self {
                lines: LogicalLine::all(bytes.as_ref()),
                ..Self::default()
            },
            inside: Inside::Nothing,
        };
        let lines = std::mem::take(&mut reader.text.lines);
        for (index, line) in lines.iter().enumerate() {
            reader.line(index, line);
        }
        reader.text.lines = lines;
        reader.text
    }

    /// The file, as it was read.
    pub fn bytes(&self) -> Vec<u8> {
        let raw = self.lines.iter().map(|line| line.raw.as_slice());
        raw.collect::<Vec<_>>().concat()
    }

    /// A block, if it is an `iface` stanza.
    pub fn stanza(&self, block: usize) -> Option<&IfaceStanza> {
        match &self.blocks.get(block)?.kind {
            BlockKind::Stanza(stanza) => Some(stanza),
            _ => None,
        }
    }
}

/// What the next option belongs to.
enum Inside {
    /// Nothing: it is misplaced.
    Nothing,
    /// The last stanza or mapping: which of the blocks that is.
    Block(usize),
    /// Something refused: what follows is part of the same error.
    Refused,
}

struct BlockReader {
    text: Text,
    inside: Inside,
}

impl BlockReader {
    fn line(&mut self, index: usize, line: &LogicalLine) {
        if line.is_comment() {
            return self.block(index, BlockKind::Comment);
        }
        let Some((first, rest)) = line.word(0) else {
            return self.block(index, BlockKind::Blank);
        };
        let keyword = line.name(first);
        match keyword.as_str() {
            "iface" => return self.iface(index, line, rest),
            "mapping" => {
                self.block(index, BlockKind::Mapping(Mapping::default()));
                self.inside = Inside::Block(self.text.blocks.len() - 1);
                return;
            }
            "auto" | "no-auto-down" | "no-scripts" | "rename" => {}
            word if word.starts_with("source-dir") || word == "source" => {
                let source = SourceLine {
                    directory: word != "source",
                    pattern: value(line, rest),
                };
                self.block(index, BlockKind::Source(source));
                self.inside = Inside::Nothing;
                return;
            }
            word if word.len() > 6 && word.starts_with("allow-") => {}
            _ => return self.option(index, line, keyword, rest),
        }
        let names = line.words(rest).map(|(_, word)| word).collect();
        self.block(index, BlockKind::Selection(keyword, names));
        self.inside = Inside::Nothing;
    }

    fn block(&mut self, index: usize, kind: BlockKind) {
        let lines = Range {
            start: index,
            end: index + 1,
        };
        self.text.blocks.push(Block { lines, kind });
    }

    fn fault(&mut self, index: usize, line: &LogicalLine, at: usize, kind: FaultKind) {
        self.text.faults.push(FileFault {
            line: index,
            number: line.last,
            place: line.place(at),
            kind,
        });
    }

    fn refuse(&mut self, index: usize, line: &LogicalLine, at: usize, kind: FaultKind) {
        self.fault(index, line, at, kind);
        self.block(index, BlockKind::Refused);
        self.inside = Inside::Refused;
    }

    fn iface(&mut self, index: usize, line: &LogicalLine, rest: usize) {
        let (stanza, extra) = match head(line, rest) {
            Ok(read) => read,
            Err((at, kind)) => return self.refuse(index, line, at, kind),
        };
        if let Some((at, word)) = extra {
            self.fault(index, line, at, FaultKind::Extra { word });
        }
        self.block(index, BlockKind::Stanza(stanza));
        self.inside = Inside::Block(self.text.blocks.len() - 1);
    }

    fn option(&mut self, index: usize, line: &LogicalLine, name: String, at: usize) {
        let block = match self.inside {
            Inside::Block(block) => block,
            Inside::Nothing => {
                let kind = FaultKind::Misplaced { word: name };
                return self.refuse(index, line, 0, kind);
            }
            Inside::Refused => return self.block(index, BlockKind::Refused),
        };
        let kind = self.text.blocks.get_mut(block).map(|block| &mut block.kind);
        let taken = match kind {
            Some(BlockKind::Stanza(stanza)) => take_option(stanza, index, line, name, at),
            Some(BlockKind::Mapping(mapping)) => take_map(mapping, line, name, at),
            _ => Ok(()),
        };
        if let Err((at, kind)) = taken {
            self.fault(index, line, at, kind);
        }
        // The comments and blanks since the last option turn out to stand within.
        self.text.blocks.truncate(block + 1);
        if let Some(block) = self.text.blocks.last_mut() {
            block.lines.end = index + 1;
        }
    }
}

/// What is wrong in a line, and at which of its bytes.
type Misfit = (usize, FaultKind);

/// Reads what stands behind `iface`, and the first word too many.
fn head(line: &LogicalLine, rest: usize) -> Result<(IfaceStanza, Option<(usize, String)>), Misfit> {
    let mut words = line.words(rest).peekable();
    let end = line.text.len();
    let (_, name) = words.next().ok_or((end, FaultKind::NoName))?;
    let mut stanza = IfaceStanza {
        name,
        family: None,
        method: None,
        inherits: None,
        options: Vec::new(),
        number: line.number,
    };
    let inherits = |word: &(usize, String)| word.1 == "inherits";
    let place = |word: Option<&(usize, String)>| word.map_or(end, |(at, _)| *at);
    let known = words.peek().and_then(|(_, word)| methods_of(word));
    if let Some(methods) = known {
        stanza.family = words.next().map(|(_, family)| family);
        let method = words.next_if(|(_, word)| methods.contains(&word.as_str()));
        stanza.method = method.map(|(_, method)| method);
        if stanza.method.is_none() && !words.peek().is_some_and(inherits) {
            let family = stanza.family.unwrap_or_default();
            return Err((place(words.peek()), FaultKind::NoMethod { family }));
        }
    } else if !words.peek().is_some_and(inherits) {
        return Err((place(words.peek()), FaultKind::NoFamily));
    }
    let Some(keyword) = words.next() else {
        return Ok((stanza, None));
    };
    if !inherits(&keyword) {
        return Ok((stanza, Some(keyword)));
    }
    let (_, parent) = words.next().ok_or((end, FaultKind::NoParent))?;
    stanza.inherits = Some(parent);
    Ok((stanza, None))
}

fn value(line: &LogicalLine, at: usize) -> OsString {
    OsString::from_vec(line.text.get(at..).unwrap_or_default().to_vec())
}

fn take_option(
    stanza: &mut IfaceStanza,
    index: usize,
    line: &LogicalLine,
    name: String,
    at: usize,
) -> Result<(), Misfit> {
    if at >= line.text.len() {
        return Err((0, FaultKind::NoValue { name }));
    }
    stanza.options.push(OptionLine {
        name,
        value: value(line, at),
        line: index,
        at,
        number: line.number,
    });
    Ok(())
}

fn take_map(
    mapping: &mut Mapping,
    line: &LogicalLine,
    name: String,
    at: usize,
) -> Result<(), Misfit> {
    match name.as_str() {
        "script" if mapping.script => return Err((0, FaultKind::SecondScript)),
        "script" => mapping.script = true,
        "map" => mapping.map.push(value(line, at)),
        _ => return Err((0, FaultKind::Misplaced { word: name })),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_belongs_to_one_part_and_every_byte_is_kept() {
        let bytes = b"# a\n\nauto lo \\\n eth0\niface eth0 inet manual\n\n# b\n\tup x\n# c\n\n\
            mapping *\n script s\n map m\nfoo\nrename\nx y\nz w\r\niface\nup\xff \0\\";
        let text = Text::read(bytes);
        assert_eq!(text.bytes(), bytes);
        let mut next = 0;
        for block in &text.blocks {
            assert_eq!(block.lines.start, next);
            next = block.lines.end;
        }
        assert_eq!(next, text.lines.len());
        let stanza = text.stanza(3).unwrap();
        assert_eq!(text.blocks[3].lines, 3..7);
        assert_eq!((stanza.options.len(), stanza.number), (1, 5));
        let option = &stanza.options[0];
        assert_eq!(text.lines[option.line].place(option.at), (8, 5));
        let numbers: Vec<usize> = text.faults.iter().map(|fault| fault.number).collect();
        assert_eq!(numbers, [14, 16, 18], "{:?}", text.faults);
    }

    fn kinds(text: &str) -> Vec<FaultKind> {
        let faults = Text::read(text).faults.into_iter();
        faults.map(|fault| fault.kind).collect()
    }

    #[test]
    fn iface_lines_are_judged_as_ifupdown_judges_them() {
        use FaultKind as K;
        let family = |family: &str| K::NoMethod {
            family: family.to_owned(),
        };
        for (line, expected) in [
            ("iface", K::NoName),
            ("iface a", K::NoFamily),
            ("iface a link none", K::NoFamily),
            ("iface a foo inherits b", K::NoFamily),
            ("iface a inet", family("inet")),
            ("iface a inet6 ppp", family("inet6")),
            ("iface a inherits", K::NoParent),
            ("iface a inet static inherits", K::NoParent),
        ] {
            assert_eq!(kinds(line), [expected], "{line}");
        }
        let extra = kinds("iface a inet static b inherits c");
        assert!(matches!(&extra[..], [K::Extra { word }] if word == "b"));
        for line in [
            "iface a inet static",
            "iface a inet static inherits b c",
            "iface a inet inherits b",
            "iface a inherits b",
            "iface a meta none",
        ] {
            assert!(kinds(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn keywords_are_those_of_ifupdown() {
        for line in ["allow-", "template x", "map x", "foo bar", "up ip"] {
            assert!(
                matches!(kinds(line)[..], [FaultKind::Misplaced { .. }]),
                "{line}"
            );
        }
        for line in [
            "auto",
            "allow-x y",
            "source",
            "source-dirx y",
            "mapping",
            "rename a",
        ] {
            assert!(kinds(line).is_empty(), "{line}");
        }
        assert!(matches!(
            kinds("iface a inet manual\n  mtu\n")[..],
            [FaultKind::NoValue { .. }]
        ));
        assert_eq!(
            kinds("mapping a\nscript b\nscript c"),
            [FaultKind::SecondScript]
        );
        // In a stanza every other word is an option.
        let text = Text::read("iface a inet manual\n template x\n inherits y\n map z");
        assert!(text.faults.is_empty());
        assert_eq!(text.stanza(0).unwrap().options.len(), 3);
    }
}
