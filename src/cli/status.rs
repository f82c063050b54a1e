//! `policy-table status`: how the policy routing of running interfaces stands.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{json, Value};

use super::command::{coloured, Arguments, Command, Trouble, Verdict, INTERFACES, JSON};
use super::running::Running;
use crate::converge::{find_orphans, Condition, Failure, Item, Orphans, StanzaStatus, View};
use crate::routing::State;

pub const COMMAND: Command = Command {
    name: "status",
    operands: "[INTERFACE...]",
    summary: "show what is in force, and what is not as the file has it",
    about: "\
Holds the stanzas of the interfaces that are up against the kernel, and lists
each route and rule as in place, missing, stale (an earlier ifup put it in and
the stanza no longer asks for it), or as somebody else's that serves or stands
in the way. What belongs to no interface that is up is listed as orphaned.
Exit status: 0 if all is in step, 1 if something is not, 2 in trouble.",
    options: &[INTERFACES, JSON],
    example: "policy-table status eth1",
    run,
};

/// Version of what `--json` prints; it changes when a reader would have to.
const SCHEMA: u32 = 1;

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let running = Running::read(arguments.value(INTERFACES.long))?;
    let devices = running.devices(&arguments.interfaces()?)?;
    let mut view = View::open()?;
    let mut orphans = Orphans::default();
    if arguments.operands.is_empty() {
        let found = find_orphans(&mut view.kernel, Path::new("/"));
        orphans = found.map_err(|error| Trouble::Failed(error.to_string()))?;
    }
    let mut printer: Box<dyn Printer + '_> = if arguments.has(JSON.long) {
        Box::new(ForPrograms { out, any: false })
    } else {
        Box::new(ForPeople {
            out,
            coloured: coloured(),
            any: false,
        })
    };
    let mut verdict = Verdict::Good;
    printer.begin()?;
    for device in devices {
        for stanza in view.stanzas(&device.name, &device.calls) {
            if stanza.is_empty() {
                continue;
            }
            // Where the record is lost the stanza says what is whose.
            for item in stanza.items.iter().filter(|_| !stanza.recorded) {
                orphans.unclaimed.retain(|object| *object != item.object);
            }
            verdict = verdict.max(verdict_on(&stanza));
            printer.stanza(&stanza)?;
        }
    }
    if !orphans.is_empty() || !orphans.damaged.is_empty() {
        verdict = verdict.max(Verdict::Differs);
    }
    printer.end(&orphans)?;
    Ok(verdict)
}

fn verdict_on(stanza: &StanzaStatus) -> Verdict {
    if stanza.failure.is_some() {
        Verdict::Bad
    } else if stanza.is_in_step() {
        Verdict::Good
    } else {
        Verdict::Differs
    }
}

/// Prints the answer in one of two forms, a stanza at a time: a host may have thousands.
trait Printer {
    fn begin(&mut self) -> io::Result<()>;
    fn stanza(&mut self, stanza: &StanzaStatus) -> io::Result<()>;
    fn end(&mut self, orphans: &Orphans) -> io::Result<()>;
}

struct ForPeople<'a> {
    out: &'a mut dyn Write,
    coloured: bool,
    any: bool,
}

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

impl ForPeople<'_> {
    fn line(&mut self, colour: &str, mark: char, word: &str, rest: &str) -> io::Result<()> {
        if self.coloured {
            writeln!(self.out, "  \x1b[{colour}m{mark} {word:<8}\x1b[0m  {rest}")
        } else {
            writeln!(self.out, "  {mark} {word:<8}  {rest}")
        }
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        self.any = true;
        if self.coloured {
            writeln!(self.out, "\x1b[1m{text}\x1b[0m")
        } else {
            writeln!(self.out, "{text}")
        }
    }
}

