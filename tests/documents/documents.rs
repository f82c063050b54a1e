//! What the README, the manual pages and the package's own page say of options, held against the
//! program. Their examples are the business of `examples`.

use std::collections::BTreeSet;

use crate::support::tree;
use policy_table::cli::{help, COMMANDS};
use policy_table::stanza::OPTIONS;

const README: &str = "README.md";
const PROGRAM: &str = "man/policy-table.8";
const INTERFACES: &str = "man/policy-table-interfaces.5";
const PACKAGE: &str = "debian/ifupdown-policy-table.README.Debian";

/// Names that start as an option does and are none: a page's, and what is in the page's name.
const NO_OPTIONS: [&str; 7] = [
    "policy-table-keep",
    "policy-table-confirm",
    "policy-table-move",
    "policy-table-marks",
    "policy-table-interfaces",
    "policy-table-hook",
    "policy-tabel",
];

/// A document's text, of a manual page without its markup.
fn text(path: &str) -> String {
    let text = tree::text(path);
    if path.starts_with("man/") {
        without_markup(&text)
    } else {
        text
    }
}

/// The words of a request that joins them; those in quotes keep their blanks.
fn joined(words: &str) -> String {
    let mut quoted = true;
    let parts = words.split('"').map(|part| {
        quoted = !quoted;
        if quoted {
            part.to_owned()
        } else {
            part.replace(' ', "")
        }
    });
    parts.collect()
}

fn documents() -> Vec<(&'static str, String)> {
    let all = [README, PROGRAM, INTERFACES, PACKAGE];
    all.into_iter().map(|path| (path, text(path))).collect()
}

/// Escapes of man(7) as what they print, and requests as the words behind them. What is set as
/// it stands, between `.nf` and `.fi` or `.EX` and `.EE`, is indented, and nothing else is.
fn without_markup(page: &str) -> String {
    let (mut plain, mut as_it_stands) = (String::new(), false);
    for line in page.lines().filter(|line| !line.starts_with(".\\\"")) {
        let mut line = line.to_owned();
        for (escape, printed) in [
            ("\\-", "-"),
            ("\\&", ""),
            ("\\(aq", "'"),
            ("\\(dq", "\""),
            ("\\e", "\\"),
            ("\\fB", ""),
            ("\\fI", ""),
            ("\\fR", ""),
            ("\\fP", ""),
        ] {
            line = line.replace(escape, printed);
        }
        let (request, words) = line.split_once(' ').unwrap_or((&line, ""));
        match request {
            ".nf" | ".EX" => as_it_stands = true,
            ".fi" | ".EE" => as_it_stands = false,
            ".BR" | ".RB" | ".IR" | ".RI" | ".BI" | ".IB" => plain += &joined(words),
            _ if request.starts_with('.') => plain += words.trim_matches('"'),
            _ if as_it_stands => plain += &format!("    {line}"),
            _ => plain += line.trim_start(),
        }
        plain.push('\n');
    }
    plain
}

/// The words of a text that start with `start`; what is only the end of a longer word is none.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let all = text
        .split(|c| !is_part(c))
        .filter(|word| word.starts_with(start));
    // `policy-*` is every option, and so none.
    all.map(|word| word.trim_end_matches(['-', '_']))
        .filter(|word| word.len() > start.len())
        .collect()
}

/// `policy-rule-1`, or `policy-rule-N` where any number is meant, is a `policy-rule`.
fn without_number(word: &str) -> &str {
    match word.rsplit_once('-') {
        Some((word, number)) if number == "N" || number.parse::<u32>().is_ok() => word,
        _ => word,
    }
}

#[test]
fn every_option_is_documented() {
    for path in [README, INTERFACES] {
        let text = text(path);
        let words = words(&text, "policy-");
        for option in OPTIONS {
            assert!(words.contains(option), "{path} does not know {option}");
        }
    }
}

#[test]
fn every_documented_option_exists() {
    for (path, text) in documents() {
        for word in words(&text, "policy-") {
            let option = without_number(word);
            let known = OPTIONS.contains(&option) || NO_OPTIONS.contains(&option);
            assert!(known, "{path}: there is no {word}");
        }
    }
}

