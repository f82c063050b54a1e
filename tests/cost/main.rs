//! What a run of the hook costs in instructions and system calls, held to the figures in
//! `tests/cost/figures`. Neither depends on what else the machine does. And what stays: the keeper's memory.
//!
//! Counted are the instructions in the program's own object: those of libc differ from processor
//! to processor. They still differ between compilers, so that the figures are kept for each
//! version of rustc; for one without figures the nearest serves, with more slack, which is said.
//!
//! To accept what is counted now:
//! `cargo build --release && sudo COST_ACCEPT=1 POLICY_TABLE_PROGRAMS=$PWD/target/release cargo test --test cost`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod keepers_memory;
mod many_stanzas;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::callgrind::{all_instructions, COUNTED, PROFILE};
use support::lab::{lab, Lab, DOWN, NAMES, UP};
use support::tree::top;

/// By how much a count may exceed its figure, in percent.
const SLACK: u64 = 5;
/// By how much it may where the figures are of another rustc.
const SLACK_OF_ANOTHER: u64 = 30;

/// Most system calls of an up of a known name, beyond those of one that has nothing to do.
const SYSTEM_CALLS: u64 = 38;

fn call(direction: &str, options: &str) -> String {
    let (hook, when) = match direction {
        "up" => (UP, "MODE=start PHASE=post-up"),
        _ => (DOWN, "MODE=stop PHASE=pre-down"),
    };
    let stanza = "IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD=static VERBOSITY=0 \
        IF_ADDRESS=10.10.0.10 IF_NETMASK=255.255.255.0 IF_BROADCAST=10.10.0.255";
    format!("env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin {stanza} {options} {when} TOOL {hook}")
}

/// The text of [`NAMES`] as the tests find it, and with the names of 4,000 tables behind.
const FEW: &str = "/run/names.few";
const MANY: &str = "/run/names.many";

/// Nothing beside the interface.
const ALONE: &str = "ip address flush dev docker0";
/// A network that `policy-mode strict` cuts off, and that the summary names.
const BESIDE: &str = "ip address replace 172.17.0.1/16 dev docker0";

/// The runs, each with what makes ready for it.
fn runs() -> [(&'static str, String, String); 5] {
    let options = "IF_POLICY_TABLE=rt2 IF_GATEWAY=10.10.0.1";
    let (up, down) = (call("up", options), call("down", options));
    let after = |names: &str, before: &str| format!("cp {names} {NAMES}; {ALONE}; {before}");
    [
        ("up", after(FEW, &down), up.clone()),
        ("down", after(FEW, &up), down.clone()),
        ("not-ours", after(FEW, &down), call("up", "")),
        ("up-4000-names", after(MANY, &down), up.clone()),
        ("up-cuts-off", after(FEW, &format!("{down}; {BESIDE}")), up),
    ]
}

/// The name that the runs need is a known one from here on.
fn register_names(lab: &Lab) {
    lab.ok(&call("up", "IF_POLICY_TABLE=rt2").replace("TOOL ", ""));
    let few = lab.text(NAMES);
    let others = (0..4000)
        .map(|number| format!("{}\tt{number}\t# ifupdown-policy-table\n", 30_000 + number));
    lab.write(MANY, &others.fold(few.clone(), |text, line| text + &line));
    lab.write(FEW, &few);
}

/// The instructions of the program's own object, of what callgrind wrote.
fn own_instructions(profile: &str) -> u64 {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut ours, mut called, mut sum) = (false, false, 0);
    for line in profile.lines() {
        if let Some(object) = line.strip_prefix("ob=").or(line.strip_prefix("cob=")) {
            let (id, name) = object.split_once(' ').unwrap_or((object, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if line.starts_with("ob=") {
                ours = names
                    .get(id)
                    .is_some_and(|name| name.ends_with("/policy-table-hook"));
            }
        } else if line.starts_with("calls=") {
            called = true; // the next line is what the called function cost
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost = line
                .split(' ')
                .nth(1)
                .and_then(|cost| cost.parse::<u64>().ok());
            if ours && !called {
                sum += cost.unwrap_or(0);
            }
            called = false;
        }
    }
    sum
}

fn instructions(lab: &Lab) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for (name, before, run) in runs() {
        lab.ok(&before.replace("TOOL ", ""));
        lab.ok(&run.replace("TOOL ", &format!("{COUNTED} ")));
        let sum = own_instructions(&lab.text(PROFILE));
        assert!(sum > 1000, "{name}: {sum} instructions cannot be all");
        counted.insert(name.to_owned(), sum);
    }
    counted
}

fn system_calls(lab: &Lab) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for (name, before, run) in runs() {
        lab.ok(&before.replace("TOOL ", ""));
        lab.ok(&run.replace("TOOL ", "strace -o /run/calls "));
        let calls = lab.text("/run/calls");
        let calls = calls.lines().filter(|line| line.contains('(')).count();
        counted.insert(name.to_owned(), calls as u64);
    }
    counted
}

/// The most instructions, those of all objects, of a call for a whole interface on a host of a
/// thousand stanzas: with options in each, and with none in any. A processor does more than 4,000 in a
/// microsecond: 15 ms and 1 ms.
const WHOLE_INTERFACE: [(&str, u64); 2] = [
    (
        "    policy-table rt2\n    policy-rule to 192.0.2.0/24\n",
        60_000_000,
    ),
    ("    mtu 1400\n    up echo it is there\n", 4_000_000),
];