impl Printer for ForPeople<'_> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn stanza(&mut self, stanza: &StanzaStatus) -> io::Result<()> {
        let verdict = match verdict_on(stanza) {
            Verdict::Good => "in step",
            Verdict::Differs => "not in step",
            Verdict::Bad => "in trouble",
        };
        self.heading(&format!("{}: {verdict}", stanza.title()))?;
        for item in &stanza.items {
            let object = item.object.to_string();
            match &item.condition {
                Condition::InPlace => self.line(GREEN, '✓', "in place", &object)?,
                Condition::Missing(_) => self.line(RED, '✗', "missing", &object)?,
                Condition::Stale => self.line(YELLOW, '~', "stale", &object)?,
                Condition::Served(by) => {
                    self.line(YELLOW, '~', "foreign", &format!("{by}, which serves"))?;
                }
                Condition::Blocked(by) => {
                    let rest = format!("{object}, by {by}");
                    self.line(RED, '✗', "blocked", &rest)?;
                }
            }
        }
        for notice in &stanza.notices {
            self.line(YELLOW, '!', "note", &notice.to_string())?;
        }
        for line in stanza.failure.iter().flat_map(Failure::lines) {
            self.line(RED, '!', "error", &line)?;
        }
        Ok(())
    }

    fn end(&mut self, orphans: &Orphans) -> io::Result<()> {
        for orphan in &orphans.stanzas {
            self.heading(&format!("{}: orphaned, {}", orphan.heading, orphan.why))?;
            for object in orphan.state.objects() {
                self.line(YELLOW, '~', "orphan", &object.to_string())?;
            }
        }
        if !orphans.unclaimed.is_empty() {
            self.heading("in no record: orphaned")?;
            for object in &orphans.unclaimed {
                self.line(YELLOW, '~', "orphan", &object.to_string())?;
            }
        }
        for device in &orphans.damaged {
            self.heading(&format!(
                "{device}: the record is damaged, so what is in no record is not known; \
                 policy-table flush {device}, then apply {device}, writes it anew"
            ))?;
        }
        if !self.any {
            writeln!(self.out, "no interface that is up has policy routing")?;
        }
        Ok(())
    }
}

struct ForPrograms<'a> {
    out: &'a mut dyn Write,
    any: bool,
}

impl Printer for ForPrograms<'_> {
    fn begin(&mut self) -> io::Result<()> {
        write!(self.out, "{{\"version\":{SCHEMA},\"stanzas\":[")
    }

    fn stanza(&mut self, stanza: &StanzaStatus) -> io::Result<()> {
        let lead = if self.any { ",\n" } else { "\n" };
        self.any = true;
        write!(self.out, "{lead}{}", json_of(stanza))
    }

    fn end(&mut self, found: &Orphans) -> io::Result<()> {
        let objects = |state: &State| -> Vec<String> {
            state.objects().map(|object| object.to_string()).collect()
        };
        let stanzas = found.stanzas.iter().map(|orphan| {
            json!({
                "stanza": orphan.heading.to_string(),
                "why": orphan.why.to_string(),
                "objects": objects(&orphan.state),
            })
        });
        let unclaimed = Some(
            found
                .unclaimed
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        )
        .filter(|objects| !objects.is_empty());
        let unclaimed = unclaimed
            .map(|objects| json!({"stanza": null, "why": "in no record", "objects": objects}));
        let damaged = found.damaged.iter().map(ToString::to_string);
        let damaged: Value = damaged.collect::<Vec<_>>().into();
        let orphans: Vec<Value> = stanzas.chain(unclaimed).collect();
        let orphans = Value::from(orphans);
        writeln!(
            self.out,
            "\n],\"orphans\":{orphans},\"damaged\":{damaged}}}"
        )
    }
}

fn json_of(stanza: &StanzaStatus) -> Value {
    let call = stanza.call.as_ref();
    let table = stanza
        .tables
        .own()
        .map(|(id, name)| json!({"id": id.number(), "name": name.map(ToString::to_string)}));
    let verdict = match verdict_on(stanza) {
        Verdict::Good => "in step",
        Verdict::Differs => "drift",
        Verdict::Bad => "trouble",
    };
    let notices: Vec<String> = stanza.notices.iter().map(ToString::to_string).collect();
    json!({
        "stanza": stanza.heading.to_string(),
        "interface": call.map(|call| call.interface.clone()),
        "table": table,
        "verdict": verdict,
        "objects": stanza.items.iter().map(json_of_item).collect::<Vec<_>>(),
        "notices": notices,
        "errors": stanza.failure.as_ref().map(Failure::lines).unwrap_or_default(),
    })
}

fn json_of_item(item: &Item) -> Value {
    let (condition, by) = match &item.condition {
        Condition::InPlace => ("in place", None),
        Condition::Missing(_) => ("missing", None),
        Condition::Stale => ("stale", None),
        Condition::Served(by) => ("foreign", Some(by)),
        Condition::Blocked(by) => ("blocked", Some(by)),
    };
    json!({
        "object": item.object.to_string(),
        "condition": condition,
        "by": by.map(ToString::to_string),
    })
}
