//! What ARCHITECTURE.md and CONTRIBUTING.md say of the source as a whole: who may name whom, what
//! may touch files, sizes, words that may not be there. Each check is a function of the files'
//! paths and texts, and is shown to fail where something is wrong.

mod planted;
mod source;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::slice::from_ref;

use crate::support::tree::{text, texts};
use source::{Source, Tree};

/// Longest file that is about one thing, in lines without its tests.
const LONGEST: usize = 400;

/// How many lines a `mod.rs` takes to say what its folder is for.
const HEADER: std::ops::RangeInclusive<usize> = 10..=30;

/// These never use each other.
const APART: [&str; 4] = ["explain", "converge", "check", "migrate"];

/// What the program of the hooks is linked without.
const NOT_THE_HOOKS: [&str; 5] = [
    "src/keep/",
    "src/cli/",
    "src/check/",
    "src/migrate/",
    "src/explain/",
];

/// What the keeper's program is linked without.
const NOT_THE_KEEPERS: [&str; 5] = [
    "src/hook.rs",
    "src/cli/",
    "src/check/",
    "src/migrate/",
    "src/explain/",
];

/// What the programs in `src/bin` may name.
const ENTRANCES: [&str; 4] = [
    "src/cli/",
    "src/hook.rs",
    "src/ifupdown/call.rs",
    "src/keep/program.rs",
];

/// Who may open files, look into `/proc` and start processes, and what for.
const MAY_TOUCH_FILES: [(&str, &str); 13] = [
    ("src/system/", "locks, the journal, settings of this host"),
    ("src/tables/", "the files of names"),
    ("src/ifupdown/", "what ifupdown reads and writes"),
    ("src/record/store.rs", "records are in /run"),
    ("src/record/keeper.rs", "the keeper's link is beside them"),
    (
        "src/marks/allotted.rs",
        "which table has which mark, in /run",
    ),
    ("src/keep/folder.rs", "the keeper's own folder in /run"),
    ("src/migrate/verify/", "runs ifup in namespaces of its own"),
    ("src/cli/ip_words.rs", "asks ip what it knows"),
    ("src/cli/guard.rs", "starts the process that goes back"),
    ("src/cli/replace_files.rs", "writes what was migrated"),
    (
        "src/cli/beside_the_bytes.rs",
        "keeps what a file has besides",
    ),
    (
        "src/cli/cut_short.rs",
        "notes in /run what a move takes out",
    ),
];

/// What that is in Rust, but for [`NO_FILES`].
const FILES: [&[&str]; 5] = [
    &["std", "fs"],
    &["std", "process"],
    &["nix", "fcntl"],
    &["nix", "mount"],
    &["rustix", "fs"],
];

/// A number to end with, and the own or the parent's one.
const NO_FILES: [&[&str]; 2] = [&["std", "process", "ExitCode"], &["std", "process", "id"]];