/// Whether the programs that are counted are optimised.
fn is_release() -> bool {
    let is_release = env::var_os("POLICY_TABLE_PROGRAMS").is_some() || !cfg!(debug_assertions);
    if !is_release {
        eprintln!(
            "not counted: this is no release build; set POLICY_TABLE_PROGRAMS to the folder of one"
        );
    }
    is_release
}

#[test]
fn a_call_for_an_interface_reads_a_thousand_stanzas_in_no_time() {
    if !is_release() {
        return;
    }
    lab(|lab| {
        lab.device("x500");
        lab.ok("ip link set x500 up && ip address add 10.2.244.10/24 dev x500");
        for (lines, most) in WHOLE_INTERFACE {
            let mut text = String::from("source /etc/network/interfaces.d/*\n");
            for n in 0..1000 {
                let net = format!("10.{}.{}", 1 + n / 256, n % 256);
                let _ = write!(
                    text,
                    "\nauto x{n}\niface x{n} inet static\n    address {net}.10/24\n    \
                     gateway {net}.1\n{lines}"
                );
            }
            lab.interfaces(&text);
            for (folder, when) in [
                ("if-post-up.d/00", "MODE=start PHASE=post-up"),
                ("if-pre-down.d/zz", "MODE=stop PHASE=pre-down"),
            ] {
                lab.ok(&format!(
                    "env -i PATH=/usr/bin:/bin IFACE=x500 METHOD=none {when} \
                     INTERFACES_FILE=/etc/network/interfaces {COUNTED} \
                     /etc/network/{folder}-policy-table"
                ));
                let counted = all_instructions(&lab.text(PROFILE));
                println!("{folder}: {counted} instructions");
                assert!(
                    counted <= most,
                    "{folder}: {counted} instructions of {most}"
                );
            }
        }
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

fn figures() -> PathBuf {
    top().join("tests/cost/figures")
}

/// Lines of a version, a run and its count.
fn read(text: &str) -> BTreeMap<(u64, u64), BTreeMap<String, u64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut found: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [version, name, count] = words[..] else {
            panic!("tests/cost/figures: {line}");
        };
        let own = found.entry(version_of(version)).or_default();
        own.insert(name.to_owned(), count.parse().unwrap());
    }
    found
}

fn version_of(text: &str) -> (u64, u64) {
    let (major, rest) = text.split_once('.').unwrap();
    let minor = rest.split('.').next().unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

fn rustc() -> (u64, u64) {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let said = Command::new(rustc).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    version_of(said.split(' ').nth(1).unwrap())
}

const HEAD: &str = "# Instructions of the program's own in a run of the hook: rustc, run, count. tests/cost/main.rs says more.\n";

fn accept(version: (u64, u64), counted: BTreeMap<String, u64>) {
    let mut all = read(&fs::read_to_string(figures()).unwrap_or_default());
    all.insert(version, counted);
    let mut text = HEAD.to_owned();
    for ((major, minor), counts) in all {
        for (name, count) in counts {
            let _ = writeln!(text, "{major}.{minor} {name} {count}");
        }
    }
    fs::write(figures(), text).unwrap();
}

#[test]
fn a_run_of_the_hook_costs_no_more_than_it_did() {
    if !is_release() {
        return;
    }
    if !cfg!(target_arch = "x86_64") {
        eprintln!("not counted: the figures are of x86_64");
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up && ip address add 10.10.0.10/24 dev eth1");
        lab.device("docker0");
        lab.ok("ip link set docker0 up");
        register_names(lab);
        let calls = system_calls(lab);
        println!("system calls: {calls:?}");
        let beyond = |name: &str| calls[name] - calls["not-ours"];
        assert!(
            beyond("up") <= SYSTEM_CALLS,
            "up: {} system calls",
            beyond("up")
        );

        let (version, counted) = (rustc(), instructions(lab));
        println!("instructions: {counted:?}");
        if env::var_os("COST_ACCEPT").is_some() {
            return accept(version, counted);
        }
        let all = read(&fs::read_to_string(figures()).unwrap());
        let (nearest, accepted) = all
            .iter()
            .min_by_key(|((_, minor), _)| minor.abs_diff(version.1))
            .unwrap();
        let slack = if *nearest == version {
            SLACK
        } else {
            eprintln!(
                "no figures of rustc {version:?}: {SLACK_OF_ANOTHER} % slack to those of {nearest:?}"
            );
            SLACK_OF_ANOTHER
        };
        for (name, accepted) in accepted {
            let now = counted[name];
            assert!(
                now * 100 <= accepted * (100 + slack),
                "{name}: {now} instructions, {accepted} accepted; COST_ACCEPT=1 accepts them"
            );
            if now * (100 + slack) < accepted * 100 {
                eprintln!("{name}: {now} instructions, {accepted} accepted: less, worth accepting");
            }
        }
    });
}

#[test]
fn what_callgrind_writes_is_read() {
    let profile =
        "ob=(1) /usr/libexec/ifupdown-policy-table/policy-table-hook\nfn=(1) main\n1 10\n+2 5\n\
        cob=(2) /lib/libc.so.6\ncfn=(2) free\ncalls=1 0\n* 700\n* 3\n\
        ob=(2)\nfn=(2)\n0 700\nob=(1)\nfn=(1)\n0 2\n";
    assert_eq!(own_instructions(profile), 20);
}