#[test]
fn the_help_and_the_page_have_the_same_options() {
    let page = text(PROGRAM);
    let help = help();
    let helped = words(&help, "--");
    assert!(helped.contains("--help"));
    let described = words(&page, "--");
    for option in &helped {
        assert!(
            described.contains(option),
            "{PROGRAM} does not know {option}"
        );
    }
    // Those of ifup and ifdown are named elsewhere in the page; ours are described under OPTIONS.
    let described = page.split("\nOPTIONS\n").nth(1).expect("a section OPTIONS");
    let section = described.split("\nTABLE NAMES\n").next();
    for option in words(section.expect("its end"), "--") {
        assert!(helped.contains(option), "--help does not know {option}");
    }
}

/// What the page says of each command, under a heading that is its synopsis.
fn page_of_command<'a>(page: &'a str, name: &str) -> &'a str {
    let commands = page.split("\nCOMMANDS\n").nth(1);
    let commands = commands.and_then(|rest| rest.split("\nOPTIONS\n").next());
    let heading = format!("\npolicy-table {name} ");
    let rest = commands.and_then(|commands| commands.split(&heading).nth(1));
    let rest = rest.unwrap_or_else(|| panic!("{PROGRAM} has no heading {heading:?} in COMMANDS"));
    rest.split("\npolicy-table ").next().unwrap()
}

#[test]
fn commands_have_the_same_options_in_help_page_and_completion() {
    let page = text(PROGRAM);
    let completion = text("completions/policy-table");
    let all: BTreeSet<String> = COMMANDS
        .iter()
        .flat_map(|command| command.options)
        .map(|option| format!("--{}", option.long))
        .collect();
    for command in COMMANDS {
        let described = words(page_of_command(&page, command.name), "--");
        let helped = command.help();
        let options: BTreeSet<String> = command
            .options
            .iter()
            .map(|option| format!("--{}", option.long))
            .collect();
        let named: BTreeSet<String> = described.iter().map(ToString::to_string).collect();
        // It may name those of other commands, but nothing that does not exist.
        assert!(named.is_superset(&options), "{PROGRAM}: {}", command.name);
        let unknown: Vec<&String> = named
            .iter()
            .filter(|option| !all.contains(*option))
            .collect();
        assert!(
            unknown.is_empty(),
            "{PROGRAM}: {}: {unknown:?}",
            command.name
        );
        assert!(
            helped.contains(&format!("\n    {}\n", command.example)),
            "{helped}"
        );
        assert!(helped.lines().all(|line| line.len() < 80), "{helped}");
        let prefix = format!("    {})", command.name);
        let completed = completion
            .lines()
            .find(|line| line.starts_with(&prefix))
            .unwrap_or_else(|| panic!("the completion has no line {prefix:?}"));
        let mut completed: BTreeSet<&str> = words(completed, "--");
        assert!(completed.remove("--help"), "{}", command.name);
        let completed: BTreeSet<String> = completed.iter().map(ToString::to_string).collect();
        assert_eq!(completed, options, "the completion of {}", command.name);
        assert!(text(README).contains(&format!("`policy-table {}", command.name)));
    }
}

#[test]
fn the_package_has_the_programs_version() {
    let changelog = text("debian/changelog");
    let version = changelog.split(['(', ')']).nth(1).unwrap();
    let upstream = version
        .rsplit_once('-')
        .map_or(version, |(upstream, _)| upstream);
    assert_eq!(upstream, env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_readers_of_documents_see_what_is_there() {
    let page =
        ".TH X 5\n.TP\n.BR policy\\-table \" NAME\"\nText\n.EX\niface eth1 inet static\n    \
                address 10.0.0.2/24\n    policy\\-table rt2\n.EE\nMore.\n.B \\-\\-help\n";
    let plain = without_markup(page);
    assert!(
        plain.contains("\n    iface eth1 inet static\n        address"),
        "{plain}"
    );
    assert!(plain.lines().any(|line| line == "--help"), "{plain}");
    let found = words(
        "ifupdown-policy-table policy-table(8) `policy-rule-1`, policy-*, policy-x.",
        "policy-",
    );
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["policy-rule-1", "policy-table", "policy-x"]
    );
    assert_eq!(without_number("policy-rule-1"), "policy-rule");
    assert_eq!(without_number("policy-on-error"), "policy-on-error");
}
