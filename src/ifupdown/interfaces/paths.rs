//! The files that a `source` line leads to, and what is in them: paths as ifupdown spells them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::wordexp;
use crate::ifupdown::Caller;

/// The longest file that is read, in bytes: thousands of interfaces take a few hundred thousand.
const LONGEST: u64 = 16 << 20;

/// Reads a file of interfaces(5). A named pipe would be waited for, and a device may never end, which
/// is as little a configuration as a folder is. The `main` file may be an input of this process, as
/// `/dev/stdin` and `<(…)` are, whatever is behind it.
/// Errors: also what is too long to be one.
pub fn read_interfaces(path: &Path, main: bool) -> io::Result<Vec<u8>> {
    let is_input = main
        && ["/dev/stdin", "/dev/fd", "/proc/self/fd"]
            .iter()
            .any(|input| path.starts_with(input));
    let mut options = File::options();
    options.read(true);
    if !is_input {
        options.custom_flags(OFlag::O_NONBLOCK.bits());
    }
    let file = options.open(path)?;
    let kind = file.metadata()?;
    let mut bytes = Vec::new();
    if kind.is_file() || kind.is_dir() || is_input {
        // Of a folder this is the error.
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    } else if path != Path::new("/dev/null") {
        return Err(io::Error::other("it is no regular file"));
    }
    if bytes.len() as u64 > LONGEST {
        let megabytes = LONGEST >> 20;
        let text = format!("it is longer than {megabytes} MiB, which no configuration is");
        return Err(io::Error::other(text));
    }
    Ok(bytes)
}

/// Whether there is no such file: wildcards that match nothing stand for themselves.
pub fn is_missing(path: &Path) -> bool {
    let found = std::fs::metadata(path);
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The paths that a `source` line of a file names; wildcards in C order.
pub fn sourced(file: &Path, line: &OsStr) -> Vec<PathBuf> {
    let mut pattern = OsString::new();
    if !line.as_bytes().starts_with(b"/") {
        pattern.push(folder(file));
        pattern.push("/");
    }
    pattern.push(line);
    // A path that is no text has no wildcards for the crate; it may name a file all the same.
    let Ok(text) = pattern.clone().into_string() else {
        return vec![PathBuf::from(pattern)];
    };
    let words = wordexp::words(&text, |name| std::env::var(name).ok());
    let mut paths = Vec::new();
    for word in words.unwrap_or_default() {
        let found = if word.wild {
            matches(&word.pattern)
        } else {
            Vec::new()
        };
        if found.is_empty() {
            paths.push(PathBuf::from(word.literal));
        }
        paths.extend(found);
    }
    paths
}

/// A file's folder as dirname(3) spells it; the standard library would leave out a `/.`.
fn folder(file: &Path) -> &OsStr {
    let path = file.as_os_str().as_bytes();
    let Some(end) = path.iter().rposition(|byte| *byte == b'/') else {
        return OsStr::new(".");
    };
    let head = path.get(..end).unwrap_or_default();
    match head.iter().rposition(|byte| *byte != b'/') {
        Some(end) => OsStr::from_bytes(head.get(..=end).unwrap_or(head)),
        None => OsStr::new("/"),
    }
}

fn matches(pattern: &str) -> Vec<PathBuf> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let found = glob::glob_with(pattern, options).into_iter().flatten();
    let mut found: Vec<PathBuf> = found.flatten().collect();
    found.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    found
}

/// The names in a folder that count: letters, digits, `_` and `-` with Debian's ifupdown, any name of
/// a file with the others; in C order.
pub fn names(folder: &Path, caller: Caller) -> io::Result<Vec<OsString>> {
    let is_debians = caller == Caller::Ifupdown;
    let entries = std::fs::read_dir(folder)?.flatten();
    let entries = entries.filter(|entry| is_debians || entry.path().is_file());
    let names = entries.map(|entry| entry.file_name().into_vec());
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut names: Vec<Vec<u8>> = names
        .filter(|name| !is_debians || name.iter().all(counts))
        .collect();
    names.sort();
    Ok(names.into_iter().map(OsString::from_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let paths = |file: &str, line: &str| sourced(Path::new(file), OsStr::new(line));
        let spelled = |file: &str| folder(Path::new(file)).to_owned();
        assert_eq!(spelled("/a/./b"), "/a/.");
        assert_eq!((spelled("/a"), spelled("a//b")), ("/".into(), "a".into()));
        assert_eq!(paths("d", "a /b"), [Path::new("./a"), Path::new("/b")]);
        assert_eq!(paths("/x/y", "a"), [Path::new("/x/a")]);
        assert_eq!(paths("/x/y", "/none-such/*"), [Path::new("/none-such/*")]);
        assert_eq!(paths("/x/y", "'/a"), [Path::new("/x/'/a")][..0]);
    }
}
