//! What the house rules say of the source as a whole: floors, sizes, words that may not be there.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file that is still one room, in lines without its tests.
const LONGEST: usize = 400;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

/// All files below some folders, with their texts.
fn texts(folders: &[&str]) -> Vec<(String, String)> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    let mut texts = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(top()).unwrap().display().to_string();
            texts.push((name, text));
        }
    }
    assert!(!texts.is_empty(), "nothing in {folders:?}");
    texts.sort();
    texts
}

/// The rooms in the order in which `lib.rs` lists them.
fn rooms() -> Vec<String> {
    let lines = read("src/lib.rs");
    let listed = lines
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    listed.map(str::to_owned).collect()
}

/// A source without what stands behind `//`.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A source without its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// The rooms that a source names: `crate::room` and the first words of `crate::{…}`.
fn used(code: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let first_word = |text: &str| {
        text.trim_start()
            .split(|c| !is_word(c))
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            rooms.push(first_word(rest));
            continue;
        };
        let (mut depth, mut member) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => member = true,
                _ if member && is_word(c) => {
                    rooms.push(first_word(&group[at..]));
                    member = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

#[test]
fn the_reader_of_uses_sees_every_form() {
    let code = "use crate::net::{A, B};\nuse crate::{\n route_message,\n rule::{X, y}, wire};\n\
                fn f() { crate::store::FOLDER }";
    assert_eq!(
        used(code),
        ["net", "route_message", "rule", "wire", "store"]
    );
}

#[test]
fn each_room_uses_only_those_listed_above_it() {
    let rooms = rooms();
    let mut wrong = String::new();
    for (place, room) in rooms.iter().enumerate() {
        for other in used(&code(&read(&format!("src/{room}.rs")))) {
            let Some(at) = rooms.iter().position(|room| *room == other) else {
                panic!("{room} uses {other}, which lib.rs does not list");
            };
            if at >= place {
                wrong += &format!("\n{room} uses {other}, which stands below it in lib.rs");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_file_is_a_room_and_every_room_a_file() {
    let mut listed: Vec<String> = rooms()
        .iter()
        .map(|room| format!("src/{room}.rs"))
        .collect();
    listed.extend(["lib", "main", "hook_main"].map(|door| format!("src/{door}.rs")));
    listed.sort();
    let found: Vec<String> = texts(&["src"]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, listed);
}

#[test]
fn no_room_is_too_large() {
    let sizes = texts(&["src"])
        .into_iter()
        .map(|(name, text)| (without_tests(&text).lines().count(), name));
    let large: Vec<_> = sizes.filter(|(lines, _)| *lines > LONGEST).collect();
    assert!(large.is_empty(), "longer than {LONGEST} lines: {large:?}");
}

/// Whether a text has a word, which is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|other| other == word)
}

#[test]
fn nothing_is_unsafe_or_left_to_do() {
    // In two parts, or this file would hold them.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let unchecked = concat!("un", "safe");
    for (name, text) in texts(&["src", "tests"]) {
        assert!(
            !name.ends_with(".rs") || !has_word(&code(&text), unchecked),
            "{name}: {unchecked}"
        );
    }
    for (name, text) in texts(&["src", "tests", "debian"]) {
        for word in unfinished {
            assert!(!has_word(&text, word), "{name}: {word}");
        }
    }
    assert!(read("src/lib.rs").contains(concat!("#![forbid(un", "safe_code)]")));
}

#[test]
fn every_crate_has_its_reason() {
    let (mut section, mut crates) = (String::new(), 0);
    for line in read("Cargo.toml").lines() {
        if line.starts_with('[') {
            section = line.trim().to_owned();
        } else if section.contains("dependencies") && line.contains('=') {
            let reason = line
                .split_once(" # ")
                .map_or("", |(_, reason)| reason.trim());
            assert!(reason.split(' ').count() > 2, "no reason: {line}");
            crates += 1;
        }
    }
    assert!(crates > 5, "only {crates} were found");
}