fn tree() -> Tree {
    Tree::new(texts(&["src"]))
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether a file is one of a list, or below one.
fn is_of(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// Who names something that stands below it, or what it is apart from: in `lib.rs` for folders,
/// in a folder's `mod.rs` for its files. A subfolder counts as one file.
fn out_of_order(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in tree.files().filter(|source| !is_program(source)) {
        for (of, name) in tree.uses(source) {
            if let Some(what) = disorder(tree, source, of) {
                let name = name.path.join("::");
                wrong.push(format!(
                    "{} uses {name} of {}, {what}",
                    source.path, of.path
                ));
            }
        }
    }
    wrong
}

/// What is wrong with a file's use of another one.
fn disorder(tree: &Tree, source: &Source, of: &Source) -> Option<String> {
    let (own, other) = (&source.module, &of.module);
    let shared = own
        .iter()
        .zip(other)
        .take_while(|(own, other)| own == other);
    let shared = shared.count();
    let (Some(place), Some(used)) = (own.get(shared), other.get(shared)) else {
        let is_part = other.len() < own.len();
        return is_part.then(|| "which it is a part of".to_owned());
    };
    if shared == 0
        && [place, used]
            .iter()
            .all(|name| APART.contains(&name.as_str()))
    {
        return Some("from which it is to stay apart".to_owned());
    }
    // A file without a place is told of by `unlisted`.
    let folder = tree.module(&own[..shared])?;
    let at = |name: &String| folder.listed.iter().position(|listed| listed == name);
    let is_below = at(used) >= at(place);
    is_below.then(|| format!("which stands below it in {}", folder.path))
}

fn is_program(source: &Source) -> bool {
    source.path.starts_with("src/bin/")
}

/// What the programs name beside hook, cli, the keeper and what ifupdown tells.
fn beside_the_entrances(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for program in tree.files().filter(|source| is_program(source)) {
        for (of, name) in tree.uses(program) {
            if !is_of(&of.path, &ENTRANCES) {
                let name = name.path.join("::");
                wrong.push(format!("{} uses {name} of {}", program.path, of.path));
            }
        }
    }
    wrong
}

/// The ways on which a file reaches some that it may not, by what each names of the next.
fn reaches(tree: &Tree, from: &str, forbidden: &[&str]) -> Vec<String> {
    let mut ways = BTreeMap::from([(from, from.to_owned())]);
    let mut waiting = VecDeque::from([from]);
    let mut wrong = Vec::new();
    while let Some(path) = waiting.pop_front() {
        let Some(source) = tree.file(path) else {
            wrong.push(format!("there is no {path}"));
            continue;
        };
        for (of, name) in tree.uses(source) {
            // What a folder hands on to others is not what it needs.
            let handed_on = name.handed_on && source.is_folder();
            let to = of.path.as_str();
            if name.in_test || handed_on || ways.contains_key(to) {
                continue;
            }
            let way = format!("{} -> {to}", ways[path]);
            if is_of(to, forbidden) {
                wrong.push(way.clone());
            } else {
                waiting.push_back(to);
            }
            ways.insert(to, way);
        }
    }
    wrong
}

/// Files that no `mod.rs` lists, and modules that are no file.
fn unlisted(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in tree.files() {
        for name in &source.listed {
            let listed = [source.module.as_slice(), from_ref(name)].concat();
            if tree.module(&listed).is_none() {
                wrong.push(format!("{} lists {name}, which is no file", source.path));
            }
        }
        let Some((name, folder)) = source.module.split_last() else {
            continue;
        };
        let parent = tree.module(folder);
        let is_listed = parent.is_some_and(|parent| parent.listed.contains(name));
        if !is_listed && !is_program(source) {
            wrong.push(format!("{} is listed nowhere", source.path));
        }
        if !parent.is_some_and(Source::is_folder) && !is_program(source) {
            wrong.push(format!("{} is in a folder without a mod.rs", source.path));
        }
    }
    wrong
}

/// Files of folders that are open to others: what these may name, the folder is to hand on.
fn open(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for folder in tree.files().filter(|source| !source.module.is_empty()) {
        for name in &folder.open {
            let listed = tree.module(&[folder.module.as_slice(), from_ref(name)].concat());
            if let Some(file) = listed.filter(|file| !file.is_folder()) {
                wrong.push(format!("{} is open to others", file.path));
            }
        }
    }
    wrong
}

/// Folders whose `mod.rs` does not begin by saying what they are for.
fn without_a_word(tree: &Tree) -> Vec<String> {
    let folders = tree
        .files()
        .filter(|source| source.path.ends_with("/mod.rs"));
    let headers = folders.map(|source| {
        let header = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"));
        (&source.path, header.count())
    });
    headers
        .filter(|(_, lines)| !HEADER.contains(lines))
        .map(|(path, lines)| format!("{path} begins with {lines} lines of //!, not {HEADER:?}"))
        .collect()
}

/// A source without its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

fn too_long(tree: &Tree) -> Vec<String> {
    let sizes = tree
        .files()
        .map(|source| (&source.path, without_tests(&source.text).lines().count()));
    sizes
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{path} has {lines} lines, not up to {LONGEST}"))
        .collect()
}

/// Types of one name: a reader who meets it should not have to ask which.
fn of_one_name(tree: &Tree) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in tree.files() {
        for line in without_tests(&source.text).lines() {
            // What stands further in is a type that a trait asks for.
            let words = line
                .split_whitespace()
                .skip_while(|word| word.starts_with("pub"));
            let mut words = words.filter(|_| !line.starts_with(char::is_whitespace));
            if let Some("struct" | "enum" | "trait" | "type") = words.next() {
                let rest = words.next().unwrap_or_default();
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                places.entry(name).or_default().push(&source.path);
            }
        }
    }
    let several = places.into_iter().filter(|(_, places)| places.len() > 1);
    several
        .map(|(name, places)| format!("{name} is a type in {}", places.join(" and in ")))
        .collect()
}

/// What touches files and may not. A test of the file's own may.
fn touching_files(tree: &Tree) -> Vec<String> {
    let allowed = MAY_TOUCH_FILES.map(|(place, _)| place);
    let mut wrong = Vec::new();
    for source in tree.files().filter(|source| !is_of(&source.path, &allowed)) {
        let foreign = source.foreign().filter(|name| !name.in_test);
        let begins = |path: &[String], start: &[&str]| {
            path.len() >= start.len() && path.iter().zip(start).all(|(own, word)| own == word)
        };
        for name in foreign {
            let is_one_of = |list: &[&[&str]]| list.iter().any(|start| begins(&name.path, start));
            if is_one_of(&FILES) && !is_one_of(&NO_FILES) {
                wrong.push(format!("{} uses {}", source.path, name.path.join("::")));
            }
        }
        let quoted = source
            .quoted
            .iter()
            .filter(|text| text.starts_with("/proc"));
        wrong.extend(quoted.map(|text| format!("{} looks into {text}", source.path)));
    }
    wrong
}

#[test]
fn each_room_uses_only_those_listed_above_it() {
    let tree = tree();
    let listed = &tree.module(&[]).unwrap().listed;
    for name in APART.iter().chain(&["hook", "cli"]) {
        assert!(listed.iter().any(|own| own == name), "{name}: {listed:?}");
    }
    none(&out_of_order(&tree));
}

#[test]
fn the_programs_use_hook_cli_keeper_and_the_call_alone() {
    none(&beside_the_entrances(&tree()));
}

#[test]
fn the_hooks_reach_nothing_of_the_commands() {
    none(&reaches(&tree(), "src/hook.rs", &NOT_THE_HOOKS));
}

#[test]
fn the_keeper_reaches_nothing_of_the_commands() {
    none(&reaches(&tree(), "src/keep/program.rs", &NOT_THE_KEEPERS));
}

#[test]
fn every_file_is_a_room_and_every_room_a_file() {
    none(&unlisted(&tree()));
}

#[test]
fn the_files_of_a_folder_are_its_own() {
    none(&open(&tree()));
}

#[test]
fn every_folder_says_what_it_is_for() {
    none(&without_a_word(&tree()));
}

#[test]
fn no_room_is_too_large() {
    none(&too_long(&tree()));
}

#[test]
fn no_two_types_share_a_name() {
    none(&of_one_name(&tree()));
}

#[test]
fn files_are_touched_at_the_edges_alone() {
    let tree = tree();
    none(&touching_files(&tree));
    for (place, reason) in MAY_TOUCH_FILES {
        let there = tree.files().any(|source| source.path.starts_with(place));
        assert!(there, "{place} is no place any more: {reason}");
    }
}

/// A source without what stands behind `//`.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether a text has a word, which is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|other| other == word)
}

