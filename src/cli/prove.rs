//! What `migrate --verify` tells of a trial of both versions, which is `migrate/verify/`'s.

use std::io::{self, IsTerminal, Write};

use super::command::Trouble;
use crate::migrate::verify::{
    differences, notes, other_hooks, run_after, run_trial_telling, why_not_up, Machine, Seen,
};
use crate::migrate::Draft;
use crate::system::NAME;
use crate::text::counted;

/// Tells something beside what is printed.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{NAME}: {text}");
}

/// What `--verify` has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Both versions do the same.
    Equal,
    /// They do, as far as they have been tried.
    InPart,
    /// Of some interfaces nothing is known: they do not come up with the old file.
    NotUp,
    /// They do not do the same.
    Differs,
}

/// Tries both versions, as `migrate/verify` does it, and says how far they are equal.
pub fn verify(draft: &Draft<'_>) -> Result<Proof, Trouble> {
    let failed = |error: &dyn std::fmt::Display| Trouble::Failed(format!("--verify: {error}"));
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let not_run = tell_left_out(draft);
    let mut machine = draft.machine(program);
    let trial = |machine: &Machine| {
        let tell = |at: &str| progress(&format!("before: {at}"));
        let seen = run_trial_telling(machine, &draft.for_trial(false), None, &tell);
        progress("");
        seen.map_err(|error| failed(&error))
    };
    let mut before = trial(&machine)?;
    let down = before.failed.clone();
    if !down.is_empty() {
        tell_not_up(draft, &before);
        // What the others do can be told without it.
        machine = machine.without(&down);
        if machine.interfaces.is_empty() {
            tell(&format!("--verify: nothing is proven{WITHOUT_IT}"));
            return Ok(Proof::NotUp);
        }
        before = trial(&machine)?;
    }
    let texts = [draft.for_trial(false), draft.for_trial(true)];
    let after = run_after(&machine, &texts, &mut before, &|is_new, at| {
        let version = if is_new { "after" } else { "before" };
        progress(&format!("{version}: {at}"));
    });
    progress("");
    let after = after.map_err(|error| failed(&error))?;
    for (version, seen) in [("before", &before), ("after", &after)] {
        for said in &seen.said {
            tell(&format!("--verify: {version}: {said}"));
        }
    }
    for note in notes(&before, &after) {
        tell(&format!("--verify: {note}"));
    }
    let differences = differences(&before, &after);
    for difference in &differences {
        tell(&format!("--verify: {difference}"));
    }
    let unproven = unproven(not_run, &down);
    let (proof, said) = if !differences.is_empty() {
        (Proof::Differs, "not equal; nothing is written".to_owned())
    } else if unproven.is_empty() {
        (Proof::Equal, "equal before and after".to_owned())
    } else {
        let said = format!(
            "equal before and after; not proven: {}",
            unproven.join(", ")
        );
        let is_up = down.is_empty();
        (if is_up { Proof::InPart } else { Proof::NotUp }, said)
    };
    let end = if proof == Proof::NotUp {
        WITHOUT_IT
    } else {
        ""
    };
    tell(&format!(
        "--verify: {}, {} and {} are {said}{end}",
        counted(before.routes.len(), "route", "routes"),
        counted(before.rules.len(), "rule", "rules"),
        counted(before.lookups.len(), "look-up", "look-ups"),
    ));
    Ok(proof)
}

/// How the file can be written although nothing is proven.
const WITHOUT_IT: &str = "; migrate --write without --verify writes the new file all the same";

/// Names what a trial leaves out, and says how many lines those are.
fn tell_left_out(draft: &Draft<'_>) -> usize {
    let not_run = draft.not_run();
    for remark in &not_run {
        let place = format!("{}:{}", remark.path.display(), remark.line);
        tell(&format!(
            "--verify: {place}: not run, so not proven: {}",
            remark.reason
        ));
    }
    let hooks = other_hooks();
    if !hooks.is_empty() {
        let hooks: Vec<String> = hooks
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        tell(&format!(
            "--verify: other packages' hooks are not run: {}",
            hooks.join(", ")
        ));
    }
    not_run.len()
}

/// Says which interfaces do not come up with the old file, at which line, and why.
fn tell_not_up(draft: &Draft<'_>, before: &Seen) {
    for (interface, told) in &before.told {
        let why = why_not_up(draft.stanzas(), interface, told);
        let at = why.line.and_then(|(file, line)| {
            let path = draft.path(file)?;
            Some(format!(" at {}:{line}", path.display()))
        });
        let at = at.unwrap_or_default();
        tell(&format!(
            "--verify: {interface} does not come up with the old file{at}: {why}"
        ));
    }
}

/// On a terminal, what is being tried, in the place of what was told before; nothing clears it.
fn progress(at: &str) {
    let mut out = io::stderr();
    if out.is_terminal() {
        let at = if at.is_empty() {
            String::new()
        } else {
            format!("--verify: {at}")
        };
        let shown: String = at.chars().take(78).collect();
        let _ = write!(out, "\r\x1b[K{shown}");
        let _ = out.flush();
    }
}

/// What is not known, although two trials were equal.
fn unproven(not_run: usize, down: &[String]) -> Vec<String> {
    let mut unproven = match not_run {
        0 => Vec::new(),
        1 => vec!["what 1 line does that was not run".to_owned()],
        lines => vec![format!("what {lines} lines do that were not run")],
    };
    let down = down.iter();
    unproven.extend(down.map(|name| format!("{name}, which did not come up")));
    unproven
}
