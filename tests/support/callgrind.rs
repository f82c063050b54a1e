//! How many instructions a run takes: the same on an idle machine and on a busy one.

/// Before a command that is run in a lab; callgrind writes to [`PROFILE`].
pub const COUNTED: &str = "valgrind --quiet --tool=callgrind --callgrind-out-file=/run/profile";

/// Where it writes to.
pub const PROFILE: &str = "/run/profile";

/// The instructions of all objects, libc's included, of what callgrind wrote.
pub fn all_instructions(profile: &str) -> u64 {
    let mut lines = profile.lines();
    let total = lines.find_map(|line| {
        let total = line.strip_prefix("totals: ");
        total
            .or(line.strip_prefix("summary: "))?
            .trim()
            .parse()
            .ok()
    });
    total.unwrap_or_else(|| panic!("no total in {} bytes", profile.len()))
}
