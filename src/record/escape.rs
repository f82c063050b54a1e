//! Texts from outside as parts of a record's lines, and back: any bytes, and no two spellings.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A text as part of a line: what is no printable ASCII as `%` and two digits.
pub struct Escaped<'a> {
    text: &'a OsStr,
    /// Whether a blank is left as it is.
    is_last: bool,
}

impl<'a> Escaped<'a> {
    /// As one of several words: a blank would end it.
    pub fn word(text: &'a str) -> Self {
        Self {
            text: OsStr::new(text),
            is_last: false,
        }
    }

    /// As the last of its line.
    pub fn rest(text: &'a OsStr) -> Self {
        Self {
            text,
            is_last: true,
        }
    }

    fn is_plain(&self, byte: u8) -> bool {
        match byte {
            b'%' => false,
            b' ' => self.is_last,
            byte => byte.is_ascii_graphic(),
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.text.as_bytes();
        while let Some(byte) = bytes.first() {
            let plain = bytes.iter().take_while(|byte| self.is_plain(**byte));
            let plain = plain.count();
            let (run, rest) = bytes.split_at(plain);
            f.write_str(std::str::from_utf8(run).unwrap_or_default())?;
            bytes = rest;
            if plain == 0 {
                write!(f, "%{byte:02x}")?;
                bytes = bytes.get(1..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// What [`Escaped`] was made of.
pub fn unescaped(text: &str) -> OsString {
    let digits = |rest: &str| u8::from_str_radix(rest.get(..2)?, 16).ok();
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend(pieces.next().unwrap_or_default().bytes());
    for piece in pieces {
        match digits(piece) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(piece.bytes().skip(2));
            }
            None => bytes.extend(piece.bytes()),
        }
    }
    OsString::from_vec(bytes)
}

/// What [`Escaped::word`] was made of.
pub fn unescaped_word(text: &str) -> String {
    let text = unescaped(text);
    let lossy = |text: OsString| text.to_string_lossy().into_owned();
    text.into_string().unwrap_or_else(lossy)
}
