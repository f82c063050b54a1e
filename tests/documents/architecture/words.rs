//! The words of Rust source: names, `::`, texts in quotes and other signs.

use std::fmt;

/// A word of Rust.
pub enum Word {
    Name(String),
    /// `::`
    Path,
    /// A text, without its quotes.
    Quoted(String),
    Sign(char),
}

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Path => out.write_str("::"),
            Self::Quoted(text) => write!(out, "{text:?}"),
            Self::Sign(sign) => write!(out, "{sign}"),
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a source, without its comments. Lifetimes and characters are none.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("::") {
            words.push(Word::Path);
            2
        } else if let Some((quoted, length)) = quoted(rest) {
            words.push(Word::Quoted(quoted));
            length
        } else if c == '\'' {
            character(rest)
        } else if is_of_name(c) {
            let name = rest.split(|c| !is_of_name(c)).next().unwrap_or_default();
            words.push(Word::Name(name.to_owned()));
            name.len()
        } else {
            if !c.is_whitespace() {
                words.push(Word::Sign(c));
            }
            c.len_utf8()
        };
        rest = &rest[skip..];
    }
    words
}

/// The text in quotes that a source begins with, and the length of it all.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let plain = ["\"", "b\"", "c\""];
    if let Some(begin) = plain.iter().find(|begin| rest.starts_with(**begin)) {
        let inside = &rest[begin.len()..];
        let mut escaped = false;
        let end = inside.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        return Some((inside[..end].to_owned(), begin.len() + end + 1));
    }
    let raw = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let marks = raw.len() - raw.trim_start_matches('#').len();
    let inside = raw[marks..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(marks));
    let end = inside.find(&close)?;
    let length = rest.len() - inside.len() + end + close.len();
    Some((inside[..end].to_owned(), length))
}

/// The length of the character, or else of the lifetime's mark, that a source begins with.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].char_indices();
    let (_, first) = inside.next().unwrap_or_default();
    if first == '\\' {
        // Behind what is escaped, which can be a quote.
        return inside
            .nth(1)
            .and_then(|(from, _)| rest[1 + from..].find('\'').map(|end| from + end + 2))
            .unwrap_or(rest.len());
    }
    if let Some((at, '\'')) = inside.next() {
        return at + 2;
    }
    let name = rest[1..].split(|c| !is_of_name(c)).next();
    1 + name.map_or(0, str::len)
}
