//! What `fuzz/checks.rs` says must hold of any bytes, held against what hosts really have and
//! against that with a few bytes changed, some seconds of each. libFuzzer, which needs a nightly
//! compiler, does it for as long as it is let: `fuzz/run`.
//!
//! The changes come from a seed that is printed; `FUZZ_SEED` gives another one, and
//! `FUZZ_MILLISECONDS` how long each place is tried.

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::random::{number_in, Random};
use crate::tree::{files, text, top};

/// Longest input, in bytes: some changes make one longer.
const LONGEST: usize = 4096;

/// How many changes are tried at least.
const LEAST: u64 = 100;

/// The words of libFuzzer's dictionary, which stand in quotes there.
fn words() -> Vec<Vec<u8>> {
    let text = text("fuzz/words.dict");
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"'));
    let words = quoted.map(|word| word.trim_end_matches('"').as_bytes().to_vec());
    let words: Vec<_> = words.filter(|word| !word.contains(&b'\\')).collect();
    assert!(words.len() > 100, "{}", words.len());
    words
}

/// Does to the bytes what hands, disks and editors do: a byte changed, put in or taken out, a part
/// taken out, doubled or put elsewhere, a word put in, a part of another file, an end cut off.
fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], words: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
    }
    let at = random.place(bytes.len());
    let end = (at + 1 + random.place(24)).min(bytes.len());
    let telling = [
        0, 1, b'\t', b'\n', b' ', b'-', b'/', b':', b'9', 0x7f, 0x80, 0xff,
    ];
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.pick(&telling),
        2 => bytes.insert(at, random.pick(&telling)),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let part = bytes[at..end].to_vec();
            let to = random.place(bytes.len());
            bytes.splice(to..to, part);
        }
        5 => bytes.truncate(at),
        6 => {
            let word = words[random.place(words.len())].clone();
            bytes.splice(at..at, word);
        }
        7 => {
            let from = random.place(other.len().max(1)).min(other.len());
            let to = (from + 1 + random.place(80)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => bytes[at] = random.next() as u8,
    }
    bytes.truncate(LONGEST);
}

/// Holds a check against the files below some folders, and against changes of them.
fn hold(name: &str, check: fn(&[u8]), folders: &[&str]) {
    let files = folders.iter().flat_map(|folder| files(folder));
    let read = |path: String| {
        let bytes = fs::read(top().join(&path)).unwrap();
        (path, bytes)
    };
    let seeds: Vec<_> = files.map(read).collect();
    for (path, seed) in &seeds {
        println!("{path}");
        check(seed);
    }
    let words = words();
    let mut random = Random::seeded("FUZZ_SEED", 20_261_124, 0);
    let time = Duration::from_millis(number_in("FUZZ_MILLISECONDS", 1500));
    let (start, mut tried) = (Instant::now(), 0_u64);
    // On a slow machine it takes longer, and tries as much all the same.
    while start.elapsed() < time || tried < LEAST {
        let (path, seed) = &seeds[random.place(seeds.len())];
        let (_, other) = &seeds[random.place(seeds.len())];
        let mut bytes = seed.clone();
        for _ in 0..=random.below(6) {
            change(&mut random, &mut bytes, other, &words);
        }
        let held = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
        assert!(held.is_ok(), "from {path}:\n{}", bytes.escape_ascii());
        tried += 1;
    }
    println!("{name}: {} files and {tried} changes of them", seeds.len());
}

#[test]
fn an_environment_gives_a_stanza_or_says_why_not() {
    let folders = ["tests/pure/scenarios", "fuzz/seeds/environment"];
    hold("environment", checks::environment, &folders);
}

#[test]
fn a_file_is_read_in_three_dialects_and_kept() {
    let folders = [
        "fuzz/seeds/interfaces",
        "tests/commands/interfaces",
        "tests/commands/migrate",
    ];
    hold("interfaces", checks::interfaces, &folders);
}

#[test]
fn any_text_may_stand_in_rt_tables() {
    hold("tables", checks::tables, &["fuzz/seeds/tables"]);
}

#[test]
fn what_is_read_of_a_record_is_written_so_that_it_is_read_again() {
    hold("record", checks::record, &["fuzz/seeds/record"]);
}

#[test]
fn an_object_has_one_line_and_one_message() {
    hold("line", checks::line, &["fuzz/seeds/line"]);
}

#[test]
fn the_kernel_may_say_anything() {
    hold("netlink", checks::netlink, &["fuzz/seeds/netlink"]);
}
