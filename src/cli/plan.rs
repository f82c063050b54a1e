//! `policy-table plan`: what `ifup`, or `apply`, would do, as `ip` commands.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::command::{Arguments, Command, Trouble, Verdict, INTERFACES};
use super::running::{Device, Running};
use crate::converge::{find_orphans, Condition, Failure, StanzaStatus, View};
use crate::routing::{Object, Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "plan",
    operands: "[INTERFACE...]",
    summary: "print what ifup would do, as ip commands",
    about: "\
Prints the commands that put in what is missing and take out what the stanzas
no longer ask for, and does nothing. Pasted into a shell while the interface
is up they give what ifup, or policy-table apply, would give. Without names,
for all interfaces of the file.",
    options: &[INTERFACES],
    example: "policy-table plan eth1",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let running = Running::read(arguments.value(INTERFACES.long))?;
    let devices = running.devices_of_file(&arguments.interfaces()?)?;
    print(&devices, false, out)
}

/// Prints the plan for some devices, and for what is orphaned if that is asked for.
pub fn print(devices: &[Device], orphaned: bool, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let mut view = View::open_for_plan()?;
    let mut verdict = Verdict::Good;
    for device in devices {
        for part in view.stanzas(&device.name, &device.calls) {
            if part.failure.is_some() {
                verdict = Verdict::Bad;
            }
            if !part.is_empty() {
                print_part(&part, &view.names.target, out)?;
            }
        }
    }
    if orphaned {
        let found = find_orphans(&mut view.kernel, Path::new("/"));
        let found = found.map_err(|error| Trouble::Failed(error.to_string()))?;
        if !found.is_empty() {
            writeln!(out, "# orphaned")?;
        }
        let left = found.of_stanzas();
        let left: Vec<Object> = left.objects().chain(found.unclaimed).collect();
        for object in left.into_iter().rev() {
            writeln!(out, "{}", command(&Step::delete(object)))?;
        }
    }
    Ok(verdict)
}

fn print_part(part: &StanzaStatus, target: &Path, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {}", part.title())?;
    for line in part.failure.iter().flat_map(Failure::lines) {
        writeln!(out, "# error: {line}")?;
    }
    for notice in &part.notices {
        writeln!(out, "# note: {notice}")?;
    }
    for line in part.tables.new_lines() {
        let (line, lead) = (quoted(line.trim_end()), lead(target));
        let folder = target.parent().unwrap_or(target);
        if !folder.exists() {
            writeln!(out, "mkdir -p {}", folder.display())?;
        }
        // Not by echo, which in some shells reads backslashes.
        writeln!(out, "printf '{lead}%s\\n' {line} >>{}", target.display())?;
    }
    for item in &part.items {
        match &item.condition {
            Condition::Served(by) => writeln!(out, "# there already, and not ours: {by}")?,
            Condition::Blocked(by) => writeln!(out, "# {}: in the way is {by}", item.object)?,
            Condition::InPlace | Condition::Missing(_) | Condition::Stale => {}
        }
    }
    if part.stays {
        writeln!(out, "# it stays, until policy-table flush")?;
        return Ok(());
    }
    let steps = part.steps();
    if steps.is_empty() && part.failure.is_none() {
        writeln!(out, "# nothing to do")?;
    }
    for step in steps {
        writeln!(out, "{}", command(&step))?;
    }
    Ok(())
}

/// A step for a shell: the kernel lets the name of a device be full of what means something there.
fn command(step: &Step) -> String {
    let words = step.to_string();
    let words: Vec<String> = words.split(' ').map(quoted).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:,+@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What has to stand before a line that is appended: the newline that the last one may lack.
fn lead(file: &Path) -> &'static str {
    match fs::read(file) {
        Ok(text) if text.last().is_some_and(|last| *last != b'\n') => r"\n",
        _ => "",
    }
}
