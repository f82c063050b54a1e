//! What a test needs that a machine need not have.

use super::tree::top;
use std::path::Path;

/// As [`have`] takes them.
pub const STRACE: &str = "strace of strace";
pub const DHCLIENT: &str = "dhclient of isc-dhcp-client";

/// Whether what a test needs is there. Without it the test is skipped, which is said, and is a
/// failure where `CI` is set.
pub fn or_skip(there: bool, missing: &str) -> bool {
    assert!(
        there || std::env::var_os("CI").is_none(),
        "cannot run: {missing}"
    );
    if !there {
        eprintln!("skipped: {missing}");
    }
    there
}

/// Whether the programs are there that a test needs, each given as `PROGRAM of PACKAGE`: installed,
/// or unpacked by `tests/run`. What no machine of this release can have, tests/run has counted.
pub fn have(programs: &[&str]) -> bool {
    programs.iter().all(|needed| {
        let (program, package) = needed.split_once(" of ").expect("PROGRAM of PACKAGE");
        let unpacked = top().join("target/clients").join(package);
        let there = ["usr/sbin", "sbin", "usr/bin"].iter().any(|folder| {
            let is_below = |root: &Path| root.join(folder).join(program).exists();
            is_below(Path::new("/")) || is_below(&unpacked)
        });
        let gone = std::env::var("NOT_IN_ARCHIVE").unwrap_or_default();
        if !there && gone.split(' ').any(|gone| gone == package) {
            eprintln!("skipped: no {program}, whose {package} the archive has not");
            return false;
        }
        or_skip(there, &format!("no {program}; install {package}"))
    })
}
