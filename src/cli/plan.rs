//! `policy-table plan`: what `ifup`, or `apply`, would do, as `ip` commands.

use std::io::{self, Write};
use std::path::Path;

use super::command::{Arguments, Command, Trouble, Verdict, AS, INTERFACES};
use super::cut_short;
use super::ip_words::unknown_words;
use super::running::Running;
use crate::converge::{Condition, Failure, Marking, StanzaStatus, View};
use crate::ifupdown::interfaces::Device;
use crate::routing::{Object, Step};
use crate::tables::{lacks_newline, missing_folder};

pub const COMMAND: Command = Command {
    name: "plan",
    operands: "[INTERFACE...]",
    summary: "print what ifup would do, as ip commands",
    about: "\
Prints the commands that put in what is missing and take out what the stanzas
no longer ask for, and does nothing. Pasted into a shell while the interface
is up they give what ifup, or policy-table apply, would give. Without names,
for all interfaces of the file.",
    options: &[AS, INTERFACES],
    example: "policy-table plan eth1",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let running = Running::read(arguments.value(INTERFACES.long), arguments.said_caller()?)?;
    let devices = running.devices_of_file(&arguments.interfaces()?)?;
    print(View::open_for_apply()?, &devices, false, out)
}

/// Prints the plan for some devices, with `orphaned` also for what belongs to none.
pub fn print(
    mut view: View,
    devices: &[Device],
    orphaned: bool,
    out: &mut dyn Write,
) -> Result<Verdict, Trouble> {
    let mut verdict = Verdict::Good;
    if let Some(told) = cut_short::told() {
        writeln!(out, "# {told}")?;
        verdict = Verdict::Differs;
    }
    for device in devices {
        view.is_up = device.is_up;
        for stanza in view.stanzas(&device.name, &device.calls) {
            if stanza.waiting().is_some() {
                verdict = verdict.max(Verdict::Differs);
            } else if stanza.failure.is_some() {
                verdict = Verdict::Bad;
            }
            if !stanza.is_empty() {
                print_stanza(&stanza, &view.names.target, out)?;
            }
        }
    }
    if orphaned {
        let found = view
            .orphans()
            .map_err(|error| Trouble::Failed(error.to_string()))?;
        if !found.is_empty() {
            writeln!(out, "# orphaned")?;
        }
        if !found.chains.is_empty() {
            print_for_nft(&found.to_nft, out)?;
        }
        let of_stanzas = found.of_stanzas();
        let left: Vec<Object> = of_stanzas.objects().chain(found.unclaimed).collect();
        for object in left.into_iter().rev() {
            writeln!(out, "{}", command(&Step::delete(object)))?;
        }
    }
    Ok(verdict)
}

/// The plan for one stanza; new names of tables go to the file `names`.
fn print_stanza(stanza: &StanzaStatus, names: &Path, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {}", stanza.title())?;
    let word = if stanza.waiting().is_some() {
        ""
    } else {
        "error: "
    };
    for line in stanza.failure.iter().flat_map(Failure::lines) {
        writeln!(out, "# {word}{line}")?;
    }
    if let Some(Marking::Trouble(error)) = &stanza.marking {
        writeln!(out, "# error: {error}")?;
    }
    for notice in &stanza.notices {
        writeln!(out, "# note: {notice}")?;
    }
    for line in stanza.tables.new_lines() {
        print_registration(line.trim_end(), names, out)?;
    }
    for item in &stanza.items {
        match &item.condition {
            Condition::Served(by) => writeln!(out, "# there already, and not ours: {by}")?,
            Condition::Blocked(by) => writeln!(out, "# {}: in the way is {by}", item.object)?,
            Condition::Misplaced(behind) => {
                writeln!(out, "# {}: has to stand behind {behind}", item.object)?;
            }
            Condition::InPlace | Condition::Missing(_) | Condition::Stale => {}
        }
    }
    if stanza.stays {
        writeln!(out, "# it stays, until policy-table flush")?;
        return Ok(());
    }
    let steps = stanza.steps();
    let to_nft = stanza.nft_commands();
    if steps.is_empty() && to_nft.is_none() && stanza.failure.is_none() {
        writeln!(out, "# nothing to do")?;
    }
    for step in steps {
        for word in unknown_words(&step.object) {
            writeln!(
                out,
                "# not for the ip of this host, which does not know \"{word}\":"
            )?;
        }
        writeln!(out, "{}", command(&step))?;
    }
    if let Some(commands) = to_nft {
        print_for_nft(commands, out)?;
    }
    Ok(())
}

/// What nft(8) is told, all in one step; between quotes that the shell leaves as they are.
fn print_for_nft(commands: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "nft -f - <<'EOF'\n{}\nEOF", commands.trim_end())
}

/// The commands that append a line to the file of names.
fn print_registration(line: &str, names: &Path, out: &mut dyn Write) -> io::Result<()> {
    if let Some(folder) = missing_folder(names) {
        writeln!(out, "mkdir -p {}", folder.display())?;
    }
    let lead = if lacks_newline(names) { r"\n" } else { "" };
    let (line, names) = (quoted(line), names.display());
    // Not by echo, which in some shells reads backslashes.
    writeln!(out, "printf '{lead}%s\\n' {line} >>{names}")
}

/// A step for a shell, word by word: the kernel lets the name of a device be full of characters that
/// mean something there.
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
