//! Each check of the source finds what is planted in a small tree, and nothing in the same tree
//! without it.

use super::source::Tree;
use super::{
    beside_the_entrances, crates, of_one_name, out_of_order, reaches, too_long, touching_files,
    unlisted, with_word, without_a_word, HEADER, LONGEST, NOT_THE_HOOKS,
};

/// A tree in which all is well. `net` has a file, a folder and one that uses both.
const WELL: [(&str, &str); 17] = [
    (
        "src/lib.rs",
        "mod text;\npub mod net;\nmod ifupdown;\nmod check;\nmod migrate;\nmod explain;\n\
         mod converge;\npub mod hook;\npub mod cli;\n",
    ),
    ("src/text.rs", "pub(crate) fn plain() {}\n"),
    (
        "src/net/mod.rs",
        "mod name;\npub mod line;\nmod route;\n\npub use name::{Name, MOST as LIMIT};\n\
         pub(crate) use route::Route;\n",
    ),
    ("src/net/name.rs", "pub struct Name;\npub const MOST: u8 = 9;\n"),
    (
        "src/net/line/mod.rs",
        "mod words;\nmod reader;\npub(crate) use reader::*;\n",
    ),
    ("src/net/line/words.rs", "use super::super::Name;\npub struct Words(Name);\n"),
    (
        "src/net/line/reader.rs",
        "use super::words::Words;\nuse crate::text::plain;\npub fn read(words: Words) {}\n",
    ),
    (
        "src/net/route.rs",
        "use std::process::ExitCode;\nuse super::{line, name::Name};\n\
         pub struct Route(Name);\nfn of() -> u8 { line::read(super::LIMIT) }\n\
         #[cfg(test)]\nmod tests {\n    use super::*;\n    use std::fs;\n    const A: &str = \"/proc\";\n}\n",
    ),
    ("src/ifupdown/mod.rs", "mod call;\npub mod interfaces;\npub use call::Call;\n"),
    ("src/ifupdown/call.rs", "pub struct Call;\nfn read() { std::fs::read(\"/proc\") }\n"),
    ("src/ifupdown/interfaces/mod.rs", "pub fn parsed() {}\n"),
    ("src/check/mod.rs", "pub fn check() {}\n"),
    ("src/migrate/mod.rs", "pub fn migrate() {}\n"),
    ("src/explain/mod.rs", "pub fn explain() {}\n"),
    (
        "src/converge/mod.rs",
        "use crate::net::Route;\nuse crate::ifupdown::Call;\npub fn up() {}\n",
    ),
    ("src/hook.rs", "use crate::{converge::up, ifupdown::Call};\n"),
    ("src/bin/hook.rs", "use policy_table::{cli, hook};\nuse policy_table::ifupdown::Call;\n"),
];

/// That tree, with a `cli` and with texts put before those of some of its files, or files of their
/// own.
fn with(more: &[(&str, &str)]) -> Tree {
    let cli = (
        "src/cli/mod.rs",
        "use crate::check::check;\npub fn run() {}\n",
    );
    let mut files: Vec<(String, String)> = WELL
        .iter()
        .chain(&[cli])
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    for (path, text) in more {
        match files.iter_mut().find(|(known, _)| known == path) {
            Some((_, own)) => own.insert_str(0, text),
            None => files.push(((*path).to_owned(), (*text).to_owned())),
        }
    }
    Tree::new(files)
}

/// What is planted is found, once, in these words; and only by the check in question.
fn finds(check: impl Fn(&Tree) -> Vec<String>, planted: &[(&str, &str)], said: &str) {
    assert_eq!(check(&with(&[])), [""; 0]);
    assert_eq!(check(&with(planted)), [said], "{planted:?}");
}

fn hooks_reach(tree: &Tree) -> Vec<String> {
    reaches(tree, "src/hook.rs", &NOT_THE_HOOKS)
}

#[test]
fn the_reader_of_uses_sees_every_form() {
    let text = "use crate::net::{A, B as C};
        use crate::{\n route_message,\n rule::{self, X, y::*}, wire};
        use super::beside::{Z}; // use crate::comment::A
        /* use crate::comment::B */ pub(crate) use self::below::One;
        fn f<'a>(x: &'a str) -> char { crate::store::FOLDER; \"crate::quoted\"; r#\"crate::raw\"#; '\"' }
        impl C { fn g() { super::other::g(crate::text::h::<u8>()); C::new(); } }
        mod tests { use super::*; use super::super::outside; fn h() { self::own() } }";
    let tree = Tree::new([("src/a/b.rs".to_owned(), text.to_owned())]);
    let source = tree.file("src/a/b.rs").unwrap();
    let own: Vec<String> = source.own().map(|name| name.path.join("::")).collect();
    assert_eq!(
        own,
        [
            "net::A",
            "net::B",
            "route_message",
            "rule",
            "rule::X",
            "rule::y",
            "wire",
            "a::beside::Z",
            "a::b::below::One",
            "a::b",
            "a::outside",
            "store::FOLDER",
            "a::other::g",
            "text::h",
            "net::B::new",
        ]
    );
    assert_eq!(source.quoted, ["crate::quoted", "crate::raw"]);
}

