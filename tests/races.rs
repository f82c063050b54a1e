//! What runs side by side: who holds a lock that another run waits for is said.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod lab;

use std::fs::File;
use std::time::Instant;

use lab::lab;
use nix::fcntl::{Flock, FlockArg};

const NAMES: &str = "/etc/iproute2/rt_tables";

/// Longer than any run may take.
const LONGEST: &str = "timeout -s KILL 60";

const STANZA: &str = "iface w0 inet static\n address 10.0.0.10/24\n policy-table wan0\n";

/// A lock that is never given back costs ten seconds and what it protects, not the network; the
/// holder is named.
#[test]
fn a_lock_that_others_keep_has_its_holder_named() {
    for (file, what, lost) in [
        (
            NAMES,
            "table wan0 is not registered in",
            "going on with its ID alone",
        ),
        (
            "/run/policy-table",
            "no record in",
            "ifdown will go by the stanza",
        ),
    ] {
        lab(|lab| {
            lab.device("w0");
            lab.interfaces(STANZA);
            lab.ok("mkdir -p /run/policy-table");
            let held = File::open(file).unwrap();
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
            for part in [what, &holder, "has held its lock for 10 seconds", lost] {
                assert!(ours[0].contains(part), "{part}: {said:?}");
            }
            assert_eq!(lab.tagged().len(), 4);
            drop(held.unwrap());
            assert_eq!(lab.sh("ifdown w0").err, "");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}
