//! What the documents name of the tree, held against the tree: files, folders, and the commands
//! that run a test.

use std::collections::BTreeSet;
use std::fs;

use crate::support::tree::{files, text, texts, top};

/// Where those who come look first.
const GUIDES: [&str; 4] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "tests/README.md",
];

/// What stands in the text in backticks, in blocks of code, and behind the brackets of a link.
fn quoted(document: &str) -> Vec<String> {
    let mut quoted = Vec::new();
    let mut in_block = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            quoted.push(line.to_owned());
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            quoted.extend(spans.map(str::to_owned));
            let links = line.split("](").skip(1);
            quoted.extend(links.filter_map(|link| Some(link.split_once(')')?.0.to_owned())));
        }
    }
    quoted
}

/// The paths that a document names. A name with a point in it can be that of a file in a folder
/// that the text is about.
fn paths(document: &str) -> BTreeSet<String> {
    let endings = [".rs", ".md", ".toml"];
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
    let quoted = quoted(document);
    let words = quoted.iter().flat_map(|text| text.split_whitespace());
    let words = words.map(|word| word.trim_matches([',', ';', ':', '(', ')', '"', '\'']));
    let paths = words.filter(|word| {
        let is_one = word.contains('/') || endings.iter().any(|ending| word.ends_with(ending));
        // Neither elsewhere, as a web page or a folder of the machine's, nor a network.
        let is_ours = word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(is_of_path)
            && !word.starts_with("target/");
        is_one && is_ours
    });
    paths.map(str::to_owned).collect()
}

/// Whether a path is there: from the top, from `src/`, from the document's folder or, if it is a
/// bare name, anywhere. `NAME` and `*` stand for any name.
fn is_there(path: &str, document: &str, tree: &[String]) -> bool {
    let beside = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_bare = !path.trim_end_matches('/').contains('/');
    let known = |place: &str| {
        let place = place.trim_matches('/').trim_start_matches("./");
        let words: Vec<&str> = place.split('/').collect();
        tree.iter().any(|file| {
            let file: Vec<&str> = file.split('/').collect();
            let begins = |from: usize| {
                let there = file.get(from..).unwrap_or_default();
                let fits = |(word, name): (&&str, &&str)| ["NAME", "*", name].contains(word);
                words.len() <= there.len() && words.iter().zip(there).all(fits)
            };
            begins(0) || (is_bare && (0..file.len()).any(begins))
        })
    };
    known(path) || known(&format!("src/{path}")) || known(&format!("{beside}/{path}"))
}

/// All files but those that are made.
fn tree() -> Vec<String> {
    let entries = fs::read_dir(top()).unwrap().map(|entry| entry.unwrap());
    let made = [".git", "target", "vendor"];
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let own = names.filter(|name| !made.contains(&name.as_str()));
    own.flat_map(|name| files(&name)).collect()
}

/// README.md and docs/ are installed as they are, and of the rest the examples alone.
#[test]
fn a_link_leads_to_what_the_package_has() {
    assert_eq!(
        text("debian/ifupdown-policy-table.docs"),
        "README.md\ndocs\n"
    );
    let readme = "README.md".to_owned();
    let (docs, examples) = (files("docs"), files("examples"));
    let mut count = 0;
    for document in docs.iter().chain([&readme]) {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let shown = text(document);
        for link in shown.split("](").skip(1) {
            let link = link.split_once(')').unwrap().0;
            if link.starts_with('#') {
                continue;
            }
            count += 1;
            let path = format!("{folder}/{link}");
            let path = path.trim_start_matches('/');
            assert!(
                docs.iter().chain(&examples).any(|file| file == path),
                "{document}: {link} is not in the package"
            );
        }
    }
    assert!(count >= 5, "{count} links");
}