#[test]
fn what_is_handed_on_is_found_where_it_stands() {
    let tree = with(&[
        (
            "src/cli/mod.rs",
            "mod a;\npub use a::A;\npub use crate::net::Name as Other;\npub use std::io;\n",
        ),
        ("src/cli/a.rs", "pub struct A;\n"),
    ]);
    for (path, place) in [
        ("net::Name", "src/net/name.rs"),
        ("net::LIMIT", "src/net/name.rs"),
        ("net::line::read", "src/net/line/reader.rs"),
        ("net::line", "src/net/line/mod.rs"),
        ("net::Route::new", "src/net/route.rs"),
        ("cli::Other::new", "src/net/name.rs"),
        ("cli::A", "src/cli/a.rs"),
        ("cli::io::Error", "src/cli/mod.rs"),
        ("cli::run", "src/cli/mod.rs"),
    ] {
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        assert_eq!(tree.place_of(&path).unwrap().path, place, "{path:?}");
    }
}

#[test]
fn a_use_of_what_stands_below_is_found() {
    // Between folders, whichever way it is said, and through what a folder hands on.
    finds(
        out_of_order,
        &[("src/net/name.rs", "use crate::converge::up;\n")],
        "src/net/name.rs uses converge::up of src/converge/mod.rs, which stands below it in \
         src/lib.rs",
    );
    finds(
        out_of_order,
        &[("src/text.rs", "fn f() { crate::net::line::read() }\n")],
        "src/text.rs uses net::line::read of src/net/line/reader.rs, which stands below it in \
         src/lib.rs",
    );
    finds(
        out_of_order,
        &[("src/net/mod.rs", "pub use crate::hook;\n")],
        "src/net/mod.rs uses hook of src/hook.rs, which stands below it in src/lib.rs",
    );
    // In a folder.
    let of_route = "src/net/name.rs uses net::Route of src/net/route.rs, which stands below it in \
                    src/net/mod.rs";
    for said in ["use super::Route;\n", "use crate::net::Route;\n"] {
        finds(out_of_order, &[("src/net/name.rs", said)], of_route);
    }
    finds(
        out_of_order,
        &[("src/net/name.rs", "use super::route::Route;\n")],
        "src/net/name.rs uses net::route::Route of src/net/route.rs, which stands below it in \
         src/net/mod.rs",
    );
    // A subfolder is one file of its folder, in both directions.
    finds(
        out_of_order,
        &[("src/net/line/words.rs", "use crate::net::Route;\n")],
        "src/net/line/words.rs uses net::Route of src/net/route.rs, which stands below it in \
         src/net/mod.rs",
    );
    finds(
        out_of_order,
        &[("src/net/name.rs", "use super::line::read;\n")],
        "src/net/name.rs uses net::line::read of src/net/line/reader.rs, which stands below it in \
         src/net/mod.rs",
    );
    finds(
        out_of_order,
        &[("src/net/line/words.rs", "use super::read;\n")],
        "src/net/line/words.rs uses net::line::read of src/net/line/reader.rs, which stands below \
         it in src/net/line/mod.rs",
    );
    // In tests too.
    finds(
        out_of_order,
        &[(
            "src/text.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::net::Name;\n}\n",
        )],
        "src/text.rs uses net::Name of src/net/name.rs, which stands below it in src/lib.rs",
    );
}

#[test]
fn a_use_of_what_the_own_folder_has_itself_is_found() {
    finds(
        out_of_order,
        &[
            ("src/net/mod.rs", "pub struct Whole;\n"),
            ("src/net/name.rs", "use super::Whole;\n"),
        ],
        "src/net/name.rs uses net::Whole of src/net/mod.rs, which it is a part of",
    );
}

#[test]
fn a_use_between_those_that_are_apart_is_found() {
    finds(
        out_of_order,
        &[("src/explain/mod.rs", "use crate::check::check;\n")],
        "src/explain/mod.rs uses check::check of src/check/mod.rs, from which it is to stay apart",
    );
}

#[test]
fn a_program_that_reaches_further_is_found() {
    finds(
        beside_the_entrances,
        &[("src/bin/hook.rs", "use policy_table::net::Name;\n")],
        "src/bin/hook.rs uses net::Name of src/net/name.rs",
    );
    finds(
        beside_the_entrances,
        &[(
            "src/bin/hook.rs",
            "use policy_table::ifupdown::interfaces;\n",
        )],
        "src/bin/hook.rs uses ifupdown::interfaces of src/ifupdown/interfaces/mod.rs",
    );
}

