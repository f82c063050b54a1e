//! Where what a stanza says is written: from an error in an option's value, which ifupdown may have
//! joined from several lines of several files, back to the word in one of them.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::finding::Span;
use crate::ifupdown::interfaces::{
    mangled, Interfaces, LogicalLine, OptionLine, StanzaInForce, Text,
};
use crate::ifupdown::Caller;
use crate::routing::syntax::LineError;
use crate::stanza::{OptionError, OptionFault};

/// An option where it is written.
#[derive(Debug, Clone, Copy)]
pub struct WrittenOption<'a> {
    pub path: &'a Path,
    pub text: &'a Text,
    pub option: &'a OptionLine,
}

impl WrittenOption<'_> {
    fn line(&self) -> Option<&LogicalLine> {
        self.text.lines.get(self.option.line)
    }

    /// Its name without the `?` of `NAME?`.
    fn plain_name(&self) -> &str {
        let name = self.option.name.as_str();
        name.strip_suffix('?').unwrap_or(name)
    }

    /// The place of some bytes of its value.
    pub fn place(&self, value: Range<usize>) -> Option<Span> {
        let at = self.option.at + value.start;
        Some(Span::of(self.path, self.line()?, at, value.len()))
    }
}

/// Where a stanza is written.
#[derive(Debug, Clone)]
pub struct Written<'a> {
    interfaces: &'a Interfaces,
    stanza: &'a StanzaInForce,
    /// The file in which it begins.
    pub path: &'a Path,
    /// Its first line.
    pub head: &'a LogicalLine,
    /// The places of all its options by their mangled names, as soon as one is looked for.
    by_name: OnceCell<HashMap<String, Vec<OptionRef>>>,
}

/// An option, by the places of its file, its block and its own.
type OptionRef = (usize, usize, usize);

/// Stanzas whose options were taken already, by the place of their blocks.
pub type Taken = HashSet<(usize, usize)>;

impl<'a> Written<'a> {
    /// Where a stanza and all that it inherits is written.
    pub fn of(interfaces: &'a Interfaces, stanza: &'a StanzaInForce) -> Option<Self> {
        let file = interfaces.files.get(stanza.file)?;
        let block = file.text.blocks.get(stanza.block)?;
        Some(Self {
            interfaces,
            stanza,
            path: &file.path,
            head: file.text.lines.get(block.lines.start)?,
            by_name: OnceCell::new(),
        })
    }

    /// Its own options.
    pub fn own(&self) -> Vec<WrittenOption<'a>> {
        self.of_one(self.stanza)
    }

    /// All its options that were not taken yet, inherited ones first, in the order in which ifupdown
    /// joins them; now they are. Looked for when they are needed: in a long line of parents each has
    /// those of all before it.
    pub fn options_beyond(&self, taken: &mut Taken) -> Vec<WrittenOption<'a>> {
        let chain = chain(self.interfaces, self.stanza, taken).into_iter();
        chain.flat_map(|one| self.of_one(one)).collect()
    }

    /// Those that are inherited.
    fn inherited(&self) -> Vec<WrittenOption<'a>> {
        let mut chain = chain(self.interfaces, self.stanza, &mut Taken::new());
        chain.pop();
        let chain = chain.into_iter();
        chain.flat_map(|one| self.of_one(one)).collect()
    }

    fn of_one(&self, one: &StanzaInForce) -> Vec<WrittenOption<'a>> {
        let stanza = self.interfaces.stanza(one);
        let options = stanza.map_or(0, |stanza| stanza.options.len());
        let options = (0..options).filter_map(|n| self.option((one.file, one.block, n)));
        options.collect()
    }

    fn option(&self, (file, block, option): OptionRef) -> Option<WrittenOption<'a>> {
        let file = self.interfaces.files.get(file)?;
        Some(WrittenOption {
            path: &file.path,
            text: &file.text,
            option: file.text.stanza(block)?.options.get(option)?,
        })
    }

    /// Those of some names that are mangled into one.
    fn named(&self, mangled_name: &str) -> Vec<WrittenOption<'a>> {
        let by_name = self.by_name.get_or_init(|| {
            let mut by_name: HashMap<String, Vec<OptionRef>> = HashMap::new();
            for one in chain(self.interfaces, self.stanza, &mut Taken::new()) {
                for (n, written) in self.of_one(one).iter().enumerate() {
                    let place = (one.file, one.block, n);
                    let name = mangled(written.plain_name());
                    by_name.entry(name).or_default().push(place);
                }
            }
            by_name
        });
        let places = by_name.get(mangled_name).into_iter().flatten();
        places.filter_map(|place| self.option(*place)).collect()
    }
}

/// A stanza behind all that it inherits from, each once, and none that was taken.
fn chain<'a>(
    interfaces: &'a Interfaces,
    stanza: &'a StanzaInForce,
    taken: &mut Taken,
) -> Vec<&'a StanzaInForce> {
    let (mut chain, mut open) = (Vec::new(), vec![stanza]);
    while let Some(one) = open.pop() {
        if !taken.insert((one.file, one.block)) {
            continue;
        }
        chain.push(one);
        let parents = one.parents.iter();
        open.extend(parents.filter_map(|parent| interfaces.written().nth(*parent)));
    }
    chain.reverse();
    chain
}