#[test]
fn every_path_in_the_guides_exists() {
    let tree = tree();
    let mut wrong = Vec::new();
    for guide in GUIDES {
        if !tree.iter().any(|file| file == guide) {
            wrong.push(format!("there is no {guide}"));
            continue;
        }
        let paths = paths(&text(guide));
        let count = paths.len();
        let missing = paths
            .into_iter()
            .filter(|path| !is_there(path, guide, &tree));
        wrong.extend(missing.map(|path| format!("{guide}: {path} is not there")));
        assert!(count > 2, "{guide} names {count} paths");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let tree = [
        "tests/README.md",
        "tests/pure/main.rs",
        "src/text.rs",
        "src/a/store.rs",
    ];
    let tree = tree.map(str::to_owned);
    let document = "See [it](src/b.rs), [here](https://x.example/y), `store.rs`, `pure/main.rs`,
        `a/`, `a/*.rs`, `tests/NAME/main.rs`, `tests/NAME/lib.rs`, `/etc/network/x`, `text.md` or
        `target/x`.
        ```
        sudo tests/run pure/
        ```
        tests/nowhere is no quoted one.";
    let found = paths(document);
    let missing: Vec<&String> = found
        .iter()
        .filter(|path| !is_there(path, "tests/README.md", &tree))
        .collect();
    assert_eq!(
        missing,
        [
            "a/*.rs",
            "src/b.rs",
            "tests/NAME/lib.rs",
            "tests/run",
            "text.md"
        ]
    );
    assert_eq!(found.len(), 10, "{found:?}");
}

/// The tests of a crate, as `cargo test` names them.
fn tests_of(name: &str) -> Vec<String> {
    let mut tests = Vec::new();
    for (path, text) in texts(&[&format!("tests/{name}")]) {
        let Some(inner) = path.strip_suffix(".rs") else {
            continue;
        };
        let module = inner.split('/').skip(2).filter(|word| *word != "main");
        let module: Vec<&str> = module.collect();
        let functions = text.split("#[test]").skip(1);
        tests.extend(functions.filter_map(|rest| {
            let (name, _) = rest.split_once("fn ")?.1.split_once('(')?;
            Some([module.as_slice(), &[name]].concat().join("::"))
        }));
    }
    tests
}

/// What is wrong with the commands of a text that run tests of one crate.
fn lost_commands(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for rest in text.split("--test ").skip(1) {
        let mut words = rest.split(|c: char| c.is_whitespace() || "`'\")|,".contains(c));
        let name = words.next().unwrap_or_default();
        if name.starts_with(|c: char| !c.is_ascii_lowercase()) || name.is_empty() {
            continue; // of how such a command is made
        }
        if !top().join(format!("tests/{name}/main.rs")).exists() {
            wrong.push(format!("{path}: --test {name}: there is no such crate"));
            continue;
        }
        let is_filter = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
        let ends = rest[name.len()..].starts_with(' ');
        if let Some(filter) = words.next().filter(is_filter).filter(|_| ends) {
            if !tests_of(name).iter().any(|test| test.contains(filter)) {
                wrong.push(format!("{path}: --test {name} {filter}: it runs no test"));
            }
        }
    }
    wrong
}

#[test]
fn every_command_that_runs_tests_finds_some() {
    let mut documents = texts(&[
        "tests",
        "man",
        "fuzz/README.md",
        "benches/hook",
        "README.md",
    ]);
    documents.retain(|(path, _)| path != file!());
    for guide in GUIDES.iter().filter(|guide| top().join(guide).exists()) {
        documents.push(((*guide).to_owned(), text(guide)));
    }
    let wrong: Vec<String> = documents
        .iter()
        .flat_map(|(path, text)| lost_commands(path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_command_that_runs_no_test_is_found() {
    let found = |command: &str| lost_commands("x", command).len();
    for good in [
        "`cargo test --test pure`",
        "--test lifecycle kill -- --nocapture",
        "--test lifecycle kill::killed_on_the_way_down",
        "--test NAME FILTER",
        "--test cost && echo",
    ] {
        assert_eq!(found(good), 0, "{good}");
    }
    for bad in [
        "--test kill",
        "--test lifecycle roundtrip",
        "--test pure nowhere::",
    ] {
        assert_eq!(found(bad), 1, "{bad}");
    }
}

/// Where flags would be split, and what fails then says something else.
#[test]
fn a_folder_with_a_blank_in_its_path_is_refused_by_name() {
    let folder = std::env::temp_dir().join(format!("a blank {}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut make = std::process::Command::new("make");
    make.args(["--dry-run", "--file"])
        .arg(top().join("debian/rules"));
    let said = make.arg("clean").current_dir(&folder).output().unwrap();
    fs::remove_dir(&folder).unwrap();
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(error.contains("path of this folder has a blank"), "{error}");
}
