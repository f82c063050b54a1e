//! What a run of the hook costs beside the other ways to the same end. Run it by `benches/run`.
//!
//! In a lab, so that nothing of the machine is touched. What is compared is run in turn, round by
//! round, so that whatever else the machine does falls on all alike.

#![allow(clippy::format_push_string)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss
)]

#[path = "../../tests/support/mod.rs"]
mod support;
mod host;
mod many;
mod plot;
mod report;
mod single;
mod ways;

use std::path::PathBuf;
use std::{env, fs};

use report::{Host, Report};
use support::lab::lab;

/// A build of the hook, with the empty programs to measure it by.
pub struct Build {
    /// `dynamic` or `static`.
    pub kind: String,
    /// The hook.
    pub hook: String,
    /// The program with the commands.
    pub commands: String,
    /// The keeper's.
    pub keeper: String,
    /// Empty programs, with what they are called; the first is the measure.
    pub empty: [(String, String); 2],
}

/// How often each is run.
pub struct Effort {
    /// Rounds of one hook for one interface.
    pub rounds: usize,
    /// Rounds of a whole `ifup`.
    pub whole: usize,
    /// Numbers of interfaces.
    pub interfaces: Vec<usize>,
    /// Names registered on a disk.
    pub names: usize,
    /// Interfaces and routes of the host that commands are run on.
    pub host: (usize, usize),
}

/// What `benches/run` has made of a kind.
fn build(kind: &str) -> Option<Build> {
    let folder = env::var(format!("BENCH_{}", kind.to_uppercase())).ok()?;
    let path = |name: &str| format!("{folder}/{name}");
    Some(Build {
        kind: kind.to_owned(),
        hook: path("policy-table-hook"),
        commands: path("policy-table"),
        keeper: path("policy-table-keep"),
        empty: [
            (format!("empty Rust program, {kind}"), path("empty")),
            (
                format!("empty program linked as ours, {kind}"),
                path("empty-as-ours"),
            ),
        ],
    })
}

/// What the programs of a build take on a disk, in bytes.
fn sizes(build: &Build) -> Vec<(String, u64)> {
    let [(_, _), (empty, path)] = &build.empty;
    let hook = format!("`policy-table-hook`, {}", build.kind);
    let commands = format!("`policy-table`, {}", build.kind);
    let keeper = format!("`policy-table-keep`, {}", build.kind);
    let programs = [
        (empty, path),
        (&hook, &build.hook),
        (&commands, &build.commands),
        (&keeper, &build.keeper),
    ];
    let size = |path: &String| fs::metadata(path).unwrap().len();
    programs
        .map(|(name, path)| (name.clone(), size(path)))
        .to_vec()
}

fn main() {
    let arguments: Vec<_> = env::args_os().collect();
    if arguments.get(1).is_some_and(|flag| flag == "--memory") {
        return ways::tell_memory(&arguments[2..]);
    }
    let quick = env::args().any(|argument| argument == "--quick");
    let effort = if quick {
        Effort {
            rounds: 20,
            whole: 10,
            interfaces: vec![10, 40],
            names: 10,
            host: (40, 1000),
        }
    } else {
        Effort {
            rounds: 300,
            whole: 30,
            interfaces: vec![10, 100, 1000, 4000],
            names: 100,
            host: (4000, 100_000),
        }
    };
    let results = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(if quick {
        "target/bench"
    } else {
        "benches/results"
    });
    let builds: Vec<Build> = ["dynamic", "static"]
        .into_iter()
        .filter_map(build)
        .collect();
    assert!(!builds.is_empty(), "run this by benches/run");
    let mut report = Report {
        sizes: builds.iter().flat_map(sizes).collect(),
        ..Report::default()
    };
    lab(|lab| {
        for build in &builds {
            report
                .single
                .push((build.kind.clone(), single::hook(lab, build, effort.rounds)));
        }
        report.whole = single::ifup(lab, &builds, effort.whole);
        report.many = many::interfaces(lab, &builds, &effort.interfaces);
        report.names = many::names(lab, &builds[0].hook, effort.names);
    });
    // In a lab of its own, where nothing is left of all that.
    lab(|lab| {
        let (interfaces, routes) = effort.host;
        let asked = host::commands(lab, &builds[0].commands, interfaces, routes);
        report.host = Host {
            interfaces,
            routes,
            asked,
        };
    });
    fs::create_dir_all(&results).unwrap();
    let text = report.text();
    fs::write(results.join("hook.md"), &text).unwrap();
    fs::write(results.join("hook.svg"), plot::svg(&report)).unwrap();
    println!("{text}");
}
