//! `policy-table migrate`: lines behind `post-up` and its like become options. What becomes of
//! which line is found out in `migrate/`; here files are read and printed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::command::{Arguments, Command, Opt, Trouble, Verdict, AS};
use super::replace_files::{names_to_write, replace_files, Replacement};
use crate::ifupdown::interfaces::{main_file, Interfaces};
use crate::ifupdown::Caller;
use crate::migrate::verify::{
    differences, notes, other_hooks, run_after, run_trial_telling, why_not_up, Machine, Seen,
};
use crate::migrate::{Draft, HostBits, Rewriting};
use crate::system::NAME;
use crate::tables::Registry;

/// The command.
pub const COMMAND: Command = Command {
    name: "migrate",
    operands: "[FILE]",
    summary: "turn post-up lines with ip route and ip rule into options",
    about: "\
Rewrites those lines up, post-up, pre-up, down, pre-down and post-down of
FILE, or of /etc/network/interfaces and all that it sources, that run
\"ip route\" and \"ip rule\": policy-* options come in their place that leave
the same routes and rules. So it does with the options of ifupdown-multi. All
else stays as it is, byte for byte. What no option can say stays, too, and is
named with the reason.

Prints the new file. The exit code is 0 if no such line stays, 1 if some do or
--verify could not prove all of it, 2 in case of an error.",
    options: &[
        AS,
        Opt::flag("diff", "print the changes only, as diff -u does"),
        Opt::flag("write", "write the files; the old ones are kept"),
        Opt::flag(
            "verify",
            "bring both versions up in a namespace and compare",
        ),
    ],
    example: "policy-table migrate --verify --diff",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let caller = arguments.caller()?;
    let main = main_file(caller);
    let path = arguments.only()?.map_or(main.as_path(), Path::new);
    let interfaces = read(path, caller)?;
    // A name in no file has the ID that it would be registered under; nothing is registered here.
    let names = RefCell::new(Registry::below(Path::new("/")).names());
    let lookup = |name: &str| {
        let id = names.borrow_mut().id(&name.parse().ok()?, None, |_| false);
        id.ok().map(|registered| registered.id)
    };
    let draft = Draft::of(&interfaces, &lookup);
    let (files, again) = each_once(draft.files());
    let mut remarks = draft.remarks();
    remarks.retain(|remark| !again.contains(remark.path.as_os_str()));
    for remark in &remarks {
        let place = format!("{}:{}", remark.path.display(), remark.line);
        tell(&format!("{place}: the line stays: {}", remark.reason));
    }
    for note in draft.notes() {
        let place = format!("{}:{}", note.path.display(), note.line);
        let HostBits { written, network } = note.reason;
        tell(&format!(
            "{place}: the kernel takes {written} for {network}, and so does the option"
        ));
    }
    let proof = arguments
        .has("verify")
        .then(|| verify(&draft))
        .transpose()?;
    let writes = arguments.has("write");
    if proof == Some(Proof::Differs) || proof == Some(Proof::NotUp) && writes {
        return Ok(Verdict::Bad);
    }
    let changed: Vec<&(&Path, Rewriting)> =
        files.iter().filter(|(_, file)| file.is_changed()).collect();
    if changed.is_empty() {
        tell("no line becomes an option");
    }
    if arguments.has("diff") {
        for (path, file) in &changed {
            out.write_all(&file.diff(&path.display().to_string()))?;
        }
    } else if !arguments.has("write") {
        print(&files, out)?;
    }
    if writes {
        write(&changed)?;
        if path == main {
            tell_how_to_move_over(&draft);
        }
    }
    let is_proven = proof.is_none_or(|proof| proof == Proof::Equal);
    Ok(if remarks.is_empty() && is_proven {
        Verdict::Good
    } else {
        Verdict::Differs
    })
}

/// Each new file once, and the further names of those that have several. ifupdown reads such a file as
/// often, and the first time decides.
fn each_once(files: Vec<(&Path, Rewriting)>) -> (Vec<(&Path, Rewriting)>, HashSet<&OsStr>) {
    let paths: Vec<&Path> = files.iter().map(|(path, _)| *path).collect();
    let names = names_to_write(&paths);
    // Two paths that differ in a `./` are equal; their spellings are not.
    let again = paths.iter().zip(&names).filter(|(_, name)| name.is_none());
    let again = again.map(|(path, _)| path.as_os_str()).collect();
    let files = files.into_iter().zip(names);
    let files = files.filter_map(|((_, file), name)| Some((name?, file)));
    (files.collect(), again)
}

/// Prints the new files, each under its name if there are several.
fn print(files: &[(&Path, Rewriting)], out: &mut dyn Write) -> io::Result<()> {
    for (path, file) in files {
        if files.len() > 1 {
            writeln!(out, "==> {} <==", path.display())?;
        }
        out.write_all(&file.after())?;
    }
    Ok(())
}

fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{NAME}: {text}");
}

/// The configuration, if ifupdown reads all of it.
fn read(path: &Path, caller: Caller) -> Result<Interfaces, Trouble> {
    let interfaces = Interfaces::read_as(path, caller);
    if let Some(path) = interfaces.templated.first() {
        return Err(Trouble::Failed(format!(
            "{} is a template, which ifupdown2 makes another file of: not read",
            path.display()
        )));
    }
    if let Some((path, error)) = interfaces.unread.first() {
        return Err(Trouble::Failed(format!(
            "cannot read {}: {error}",
            path.display()
        )));
    }
    // What ifupdown does not read as far would be rewritten on a guess.
    for file in &interfaces.files {
        if let Some(fault) = file.text.faults.iter().find(|fault| fault.stops) {
            let place = format!("{}:{}", file.path.display(), fault.place.0);
            return Err(Trouble::Failed(format!("{place}: {}", fault.kind)));
        }
    }
    Ok(interfaces)
}

/// What `--verify` has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
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
fn verify(draft: &Draft<'_>) -> Result<Proof, Trouble> {
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
        "--verify: {} routes, {} rules and {} look-ups are {said}{end}",
        before.routes.len(),
        before.rules.len(),
        before.lookups.len(),
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

/// How interfaces that are up come to have their options in force: without `ifdown`, which would
/// cut off who is connected by them, and the guests of a bridge, and which would leave what the old
/// lines have put in, for they are gone.
fn tell_how_to_move_over(draft: &Draft<'_>) {
    let all = draft.taking_out();
    if all.is_empty() {
        return;
    }
    tell("an interface that is up moves over by its line, in one go and without ifdown:");
    for (interface, commands) in all {
        let commands = commands.join("; ");
        tell(&format!(
            "  policy-table plan {interface} >/dev/null && {{ {commands}; \
             policy-table apply {interface}; }}"
        ));
    }
}

/// Writes all files or none.
fn write(files: &[&(&Path, Rewriting)]) -> Result<(), Trouble> {
    let replacements = files.iter().map(|(path, file)| Replacement {
        path,
        before: file.before(),
        after: file.after(),
    });
    let replacements: Vec<Replacement<'_>> = replacements.collect();
    let kept = replace_files(&replacements).map_err(|error| Trouble::Failed(error.to_string()))?;
    for ((path, file), kept) in files.iter().zip(kept) {
        let (removed, added) = file.counts();
        tell(&format!(
            "{}: {removed} lines gave way to {added} options; the old file is {}",
            path.display(),
            kept.display()
        ));
    }
    Ok(())
}
