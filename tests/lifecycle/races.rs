//! What runs side by side: two hundred interfaces that come up and go down, all with table names
//! that are new, while other programs append to the file of names. The real `ifup`, judged by `ip`;
//! `cargo test --test lifecycle races -- --nocapture` prints how many runs there were. The mix at
//! the end takes 10 seconds, or as many as `RACES_SECONDS` says.
//!
//! And who holds a lock that another run waits for is said, which can be nobody but root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::support::lab::{lab, lines, Lab, NAMES};
use crate::support::random::{number_in, Random};

const LOCKS: [&str; 2] = [
    "/run/policy-table-names.lock",
    "/run/policy-table-records.lock",
];

/// Longer than any run may take.
const LONGEST: &str = "timeout -s KILL 60";

const INTERFACES: usize = 200;
const WORKERS: usize = 16;
/// So many of them have one table more in common, and a rule that leads into it.
const GROUP: usize = 8;

const STANZA: &str = "iface w0 inet static\n address 10.0.0.10/24\n policy-table wan0\n";

/// What a run without the lock put in is in the record all the same, and a later run makes one part
/// of it and what was there.
#[test]
fn what_is_put_in_without_the_lock_is_recorded() {
    lab(|lab| {
        lab.device("w0");
        lab.interfaces(STANZA);
        let record = "/run/policy-table/w0";
        let lock = || {
            let held = File::create(LOCKS[1]).unwrap();
            let held = Flock::lock(held, FlockArg::LockExclusive);
            held.map_err(|(_, error)| error).unwrap()
        };
        let held = lock();
        assert_eq!(lab.sh("ifup w0").code, 0);
        let (before, begun) = (lab.tagged(), lab.text(record));
        assert_eq!(before.len(), 4);
        assert!(
            begun.contains("\n#: call ifupdown interface w0 "),
            "{begun}"
        );
        drop(held);
        lab.ok("policy-table apply w0");
        assert_eq!(lab.text(record), begun);
        // Another table, and again no lock: what was there and what came are both in the record.
        lab.interfaces(&STANZA.replace("wan0", "wan1"));
        let held = lock();
        assert_eq!(lab.sh("ifup --force --ignore-errors w0").code, 0);
        let added = lab.text(record);
        assert!(
            added.starts_with(&format!("{begun}incomplete\n")),
            "{added}"
        );
        assert_eq!(added.matches("#: call").count(), 2, "{added}");
        drop(held);
        // ifdown takes both out.
        lab.write("/run/added", &added);
        lab.ok("policy-table apply w0");
        let merged = lab.text(record);
        assert_eq!(
            merged,
            begun
                .replace("wan0", "wan1")
                .replace(&id(lab, "wan0"), &id(lab, "wan1"))
        );
        assert_eq!(lab.tagged().len(), 4);
        lab.ok("cp /run/added /run/policy-table/w0; ifdown w0");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

/// The number of a table, by its name.
fn id(lab: &Lab, table: &str) -> String {
    let names = lab.text(NAMES);
    let mut lines = names.lines().map(str::split_whitespace);
    let line = lines.find(|line| line.clone().nth(1) == Some(table));
    line.and_then(|mut line| line.next()).unwrap().to_owned()
}

/// A lock that is never given back costs ten seconds and what it protects, not the network; the
/// holder is named.
#[test]
fn a_lock_that_others_keep_has_its_holder_named() {
    for (file, what, lost) in [
        (
            LOCKS[0],
            "table wan0 is not registered in",
            "going on with its ID alone",
        ),
        (LOCKS[1], "no record in", "ifdown will go by the stanza"),
    ] {
        lab(|lab| {
            lab.device("w0");
            lab.interfaces(STANZA);
            let held = File::create(file).unwrap();
            let held = Flock::lock(held, FlockArg::LockExclusive).map_err(|(_, error)| error);
            let started = Instant::now();
            let said = lab.sh(&format!("{LONGEST} ifup w0"));
            let waited = started.elapsed();
            assert!(waited.as_secs() >= 10, "{waited:?}");
            let own = std::env::current_exe().unwrap();
            let own = own.file_name().unwrap().to_string_lossy();
            let holder = format!("process {} ({own})", std::process::id());
            let ours = said.ours();
            assert_eq!((said.code, ours.len()), (0, 1), "{said:?}");
            let long = format!("has held {file} for 10 seconds");
            for part in [what, &holder, &long, lost] {
                assert!(ours[0].contains(part), "{part}: {said:?}");
            }
            assert_eq!(lab.tagged().len(), 4);
            drop(held.unwrap());
            assert_eq!(lab.sh("ifdown w0").err, "");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

/// Locks a file as a user, for longer than a run would wait; `None` if the user may not.
fn locked_by_user(lab: &Lab, path: &str) -> Option<Child> {
    let mut user = Command::new("setpriv");
    user.args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["flock", "--no-fork", path, "sleep", "15"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut user = user.spawn().unwrap();
    while lab.sh(&format!("flock --nonblock {path} true")).code == 0 {
        if user.try_wait().unwrap().is_some() {
            return None;
        }
    }
    Some(user)
}

/// A user can lock all that can be opened, be it only to read.
#[test]
fn what_a_user_locks_delays_nothing() {
    lab(|lab| {
        lab.device("w0");
        lab.interfaces(STANZA);
        lab.ok("ifup w0");
        let files = lab.ok("find /etc/iproute2 /run/policy-table* /run -maxdepth 1");
        let mut holders = Vec::new();
        for path in files.lines() {
            let holder = locked_by_user(lab, path);
            assert_eq!(holder.is_none(), LOCKS.contains(&path), "{path}");
            holders.extend(holder);
        }
        assert!(holders.len() > 4, "{files}");
        for lock in LOCKS {
            assert_eq!(lab.ok(&format!("stat -c %a:%U:%s {lock}")), "600:root:0\n");
        }
        let started = Instant::now();
        assert_eq!(lab.sh("ifdown w0").err, "");
        assert_eq!(lab.tagged(), [""; 0]);
        let other = STANZA.replace("wan0", "wan1");
        lab.interfaces(&other);
        assert_eq!(lab.sh("ifup w0").err, "");
        assert_eq!(lab.tagged().len(), 4);
        let names = lab.text(NAMES);
        assert!(names.contains("\twan1\t"), "{names}");
        let waited = started.elapsed().as_secs();
        assert!(waited < 10, "{waited} s: a lock was waited for");
        for mut holder in holders {
            assert!(holder.try_wait().unwrap().is_none(), "not held so long");
            holder.kill().unwrap();
            holder.wait().unwrap();
        }
    });
}

/// A lock that cannot be had costs what it is for, at worst.
#[test]
fn without_a_place_for_the_locks_routing_comes_up() {
    lab(|lab| {
        lab.device("w0");
        lab.interfaces(STANZA);
        lab.ok(&format!("mkdir {} {}", LOCKS[0], LOCKS[1]));
        let said = lab.sh("ifup w0");
        let why = "Is a directory (os error 21)";
        let ours = [
            format!(
                "w0: no lock on table names: {}: {why}; going on without",
                LOCKS[0]
            ),
            format!(
                "w0: no record in /run/policy-table: {}: {why}; ifdown will go by the stanza",
                LOCKS[1]
            ),
        ];
        assert_eq!(
            (said.code, said.ours()),
            (0, ours.iter().map(String::as_str).collect())
        );
        assert_eq!(lab.tagged().len(), 4);
        assert!(lab.text(NAMES).contains("\twan0\t"));
        assert_eq!(lab.sh("ifdown w0").code, 0);
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

fn address(n: usize) -> String {
    format!("10.{}.{}", n / 100, n % 100)
}

fn devices(n: usize) -> String {
    format!("link add w{n} type veth peer name w{n}p\nlink set w{n}p up\n")
}

fn stanza(n: usize) -> String {
    let (network, group) = (address(n), n / GROUP);
    format!(
        "iface w{n} inet static\n address {network}.10/24\n policy-table wan{n}
        policy-route 198.18.{n}.0/24 dev w{n} table group{group}
        policy-rule from 10.200.{group}.0/24 lookup group{group}\n"
    )
}

fn prepared(lab: &Lab) {
    let all = |text: fn(usize) -> String| (0..INTERFACES).map(text).collect::<String>();
    lab.write("/run/devices", &all(devices));
    lab.ok("ip -batch /run/devices");
    lab.interfaces(&all(stanza));
}

/// A program that knows nothing of ours and appends a line each time, until the file `stop` is
/// there. It says how many it has appended.
fn stranger(name: &str, first: usize, append: &str) -> Child {
    let script = format!(
        "n=0
        while [ ! -e /run/stop ] && kill -0 {}; do
            n=$((n+1))
            printf '%d\\tforeign-{name}%d\\n' $(({first}+n)) $n {append}
            sleep 0.02
        done
        echo $n >/run/{name}",
        std::process::id()
    );
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).stdin(Stdio::null());
    shell.stderr(Stdio::null()).spawn().unwrap()
}

/// Runs commands side by side, a worker each; of an error of ours nothing is ever heard.
fn side_by_side(lab: &Lab, next: impl Fn(usize) -> Option<String> + Sync) -> usize {
    let runs = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, runs) = (&next, &runs);
            scope.spawn(move || {
                while let Some(command) = next(worker) {
                    let said = lab.sh(&format!("{LONGEST} {command}"));
                    assert_eq!(said.ours(), [""; 0], "{command}: {said:?}");
                    assert!(said.code < 128, "{command}: {said:?}");
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    runs.into_inner()
}

fn all(lab: &Lab, command: &str) {
    let next = AtomicUsize::new(0);
    let runs = side_by_side(lab, |_| {
        let n = next.fetch_add(1, Ordering::Relaxed);
        (n < INTERFACES).then(|| format!("{command} w{n}"))
    });
    assert_eq!(runs, INTERFACES);
}

/// Which interfaces ifupdown takes for up.
fn up(lab: &Lab) -> Vec<usize> {
    let state = lab.sh("ifquery --state").out;
    let mut up: Vec<usize> = state
        .lines()
        .filter_map(|line| line.strip_prefix('w')?.split('=').next()?.parse().ok())
        .collect();
    up.sort_unstable();
    up
}

/// The kernel has what these interfaces want, each thing once, and nothing else of ours.
fn assert_in_force(lab: &Lab, up: &[usize]) {
    let mut expected = Vec::new();
    for n in up {
        let network = address(*n);
        expected.extend([
            format!("21000: from {network}.10 lookup wan{n} proto policy-table"),
            format!("21000: from all to {network}.10 lookup wan{n} proto policy-table"),
            format!("default via {network}.1 dev w{n} table wan{n}"),
            format!("{network}.0/24 dev w{n} table wan{n} scope link src {network}.10"),
            format!(
                "198.18.{n}.0/24 dev w{n} table group{} scope link",
                n / GROUP
            ),
        ]);
    }
    let groups: BTreeSet<usize> = up.iter().map(|n| n / GROUP).collect();
    expected.extend(groups.iter().map(|group| {
        format!("20701: from 10.200.{group}.0/24 lookup group{group} proto policy-table")
    }));
    // A list by protocol leaves the protocol out.
    let routes = lab.sh("ip -4 route list table all proto policy-table").out;
    let mut found = lines(&routes);
    found.extend(lab.rules("-4"));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let mut records = lines(&lab.ok("ls -A /run/policy-table"));
    // What they have in common goes with the last.
    records.retain(|name| up.is_empty() || name != ".shared:");
    let mut of_up: Vec<String> = up.iter().map(|n| format!("w{n}")).collect();
    records.sort();
    of_up.sort();
    assert_eq!(records, of_up);
}

/// Every line is whole, and each name is there once.
fn assert_names(lab: &Lab, appended: &[(&str, usize)]) {
    let text = lab.text(NAMES);
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids: BTreeMap<u32, usize> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        *ids.entry(words[0].parse().unwrap()).or_default() += 1;
        *times.entry(words[1]).or_default() += 1;
        let ours = ["wan", "group"]
            .iter()
            .any(|name| words[1].starts_with(name));
        assert_eq!(
            words.get(2).copied(),
            ours.then_some("# ifupdown-policy-table"),
            "{line}"
        );
    }
    assert!(
        times.values().chain(ids.values()).all(|times| *times == 1),
        "{times:?} {ids:?}"
    );
    for n in 0..INTERFACES {
        let names = [format!("wan{n}"), format!("group{}", n / GROUP)];
        for name in names {
            assert!(times.contains_key(name.as_str()), "{name}");
        }
    }
    let mut count = 4 + INTERFACES + INTERFACES / GROUP;
    for (name, lines) in appended {
        for n in 1..=*lines {
            assert!(
                times.contains_key(format!("foreign-{name}{n}").as_str()),
                "{name} {n}"
            );
        }
        count += lines;
    }
    assert_eq!(times.len(), count);
}

#[test]
fn two_hundred_interfaces_side_by_side() {
    lab(|lab| {
        prepared(lab);
        let seconds = number_in("RACES_SECONDS", 10);
        let started = Instant::now();
        let strangers = [
            stranger("a", 100_000, &format!(">>{NAMES}")),
            stranger("b", 200_000, &format!("| tee -a {NAMES} >/dev/null")),
        ];

        all(lab, "ifup");
        let every: Vec<usize> = (0..INTERFACES).collect();
        assert_eq!(up(lab), every);
        assert_in_force(lab, &every);
        let brought_up = started.elapsed();
        let started = Instant::now();
        all(lab, "ifdown");
        assert_in_force(lab, &[]);
        let taken_down = started.elapsed();

        let deadline = Instant::now() + Duration::from_secs(seconds);
        // The same mix each time, as far as the machine plays along.
        let random = |worker| Mutex::new(Random::new(1, worker));
        let mixes: Vec<_> = (1..=WORKERS as u64).map(random).collect();
        let runs = side_by_side(lab, |worker| {
            let mut random = mixes[worker].lock().unwrap();
            let (verb, n) = (random.pick(&["ifup", "ifdown"]), random.place(INTERFACES));
            (Instant::now() < deadline).then(|| format!("{verb} w{n}"))
        });
        assert!(runs > WORKERS, "{runs}");

        lab.write("/run/stop", "");
        for mut stranger in strangers {
            assert!(stranger.wait().unwrap().success());
        }
        let appended = ["a", "b"].map(|name| {
            let lines = lab.text(&format!("/run/{name}")).trim().parse().unwrap();
            assert!(lines > 10, "{name}: {lines}");
            (name, lines)
        });
        assert_names(lab, &appended);
        let left = up(lab);
        assert!(!left.is_empty() && left.len() < INTERFACES, "{left:?}");
        assert_in_force(lab, &left);
        all(lab, "ifdown");
        assert_in_force(lab, &[]);
        println!(
            "races: {INTERFACES} interfaces up in {:.1} s and down in {:.1} s by {WORKERS} at a \
             time; {runs} random ifup and ifdown in {seconds} s; {} lines of others appended \
             meanwhile; every name once, no line, rule or route lost or doubled",
            brought_up.as_secs_f64(),
            taken_down.as_secs_f64(),
            appended[0].1 + appended[1].1,
        );
    });
}
