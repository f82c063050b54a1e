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

/// The file that ifupdown reads if it is told no other.
pub const FILE: &str = "/etc/network/interfaces";

/// Where ifupdown2's settings are, and the one that names another file.
const SETTINGS: &str = "/etc/network/ifupdown2/ifupdown2.conf";
const SETTING: &str = "default_interfaces_configfile";

/// The file that a program reads if it is told no other.
pub fn main_file(caller: Caller) -> PathBuf {
    let settings = match caller {
        Caller::Ifupdown2 => std::fs::read_to_string(SETTINGS).unwrap_or_default(),
        Caller::Ifupdown | Caller::IfupdownNg => String::new(),
    };
    PathBuf::from(named_in(&settings).unwrap_or(FILE))
}

fn named_in(settings: &str) -> Option<&str> {
    let mut lines = settings.lines().filter_map(|line| line.split_once('='));
    let found = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(SETTING));
    found.map(|(_, file)| file.trim())
}

/// The longest file that is read, in bytes: thousands of interfaces take a few hundred thousand.
const LONGEST: u64 = 16 << 20;

/// How many files may stand above one that is sourced. ifupdown sets no limit: a file that
/// sources itself as `./x` is read until no more files can be opened (measured).
pub const DEPTH: usize = 100;

/// Why a file below so many is not read.
pub fn too_deep() -> io::Error {
    io::Error::other(format!(
        "files source one another, or one itself under ever new names, more than {DEPTH} deep; it is \
         not read, nor is what else stands as deep"
    ))
}

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

/// The paths that a `source` line of a file names; wildcards in C order. With the others the first word
/// alone counts, and is looked up from where the program was started. To ifupdown2 it is a pattern
/// (measured on 3.0.0), and to ifupdown-ng a word as to ifupdown (on Debian's 0.12.1-7; 0.11.4 takes it
/// as it stands, and does not bring up what a pattern leads to).
pub fn sourced(file: &Path, line: &OsStr, caller: Caller) -> Vec<PathBuf> {
    let mut words = line.as_bytes().split(u8::is_ascii_whitespace);
    let first = words.find(|word| !word.is_empty());
    match caller {
        Caller::Ifupdown => expanded(&in_folder_of(file, line)),
        Caller::Ifupdown2 => first.map(matches_of_python).unwrap_or_default(),
        Caller::IfupdownNg => first
            .map(OsStr::from_bytes)
            .map(expanded)
            .unwrap_or_default(),
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The paths that fit a pattern of Python's glob.
fn matches_of_python(word: &[u8]) -> Vec<PathBuf> {
    let pattern = std::str::from_utf8(word).ok();
    let Some(pattern) = pattern.filter(|text| text.contains(['*', '?', '['])) else {
        return vec![path_of(word)];
    };
    matches(&with_single_stars(pattern))
}

/// A pattern with one star where several stand: two would descend into folders.
pub fn with_single_stars(pattern: &str) -> String {
    let mut single = String::new();
    for c in pattern.chars() {
        if c != '*' || !single.ends_with('*') {
            single.push(c);
        }
    }
    single
}

/// A line as ifupdown looks it up: what does not begin with a slash, in the folder of its file.
fn in_folder_of(file: &Path, line: &OsStr) -> OsString {
    let mut whole = OsString::new();
    if !line.as_bytes().starts_with(b"/") {
        whole.push(folder(file));
        whole.push("/");
    }
    whole.push(line);
    whole
}

/// What wordexp(3) makes of a line.
fn expanded(line: &OsStr) -> Vec<PathBuf> {
    // A path that is no text has no wildcards for the crate; it may name a file all the same.
    let Some(text) = line.to_str() else {
        return vec![PathBuf::from(line)];
    };
    let words = wordexp::words(text, |name| std::env::var(name).ok());
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

/// The names in a folder that count: letters, digits, `_` and `-`, with ifupdown-ng any name of a file;
/// in C order. ifupdown2 has `source-directory` since 3.1; what it does not read it does not bring up.
pub fn names(folder: &Path, caller: Caller) -> io::Result<Vec<OsString>> {
    let is_ng = caller == Caller::IfupdownNg;
    let entries = std::fs::read_dir(folder)?.flatten();
    let entries = entries.filter(|entry| !is_ng || entry.path().is_file());
    let names = entries.map(|entry| entry.file_name().into_vec());
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut names: Vec<Vec<u8>> = names
        .filter(|name| is_ng || name.iter().all(counts))
        .collect();
    names.sort();
    Ok(names.into_iter().map(OsString::from_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let paths =
            |file: &str, line: &str| sourced(Path::new(file), OsStr::new(line), Caller::Ifupdown);
        let spelled = |file: &str| folder(Path::new(file)).to_owned();
        assert_eq!(spelled("/a/./b"), "/a/.");
        assert_eq!((spelled("/a"), spelled("a//b")), ("/".into(), "a".into()));
        assert_eq!(paths("d", "a /b"), [Path::new("./a"), Path::new("/b")]);
        assert_eq!(paths("/x/y", "a"), [Path::new("/x/a")]);
        assert_eq!(paths("/x/y", "/none-such/*"), [Path::new("/none-such/*")]);
        assert_eq!(paths("/x/y", "'/a"), [Path::new("/x/'/a")][..0]);
    }

    #[test]
    fn ifupdown2_may_be_set_to_another_file() {
        for (settings, expected) in [
            ("default_interfaces_configfile = /etc/x\n", Some("/etc/x")),
            (
                "#default_interfaces_configfile=/etc/x\nuse_daemon=no\n",
                None,
            ),
            ("a\nDefault_Interfaces_Configfile=/etc/x", Some("/etc/x")),
        ] {
            assert_eq!(named_in(settings), expected, "{settings}");
        }
    }

    #[test]
    fn with_the_others_the_first_word_counts() {
        let of = |line: &str, caller| sourced(Path::new("/x/y"), OsStr::new(line), caller);
        for caller in [Caller::Ifupdown2, Caller::IfupdownNg] {
            assert_eq!(of("a /b", caller), [Path::new("a")]);
            assert_eq!(of(" ", caller), [Path::new("a")][..0]);
        }
        for (line, of_2, of_ng) in [
            ("\"/a b\"", &["\"/a"][..], &[][..]),
            ("'/a'", &["'/a'"], &["/a"]),
            ("$NONE/{a,b}", &["$NONE/{a,b}"], &[]),
            ("/proc/sel[f]**", &["/proc/self"], &["/proc/self"]),
        ] {
            assert_eq!(
                of(line, Caller::Ifupdown2),
                of_2.iter().map(Path::new).collect::<Vec<_>>()
            );
            assert_eq!(
                of(line, Caller::IfupdownNg),
                of_ng.iter().map(Path::new).collect::<Vec<_>>()
            );
        }
    }
}