/// Files with a word that is not to be there; in Rust, where `of_code`, in comments it may.
fn with_word(files: &[(String, String)], word: &str, of_code: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in files {
        let there = if of_code {
            path.ends_with(".rs") && has_word(&code(text), word)
        } else {
            has_word(text, word)
        };
        if there {
            wrong.push(format!("{path}: {word}"));
        }
    }
    wrong
}

#[test]
fn nothing_is_unsafe_or_left_to_do() {
    // In two parts, or this file would hold them.
    let unchecked = concat!("un", "safe");
    none(&with_word(&texts(&["src", "tests"]), unchecked, true));
    for word in [concat!("TO", "DO"), concat!("FIX", "ME")] {
        let files = texts(&["src", "tests", "debian", "benches", "man"]);
        none(&with_word(&files, word, false));
    }
    let forbidden = format!("#![forbid({unchecked}_code)]");
    assert!(text("src/lib.rs").contains(&forbidden));
}

/// The dependencies of a `Cargo.toml`, each with whether its reason stands behind it.
fn crates(manifest: &str) -> Vec<(&str, bool)> {
    let mut crates = Vec::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && line.contains('=') {
            let reason = line.split_once(" # ").map_or("", |(_, reason)| reason);
            crates.push((line, reason.trim().split(' ').count() > 2));
        }
    }
    crates
}

#[test]
fn every_crate_has_its_reason() {
    let manifest = text("Cargo.toml");
    let crates = crates(&manifest);
    for (line, has_reason) in &crates {
        assert!(has_reason, "no reason: {line}");
    }
    assert!(crates.len() > 5, "only {} were found", crates.len());
}
