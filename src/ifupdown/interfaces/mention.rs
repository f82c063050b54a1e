//! Whether a file, or one that it sources, can have options of ours at all. Of most hosts none has,
//! and a hook is run for each interface: nothing is made of a file here but its `source` lines.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use super::parts::{BlockKind, SourceLine, Text};
use super::paths::{is_missing, names, read_interfaces, sourced};
use crate::ifupdown::Caller;

/// What options of ours begin with, where they are written with `-`, and with `_`.
const BEGINNINGS: [&[u8]; 2] = [b"policy-", b"policy_"];

/// Whether a file, or one that it sources, has a word that begins as options of ours do. What cannot
/// be read may have one.
pub fn mentions_options(file: &Path, caller: Caller) -> bool {
    mentions(file, caller, true, &mut HashSet::new())
}

fn mentions(path: &Path, caller: Caller, is_main: bool, seen: &mut HashSet<OsString>) -> bool {
    if !seen.insert(path.as_os_str().to_owned()) {
        return false;
    }
    let Ok(bytes) = read_interfaces(path, is_main) else {
        return true;
    };
    if BEGINNINGS.iter().any(|word| contains(&bytes, word)) {
        return true;
    }
    let text = Text::read_as(source_lines(&bytes), caller);
    let sources = text.blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::Source(source) => Some(source),
        _ => None,
    });
    sources
        .flat_map(|source| files(path, caller, source))
        .any(|found| mentions(Path::new(&found), caller, false, seen))
}

/// The files that a line sources.
fn files(file: &Path, caller: Caller, source: &SourceLine) -> Vec<OsString> {
    let found = sourced(file, &source.pattern, caller).into_iter();
    if !source.directory {
        let there = found.filter(|path| !is_missing(path));
        return there.map(Into::into).collect();
    }
    let in_folder = found.flat_map(|folder| {
        let names = names(&folder, caller).unwrap_or_default().into_iter();
        names.map(move |name| folder.join(name).into_os_string())
    });
    in_folder.collect()
}

/// The lines that begin with `source`, each with those that continue it.
fn source_lines(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut goes_on = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if goes_on || line.trim_ascii_start().starts_with(b"source") {
            lines.extend_from_slice(line);
            goes_on = line.trim_ascii_end().ends_with(b"\\");
        }
    }
    lines
}

/// Whether a word stands somewhere.
fn contains(bytes: &[u8], word: &[u8]) -> bool {
    let Some((first, rest)) = word.split_first() else {
        return true;
    };
    let mut left = bytes;
    while let Some(place) = left.iter().position(|byte| byte == first) {
        left = left.get(place + 1..).unwrap_or_default();
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn options_are_seen_wherever_they_are_sourced() {
        let folder = std::env::temp_dir().join(format!("mention-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("d")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let main = folder.join("interfaces");
        for (text, other, expected) in [
            ("iface eth1 inet dhcp\n", "", false),
            ("iface eth1 inet dhcp\n policy-table rt1\n", "", true),
            ("iface eth1 inet dhcp\n policy_table rt1\n", "", true),
            ("source d/*\n", "iface eth1 inet dhcp\n", false),
            (
                "source d/*\n",
                "iface eth1 inet dhcp\n policy-table rt1\n",
                true,
            ),
            (" source \\\n  d/*\n", "policy-table rt1\n", true),
            ("source-directory d\n", "policy-table rt1\n", true),
            ("# source d/*\n", "policy-table rt1\n", false),
            ("source interfaces\nsource none\n", "", false),
            ("source d\n", "", true),
        ] {
            write("d/other", other);
            // With ifupdown2 and -ng a path begins where the program was started, so that whole ones
            // are written; -ng has no wildcards.
            let whole = folder.join("d").to_string_lossy().into_owned();
            let whole = text.replace(" d", &format!(" {whole}"));
            for caller in Caller::ALL {
                let star = match caller {
                    Caller::IfupdownNg => "other",
                    _ => "*",
                };
                write("interfaces", &whole.replace('*', star));
                assert_eq!(
                    mentions_options(&main, caller),
                    expected,
                    "{caller}: {text} {other}"
                );
            }
        }
        assert!(mentions_options(Path::new("/none/such"), Caller::Ifupdown));
        let _ = fs::remove_dir_all(folder);
    }
}
