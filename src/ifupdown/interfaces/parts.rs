//! One interfaces(5) file: the blocks of lines that ifupdown tells apart, with every byte kept, and
//! what ifupdown refuses in it.
//!
//! A reader of our own: `migrate` writes back what it did not change byte for byte, and `check`
//! points at line and column. The crate for this file format (interface-rs) keeps one interface a
//! name, neither comments nor order nor places, and no second stanza for a name.

use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;

use super::continued::lines_as;
use super::fault::{FaultKind, FileFault};
use super::iface_stanza::{IfaceStanza, OptionLine};
use super::keywords::{head, Keyword, Misfit};
use super::line::LogicalLine;
use super::names::names_of_ifupdown2;
use crate::ifupdown::Caller;

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
    /// Something that has options and is no interface.
    Aside,
    /// `auto`, `allow-…`, `no-auto-down`, `no-scripts` or `rename`, and the names behind it.
    Selection(String, Vec<String>),
    Source(SourceLine),
    /// A comment outside a stanza, or behind its last option; with ifupdown-ng also what begins with
    /// no letter.
    Comment,
    /// A blank line outside a stanza, or behind its last option.
    Blank,
    /// A line that ifupdown refuses: the text's faults say why.
    Refused,
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
    /// Reads a file as Debian's ifupdown does. It never fails: what is wrong is in `faults`, and the
    /// rest is read all the same.
    pub fn read(bytes: impl AsRef<[u8]>) -> Self {
        Self::read_as(bytes, Caller::Ifupdown)
    }

    /// Reads a file as one of the three does.
    pub fn read_as(bytes: impl AsRef<[u8]>, caller: Caller) -> Self {
        let mut reader = BlockReader {
            caller,
            text: Self {
                lines: lines_as(bytes.as_ref(), caller),
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
    /// An interface that an `auto` line of ifupdown-ng's names: options behind it are of that.
    Selected(String),
    /// Something refused: what follows is part of the same error.
    Refused,
}

struct BlockReader {
    caller: Caller,
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
        let word = line.name(first);
        let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
        if self.caller == Caller::IfupdownNg && !is_word {
            return self.block(index, BlockKind::Comment);
        }
        match Keyword::of(self.caller, &word) {
            Some(Keyword::Iface) => self.iface(index, line, rest, false),
            Some(Keyword::Template) => self.iface(index, line, rest, true),
            Some(Keyword::Aside) => self.open(index, BlockKind::Aside),
            Some(Keyword::Mapping) => self.open(index, BlockKind::Mapping(Mapping::default())),
            Some(Keyword::Source { directory }) => self.source(index, line, directory, rest),
            Some(Keyword::Selection) => self.selection(index, line, word, rest),
            None => self.option(index, line, word, rest),
        }
    }

    /// Begins a block that has options.
    fn open(&mut self, index: usize, kind: BlockKind) {
        self.block(index, kind);
        self.inside = Inside::Block(self.text.blocks.len() - 1);
    }

    fn source(&mut self, index: usize, line: &LogicalLine, directory: bool, rest: usize) {
        let pattern = value(line, rest);
        if self.caller == Caller::Ifupdown2 && pattern.is_empty() {
            return self.refuse(index, line, line.text.len(), FaultKind::NoNames);
        }
        self.block(index, BlockKind::Source(SourceLine { directory, pattern }));
        self.inside = Inside::Nothing;
    }

    fn selection(&mut self, index: usize, line: &LogicalLine, keyword: String, rest: usize) {
        let mut names: Vec<String> = line.words(rest).map(|(_, word)| word).collect();
        let is_class = keyword != "auto";
        let no_class = is_class && !keyword.contains('-');
        if self.caller == Caller::Ifupdown2 && is_class && (names.is_empty() || no_class) {
            return self.refuse(index, line, line.text.len(), FaultKind::NoNames);
        }
        self.inside = Inside::Nothing;
        match self.caller {
            Caller::Ifupdown => {}
            Caller::Ifupdown2 => names = selected_by_ifupdown2(names),
            Caller::IfupdownNg => {
                names.truncate(1);
                let selected = names.first().cloned();
                self.inside = selected.map_or(Inside::Nothing, Inside::Selected);
            }
        }
        self.block(index, BlockKind::Selection(keyword, names));
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
            stops: kind.stops(self.caller),
            kind,
        });
    }

    fn refuse(&mut self, index: usize, line: &LogicalLine, at: usize, kind: FaultKind) {
        self.fault(index, line, at, kind);
        self.block(index, BlockKind::Refused);
        self.inside = Inside::Refused;
    }

    fn iface(&mut self, index: usize, line: &LogicalLine, rest: usize, is_template: bool) {
        let (stanza, unknown) = match head(self.caller, line, rest) {
            Ok(read) => read,
            Err((at, kind)) => return self.refuse(index, line, at, kind),
        };
        if let Some((at, kind)) = unknown {
            self.fault(index, line, at, kind);
        }
        self.open(
            index,
            BlockKind::Stanza(IfaceStanza {
                is_template,
                ..stanza
            }),
        );
    }

    fn option(&mut self, index: usize, line: &LogicalLine, name: String, at: usize) {
        let block = match &self.inside {
            Inside::Block(block) => *block,
            Inside::Nothing => {
                let kind = FaultKind::Misplaced { word: name };
                self.refuse(index, line, 0, kind);
                if self.caller != Caller::Ifupdown {
                    self.inside = Inside::Nothing;
                }
                return;
            }
            Inside::Refused => return self.block(index, BlockKind::Refused),
            Inside::Selected(selected) => {
                let stanza = BlockKind::Stanza(IfaceStanza {
                    name: selected.clone(),
                    number: line.number,
                    ..IfaceStanza::default()
                });
                self.open(index, stanza);
                self.text.blocks.len() - 1
            }
        };
        let kind = self.text.blocks.get_mut(block).map(|block| &mut block.kind);
        let taken = match kind {
            Some(BlockKind::Stanza(stanza)) => {
                let is_ng = self.caller == Caller::IfupdownNg;
                if is_ng && name == "inherit" {
                    let parent = line.words(at).next().map(|(_, parent)| parent);
                    stanza.further_parents.extend(parent);
                }
                take_option(stanza, index, line, (name, at), is_ng)
            }
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

/// The interfaces that `auto` of ifupdown2 means.
fn selected_by_ifupdown2(names: Vec<String>) -> Vec<String> {
    let each = names.into_iter().flat_map(|name| {
        if name == "all" {
            // As a pattern of Debian's ifupdown.
            return vec!["/*".to_owned()];
        }
        names_of_ifupdown2(&name).unwrap_or_else(|_| vec![name])
    });
    each.collect()
}

fn value(line: &LogicalLine, at: usize) -> OsString {
    OsString::from_vec(line.text.get(at..).unwrap_or_default().to_vec())
}

fn take_option(
    stanza: &mut IfaceStanza,
    index: usize,
    line: &LogicalLine,
    (name, at): (String, usize),
    may_be_empty: bool,
) -> Result<(), Misfit> {
    if at >= line.text.len() && !may_be_empty {
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
