//! `debian/copyright` held against the crates of `Cargo.lock` and the licences that they state.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support::tree::{text, top};

const OWN: &str = env!("CARGO_PKG_NAME");

/// Debian's names of licences, and SPDX's.
const NAMES: [(&str, &str); 3] = [
    ("Expat", "MIT"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("Unicode-3.0", "Unicode-3.0"),
];

/// The crates of `Cargo.lock` without the program itself.
fn locked() -> BTreeSet<String> {
    let lock = text("Cargo.lock");
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    let names = names.map(|name| name.trim_matches('"').to_owned());
    names.filter(|name| name != OWN).collect()
}

/// What each crate says of its licence; those of other systems and the tests' included.
fn stated() -> BTreeMap<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(top())
        .args(["tree", "--locked", "--quiet"]);
    cargo.args(["--target=all", "--edges=normal,build,dev", "--prefix=none"]);
    cargo.args(["--no-dedupe", "--format={p}|{l}"]);
    let output = cargo.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let crates = text.lines().filter_map(|line| line.split_once('|'));
    let named = crates.filter_map(|(package, licence)| {
        let (name, _) = package.split_once(' ')?;
        Some((name.to_owned(), licence.to_owned()))
    });
    named.filter(|(name, _)| name != OWN).collect()
}

/// The licence that `debian/copyright` names for each crate below `vendor/`.
fn listed(copyright: &str) -> BTreeMap<String, String> {
    let mut listed = BTreeMap::new();
    for paragraph in copyright.split("\n\n") {
        let licence = paragraph
            .lines()
            .find_map(|line| line.strip_prefix("License: "));
        let files = paragraph.split("Copyright:").next().unwrap_or_default();
        for path in files.split_whitespace() {
            let path = path.strip_prefix("vendor/");
            if let Some(name) = path.and_then(|path| path.strip_suffix("/*")) {
                // `syn*`: two versions of one crate have two folders.
                let name = name.trim_end_matches('*').to_owned();
                let again = listed.insert(name.clone(), licence.unwrap_or_default().to_owned());
                assert_eq!(again, None, "{name} is listed twice");
            }
        }
    }
    listed
}

/// Whether the licences that Debian's file names, joined by "and", are enough for an SPDX
/// expression: all that it demands together, and of alternatives one.
fn serves(listed: &str, expression: &str) -> bool {
    let chosen: BTreeSet<&str> = listed
        .split(" and ")
        .map(|name| {
            let known = NAMES.iter().find(|(debian, _)| *debian == name);
            known.map_or("", |(_, spdx)| spdx)
        })
        .collect();
    let demands: Vec<BTreeSet<&str>> = expression
        .split(" AND ")
        .map(|demand| {
            let demand = demand.trim_matches(['(', ')']);
            let alternatives = demand.split(" OR ").flat_map(|part| part.split('/'));
            alternatives.map(str::trim).collect()
        })
        .collect();
    let met = |demand: &BTreeSet<&str>| !demand.is_disjoint(&chosen);
    let asked = |name: &&str| demands.iter().any(|demand| demand.contains(name));
    demands.iter().all(met) && chosen.iter().all(asked)
}

#[test]
fn licences_are_compared_by_what_they_ask_for() {
    for (listed, expression, enough) in [
        ("Expat", "MIT", true),
        ("Expat", "MIT OR Apache-2.0", true),
        ("Expat", "Apache-2.0 / MIT", true),
        ("Expat", "Unlicense OR MIT", true),
        ("Expat", "Apache-2.0", false),
        ("Expat", "", false),
        ("BSD-3-clause", "BSD-3-Clause", true),
        ("BSD-3-clause", "MIT", false),
        ("Expat", "(MIT OR Apache-2.0) AND Unicode-3.0", false),
        (
            "Expat and Unicode-3.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            true,
        ),
        ("Expat and Unicode-3.0", "MIT", false),
        ("GPL-3", "GPL-3.0-only", false),
    ] {
        assert_eq!(serves(listed, expression), enough, "{listed}: {expression}");
    }
}

#[test]
fn the_package_names_every_crate_and_no_other() {
    let listed: BTreeSet<String> = listed(&text("debian/copyright")).into_keys().collect();
    assert_eq!(listed, locked());
}

#[test]
fn the_package_names_the_licence_that_each_crate_has() {
    let (listed, stated) = (listed(&text("debian/copyright")), stated());
    assert!(stated.len() > 20, "only {} crates were found", stated.len());
    for (name, expression) in &stated {
        let Some(licence) = listed.get(name) else {
            panic!("{name} is not listed");
        };
        assert!(
            serves(licence, expression),
            "{name} is listed under {licence} and states {expression}"
        );
    }
}

#[test]
fn the_text_of_every_licence_is_there_and_the_other_check_knows_them() {
    let (copyright, deny) = (text("debian/copyright"), text("deny.toml"));
    for (debian, spdx) in NAMES {
        let text = copyright.split("\n\n").filter(|paragraph| {
            let mut lines = paragraph.lines();
            lines.next() == Some(&format!("License: {debian}")) && lines.next().is_some()
        });
        assert_eq!(text.count(), 1, "{debian}");
        assert!(deny.contains(&format!("\"{spdx}\"")), "{spdx}");
    }
}

/// What keeps RUSTSEC-2026-0009 from being reached, as `deny.toml` says: the part of `time` that
/// reads dates is not compiled.
#[test]
fn the_crate_that_writes_dates_cannot_read_them() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(top())
        .args(["tree", "--locked", "--quiet"]);
    cargo.args(["--target=all", "--edges=features,normal", "--invert=time"]);
    let output = cargo.output().unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    let has = |feature: &str| tree.contains(&format!("time feature \"{feature}\""));
    assert!(has("formatting"), "{tree}");
    for feature in ["parsing", "macros", "serde", "serde-well-known"] {
        assert!(!has(feature), "{tree}");
    }
    assert!(text("deny.toml").contains("RUSTSEC-2026-0009"));
}
