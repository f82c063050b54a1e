//! What runs side by side: who holds a lock that another run waits for is said, and that it can
//! be nobody but root.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod lab;

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use lab::{lab, Lab};
use nix::fcntl::{Flock, FlockArg};

const NAMES: &str = "/etc/iproute2/rt_tables";
const LOCKS: [&str; 2] = [
    "/run/policy-table-names.lock",
    "/run/policy-table-records.lock",
];

/// Longer than any run may take.
const LONGEST: &str = "timeout -s KILL 60";

const STANZA: &str = "iface w0 inet static\n address 10.0.0.10/24\n policy-table wan0\n";

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
            assert!((10..15).contains(&waited.as_secs()), "{waited:?}");
            let holder = format!(
                "process {} ({})",
                std::process::id(),
                lab.text(&format!("/proc/{}/comm", std::process::id()))
                    .trim()
            );
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
            assert!(lab.ok(&format!("stat -c %a:%U:%s {lock}")) == "600:root:0\n");
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
        assert!(waited < 5, "{waited} s");
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
