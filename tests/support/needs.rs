//! What a test needs that a machine need not have.

use super::tree::top;
use std::path::Path;

/// As [`have`] takes it.
pub const STRACE: &str = "strace of strace";

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
/// or unpacked by `tests/run`.
pub fn have(programs: &[&str]) -> bool {
    programs.iter().all(|needed| {
        let (program, package) = needed.split_once(" of ").expect("PROGRAM of PACKAGE");
        let unpacked = top().join("target/clients").join(package);
        let there = ["usr/sbin", "sbin", "usr/bin"].iter().any(|folder| {
            let is_below = |root: &Path| root.join(folder).join(program).exists();
            is_below(Path::new("/")) || is_below(&unpacked)
        });
        or_skip(there, &format!("no {program}; install {package}"))
    })
}
