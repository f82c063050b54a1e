//! The words of a `source` line, as wordexp(3) expands them, up to the wildcards.
//!
//! Blanks, quotes, backslashes, `~` and `$NAME` are treated as there; command substitution and
//! arithmetic are not expanded (ifupdown forbids the first; a line with it names no file).

use std::iter::Peekable;
use std::str::Chars;

/// A word of the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// The word if no wildcard in it matches anything.
    pub literal: String,
    /// The word as a pattern of the `glob` crate.
    pub pattern: String,
    /// Whether it has a wildcard.
    pub wild: bool,
}

impl Word {
    /// Adds a character that stands for itself.
    fn add(&mut self, c: char) {
        self.literal.push(c);
        if matches!(c, '*' | '?' | '[' | ']') {
            self.pattern.extend(['[', c, ']']);
        } else {
            self.pattern.push(c);
        }
    }

    /// Adds an unquoted character.
    fn add_bare(&mut self, c: char) {
        let again = c == '*' && self.pattern.ends_with('*');
        match c {
            '*' | '?' | '[' => self.wild = true,
            ']' if self.wild => {}
            _ => return self.add(c),
        }
        self.literal.push(c);
        // Two stars would descend into folders.
        if !again {
            self.pattern.push(c);
        }
    }
}

/// Splits a line into words; `None` where wordexp(3) refuses it, and ifupdown skips the line
/// without a word.
pub fn words(line: &str, variable: impl Fn(&str) -> Option<String>) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' => {
                words.extend(word.take());
                continue;
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '{' | '}' | '`' | '\n' => return None,
            _ => {}
        }
        let first = word.is_none();
        let word = word.get_or_insert_with(Word::default);
        match c {
            '\'' => loop {
                match rest.next()? {
                    '\'' => break,
                    c => word.add(c),
                }
            },
            '"' => quoted(&mut rest, word, &variable)?,
            '\\' => word.add(rest.next()?),
            '$' => expand(&mut rest, word, &variable)?,
            '~' if first && rest.peek().is_none_or(|next| matches!(next, '/' | ' ')) => {
                variable("HOME")?.chars().for_each(|c| word.add(c));
            }
            c => word.add_bare(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn quoted(
    rest: &mut Peekable<Chars<'_>>,
    word: &mut Word,
    variable: &impl Fn(&str) -> Option<String>,
) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '`' => return None,
            '$' => expand(rest, word, variable)?,
            '\\' => match rest.next()? {
                c @ ('$' | '`' | '"' | '\\') => word.add(c),
                c => ['\\', c].into_iter().for_each(|c| word.add(c)),
            },
            c => word.add(c),
        }
    }
}

/// What stands behind `$`: a name, in braces or not.
fn expand(
    rest: &mut Peekable<Chars<'_>>,
    word: &mut Word,
    variable: &impl Fn(&str) -> Option<String>,
) -> Option<()> {
    let braces = rest.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if braces {
        rest.next_if_eq(&'}')?;
    }
    if !name.is_empty() {
        let value = variable(&name).unwrap_or_default();
        value.chars().for_each(|c| word.add(c));
    } else if braces || rest.peek() == Some(&'(') {
        return None;
    } else {
        word.add('$');
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<Vec<(String, String)>> {
        let variable = |name: &str| match name {
            "HOME" => Some("/root".to_owned()),
            "A" => Some("x*".to_owned()),
            _ => None,
        };
        let words = words(line, variable)?.into_iter();
        Some(words.map(|word| (word.literal, word.pattern)).collect())
    }

    #[test]
    fn words_are_those_of_a_shell() {
        for (line, expected) in [
            ("/etc/a/*", &[("/etc/a/*", "/etc/a/*")][..]),
            ("a**  b?", &[("a**", "a*"), ("b?", "b?")]),
            ("'a *'\"b ?\"\\ c", &[("a *b ? c", "a [*]b [?] c")]),
            (
                "~/a ~b a~",
                &[("/root/a", "/root/a"), ("~b", "~b"), ("a~", "a~")],
            ),
            ("[ab] c]", &[("[ab]", "[ab]"), ("c]", "c[]]")]),
            ("$A${A}b$B$", &[("x*x*b$", "x[*]x[*]b$")]),
            ("", &[]),
        ] {
            let words = told(line).unwrap();
            let words: Vec<(&str, &str)> = words
                .iter()
                .map(|(literal, pattern)| (literal.as_str(), pattern.as_str()))
                .collect();
            assert_eq!(words, expected, "{line}");
        }
    }

    #[test]
    fn what_wordexp_refuses_names_no_file() {
        for line in ["$(x)", "`x`", "a;b", "'a", "\"a", "a\\", "${a", "(a)"] {
            assert_eq!(told(line), None, "{line}");
        }
    }
}