impl Written<'_> {
    /// The place of its name.
    pub fn head(&self) -> Span {
        let name = self.head.words(0).nth(1);
        let (at, length) = name.map_or((0, 1), |(at, name)| (at, name.len()));
        Span::of(self.path, self.head, at, length)
    }

    /// The place of an option's first value, or of the stanza where it has no such option.
    pub fn of_option(&self, name: &str) -> Span {
        let first = self.repeats(name).into_iter().next();
        let place = first.and_then(|option| option.place(0..option.option.value.len()));
        place.unwrap_or_else(|| self.head())
    }

    /// The place of an option of that name that is inherited.
    pub fn of_inherited(&self, name: &str) -> Option<Span> {
        let inherited = self.inherited().into_iter();
        let mut same = inherited.filter(|written| mangled(&written.option.name) == mangled(name));
        let written = same.next()?;
        written.place(0..written.option.value.len())
    }

    /// The place of the first of some options that the stanza has, or of the stanza.
    pub fn of_first(&self, names: &[&str]) -> Span {
        let mut there = names.iter().filter(|name| !self.repeats(name).is_empty());
        there
            .next()
            .map_or_else(|| self.head(), |name| self.of_option(name))
    }

    /// The place of the word that an error is about.
    pub fn of_error(&self, error: &OptionError) -> Span {
        if let OptionFault::Unknown(_) = *error.fault {
            return self.of_name(&error.option);
        }
        self.value_at(error).unwrap_or_else(|| {
            // The netmask may have been written behind the address.
            let other = if error.option == "netmask" {
                "address"
            } else {
                &error.option
            };
            self.of_option(other)
        })
    }

    /// The place of an option's name.
    pub fn of_name(&self, name: &str) -> Span {
        let first = self.repeats(name).into_iter().next();
        let place = first.and_then(|written| {
            let line = written.line()?;
            Some(Span::of(written.path, line, 0, written.option.name.len()))
        });
        place.unwrap_or_else(|| self.head())
    }

    /// The option as often as it is written. In the hooks' environment several spellings become one
    /// name, and the last of them counts.
    fn repeats(&self, name: &str) -> Vec<WrittenOption<'_>> {
        let plain = |written: &WrittenOption<'_>| written.plain_name().to_owned();
        let mut fitting = self.named(&mangled(name));
        let last = fitting.last().map(plain);
        fitting.retain(|written| Some(plain(written)) == last);
        // `NAME?` counts where nothing of that name stands above it.
        let mut first = true;
        fitting.retain(|written| std::mem::take(&mut first) || !written.option.name.ends_with('?'));
        fitting
    }

    /// The place of the value, or of the line in one, that an error shows.
    fn value_that_is(&self, error: &OptionError) -> Option<Span> {
        let shown = error.value.as_deref()?;
        self.repeats(&error.option).into_iter().find_map(|written| {
            let value = written.option.value.to_str()?;
            let mut next = 0;
            let mut pieces = value.split(';').map(|piece| {
                let begin = next + piece.len() - piece.trim_start().len();
                next += piece.len() + 1;
                (begin, piece.trim())
            });
            let (begin, piece) = pieces.find(|(_, piece)| *piece == shown)?;
            let word = word_at_fault(error, piece.as_bytes()).unwrap_or(0..piece.len());
            written.place(begin + word.start..begin + word.end)
        })
    }

    /// The place of the word in an option's value that an error is about.
    fn value_at(&self, error: &OptionError) -> Option<Span> {
        if self.stanza.definition.caller != Caller::Ifupdown {
            // A call has those of the repeats that are meant for it: only the text tells which.
            if let Some(place) = self.value_that_is(error) {
                return Some(place);
            }
        }
        // Repeats are joined by one newline each.
        let mut at = error.at;
        for written in self.repeats(&error.option) {
            let value = written.option.value.as_bytes();
            if at > value.len() {
                at -= value.len() + 1;
                continue;
            }
            let rest = value.get(at..).unwrap_or_default();
            let is_line = matches!(
                error.option.as_str(),
                name if name.starts_with("policy-rule") || name.starts_with("policy-route")
            );
            let ends = |byte: &u8| is_line && *byte == b';';
            let length = rest.iter().position(ends).unwrap_or(rest.len());
            let piece = rest.get(..length).unwrap_or_default().trim_ascii_end();
            let word = word_at_fault(error, piece).unwrap_or(0..piece.len());
            return written.place(at + word.start..at + word.end);
        }
        None
    }
}

/// The words of a value, by their places. What the program fills in (`$IFACE`) has no blanks, so that
/// the n-th word of a line is the n-th one as it was written.
fn words(value: &[u8]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut inside = false;
    for (at, byte) in value.iter().enumerate() {
        match words.last_mut() {
            _ if byte.is_ascii_whitespace() => inside = false,
            Some(word) if inside => word.end = at + 1,
            _ => {
                words.push(Range {
                    start: at,
                    end: at + 1,
                });
                inside = true;
            }
        }
    }
    words
}

/// The word of a value that an error is about, unless it is about the whole.
fn word_at_fault(error: &OptionError, piece: &[u8]) -> Option<Range<usize>> {
    let said: Vec<&str> = error.value.as_deref()?.split_whitespace().collect();
    let position = |word: &str| said.iter().position(|other| *other == word);
    let number = match &*error.fault {
        OptionFault::Comment => {
            let hash = piece.iter().position(|byte| *byte == b'#')?;
            return Some(hash..piece.len());
        }
        OptionFault::Line(LineError::Missing(keyword)) => {
            said.iter().rposition(|word| word == keyword)?
        }
        OptionFault::Line(
            LineError::Value { keyword, value, .. } | LineError::Word { keyword, value, .. },
        ) => {
            let mut pairs = said.windows(2);
            let pair = pairs.position(|pair| pair == [keyword.as_str(), value.as_str()]);
            pair.map(|pair| pair + 1).or_else(|| position(value))?
        }
        OptionFault::Line(LineError::Unknown { word, .. } | LineError::Command(word)) => {
            position(word)?
        }
        OptionFault::Protocol => said
            .iter()
            .position(|word| word.starts_with("pro") && "protocol".starts_with(word))?,
        _ => return None,
    };
    words(piece).get(number).cloned()
}