#[test]
fn a_way_from_the_hooks_to_the_commands_is_found() {
    finds(
        hooks_reach,
        &[("src/hook.rs", "use crate::cli::run;\n")],
        "src/hook.rs -> src/cli/mod.rs",
    );
    // Over other files, and over what a folder hands on.
    finds(
        hooks_reach,
        &[("src/net/name.rs", "use crate::check::check;\n")],
        "src/hook.rs -> src/converge/mod.rs -> src/net/route.rs -> src/net/name.rs -> \
         src/check/mod.rs",
    );
    finds(
        hooks_reach,
        &[
            ("src/net/mod.rs", "pub use crate::explain::explain;\n"),
            ("src/ifupdown/call.rs", "use crate::net::explain;\n"),
        ],
        "src/hook.rs -> src/ifupdown/call.rs -> src/explain/mod.rs",
    );
    // What is handed on and not used, or used by tests alone, is no way.
    let unused = [
        ("src/converge/mod.rs", "pub use crate::explain::explain;\n"),
        ("src/hook.rs", "#[cfg(test)]\nuse crate::check::check;\n"),
    ];
    assert_eq!(hooks_reach(&with(&unused)), [""; 0]);
}

#[test]
fn a_file_that_is_not_listed_is_found_and_a_list_without_a_file() {
    finds(
        unlisted,
        &[("src/net/rule.rs", "")],
        "src/net/rule.rs is listed nowhere",
    );
    finds(
        unlisted,
        &[("src/net/mod.rs", "pub(crate) mod rule;\n")],
        "src/net/mod.rs lists rule, which is no file",
    );
    finds(
        unlisted,
        &[("src/text.rs", "mod rule;\n"), ("src/text/rule.rs", "")],
        "src/text/rule.rs is in a folder without a mod.rs",
    );
}

#[test]
fn a_file_that_is_open_to_others_is_found() {
    for open in ["pub mod rule;\n", "pub(crate) mod rule;\n"] {
        finds(
            super::open,
            &[("src/net/mod.rs", open), ("src/net/rule.rs", "")],
            "src/net/rule.rs is open to others",
        );
    }
}

#[test]
fn a_folder_that_does_not_say_what_it_is_for_is_found() {
    let with_lines = |lines: usize| {
        let tree = Tree::new([("src/net/mod.rs".to_owned(), "//! A line.\n".repeat(lines))]);
        without_a_word(&tree)
    };
    for lines in [*HEADER.start(), *HEADER.end()] {
        assert_eq!(with_lines(lines), [""; 0]);
    }
    for lines in [0, HEADER.start() - 1, HEADER.end() + 1] {
        let said = format!("src/net/mod.rs begins with {lines} lines of //!, not 10..=30");
        assert_eq!(with_lines(lines), [said]);
    }
}

#[test]
fn a_file_that_is_too_long_is_found() {
    let long = "//\n".repeat(LONGEST - 1);
    assert_eq!(too_long(&with(&[("src/text.rs", &long)])), [""; 0]);
    let longer = "//\n".repeat(LONGEST);
    let said = format!("src/text.rs has {} lines, not up to {LONGEST}", LONGEST + 1);
    assert_eq!(too_long(&with(&[("src/text.rs", &longer)])), [said]);
}

#[test]
fn two_types_of_one_name_are_found() {
    assert_eq!(of_one_name(&with(&[])), [""; 0]);
    let planted = [
        ("src/text.rs", "pub struct Shown<'a>(&'a str);\n"),
        (
            "src/hook.rs",
            "impl A for B {\n    type Shown = B;\n}\nenum Shown {}\n",
        ),
    ];
    let said = "Shown is a type in src/hook.rs and in src/text.rs";
    assert_eq!(of_one_name(&with(&planted)), [said]);
}

#[test]
fn what_touches_files_in_the_middle_is_found() {
    for (planted, said) in [
        ("use std::{fs, io};\n", "src/text.rs uses std::fs"),
        ("use std::fs::File;\n", "src/text.rs uses std::fs::File"),
        (
            "fn f() { std::process::exit(1) }\n",
            "src/text.rs uses std::process::exit",
        ),
        (
            "use nix::fcntl::OFlag;\n",
            "src/text.rs uses nix::fcntl::OFlag",
        ),
        (
            "const LOCKS: &str = \"/proc/locks\";\n",
            "src/text.rs looks into /proc/locks",
        ),
    ] {
        finds(touching_files, &[("src/text.rs", planted)], said);
    }
}

#[test]
fn a_word_that_may_not_be_there_is_found() {
    let file = |path: &str, text: &str| [(path.to_owned(), text.to_owned())];
    let found = |path: &str, text: &str, of_code: bool| {
        with_word(&file(path, text), "later", of_code).len()
    };
    assert_eq!(found("debian/rules", "# later: all", false), 1);
    assert_eq!(found("debian/rules", "# later_on", false), 0);
    assert_eq!(found("src/text.rs", "later {}", true), 1);
    assert_eq!(found("src/text.rs", "f() // later", true), 0);
    assert_eq!(found("tests/run", "later", true), 0);
}

#[test]
fn a_crate_without_a_reason_is_found() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\" # why it is there\n\
                    b = \"1\"\n[dev-dependencies]\nc = \"1\" # short\n";
    let reasons: Vec<bool> = crates(manifest).into_iter().map(|(_, has)| has).collect();
    assert_eq!(reasons, [true, false, false]);
}
