//! `policy-table status`: how the policy routing of running interfaces stands.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{json, Value};

use super::command::{coloured, Arguments, Command, Opt, Trouble, Verdict, AS, INTERFACES, JSON};
use super::cut_short;
use super::keeping::Keeping;
use super::running::Running;
use super::summary::Summary;
use crate::converge::{Condition, Item, Marking, Orphans, StanzaStatus, View};
use crate::routing::{InterfaceName, State};
use crate::stanza::Remark;
use crate::system::{installed_examples, is_enabled, not_understood, DEFAULTS};

pub const COMMAND: Command = Command {
    name: "status",
    operands: "[INTERFACE...]",
    summary: "show what is in force, and what is not as the file has it",
    about: "\
Holds the stanzas of the interfaces that are up against the kernel. The first
line sums it up; a stanza that is in step has one line, any other one for each
route and rule: in place, missing, stale (an earlier ifup put it in and the
stanza no longer asks for it), or somebody else's that serves or stands in the
way. A stanza whose address or link is not there is waiting. What belongs to
no interface that is up is listed as orphaned. It warns of a rule of somebody
else that comes before the stanza's own, and of addresses that no rule is
about.
Exit status: 0 if all is in step, 1 if something is not, 2 in trouble.",
    options: &[AS, INTERFACES, JSON, VERBOSE],
    example: "policy-table status eth1",
    run,
};

const VERBOSE: Opt = Opt::flag("verbose", "list routes and rules that are in step, too").short('v');

/// Version of what `--json` prints; it changes when a reader would have to.
const SCHEMA: u32 = 1;

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let running = Running::read(arguments.value(INTERFACES.long), arguments.said_caller()?)?;
    let devices = running.devices(&arguments.interfaces()?)?;
    let mut view = View::open()?;
    view.look_around()?;
    let mut rest = Footer {
        templates: running.templates().to_vec(),
        ..Footer::default()
    };
    if arguments.operands.is_empty() {
        let found = view.orphans();
        rest.orphans = found.map_err(|error| Trouble::Failed(error.to_string()))?;
        let stanzas = &mut rest.orphans.stanzas;
        stanzas.retain(|orphan| !orphan.state.is_empty());
        rest.examples = installed_examples();
    }
    rest.keeper = Keeping::of(&arguments.interfaces()?);
    let mut printer: Box<dyn Printer + '_> = if arguments.has(JSON.long) {
        Box::new(ForPrograms { out, any: false })
    } else {
        Box::new(ForPeople {
            out,
            said: Vec::new(),
            coloured: coloured(),
            verbose: arguments.has(VERBOSE.long),
        })
    };
    let mut verdict = Verdict::Good;
    let mut summary = Summary::default();
    let (mut claimed, mut claimed_chains) = (HashSet::new(), HashSet::new());
    let orphaned = rest.orphans.of_stanzas();
    printer.begin()?;
    for device in devices {
        let mut stanzas = view.stanzas(&device.name, &device.calls);
        view.remark(&mut stanzas);
        for mut stanza in stanzas {
            // What apply takes out as an orphan is told as one, and once.
            stanza.items.retain(|item| !orphaned.contains(&item.object));
            if stanza.is_empty() {
                continue;
            }
            // Where the record is lost the stanza says what is whose.
            if !stanza.recorded {
                claimed.extend(stanza.items.iter().map(|item| item.object.clone()));
                claimed_chains.extend(stanza.marking.iter().flat_map(Marking::names));
            }
            verdict = verdict.max(verdict_on(&stanza));
            summary.count(&stanza, verdict_on(&stanza));
            printer.stanza(&stanza)?;
        }
        rest.without_hooks.extend(device.without_hooks);
    }
    rest.orphans
        .unclaimed
        .retain(|object| !claimed.contains(object));
    rest.orphans
        .chains
        .retain(|chain| !claimed_chains.contains(chain));
    rest.cut_short = cut_short::told();
    if !rest.orphans.is_empty() || !rest.orphans.damaged.is_empty() || rest.cut_short.is_some() {
        verdict = verdict.max(Verdict::Differs);
    }
    summary.count_rest(&rest.orphans, rest.warnings().len());
    let summary = if is_enabled() {
        summary.to_string()
    } else {
        format!("switched off by ENABLED=no in {DEFAULTS}; {summary}")
    };
    printer.end(&rest, &summary)?;
    Ok(verdict)
}

/// What is told behind the stanzas.
#[derive(Default)]
struct Footer {
    orphans: Orphans,
    /// What is up with options in its stanza, and no hooks run for it.
    without_hooks: Vec<InterfaceName>,
    /// Examples of this package that act by themselves.
    examples: Vec<PathBuf>,
    /// Files that ifupdown2 makes others of.
    templates: Vec<PathBuf>,
    keeper: Keeping,
    cut_short: Option<&'static str>,
}

impl Footer {
    fn warnings(&self) -> Vec<String> {
        let quiet = self.without_hooks.iter().map(|interface| {
            format!(
                "{interface}: no-scripts in the file keeps ifup from running hooks for it, so its \
                 policy-* options do nothing"
            )
        });
        quiet.chain(self.cut_short.map(str::to_owned)).collect()
    }

    fn notes(&self) -> Vec<String> {
        let examples = self.examples.iter().map(|path| {
            format!(
                "{}: from the examples of version 0.1.0; it runs policy-table apply by itself, \
                 and the keeper has replaced it",
                path.display()
            )
        });
        let templates = self.templates.iter().map(|path| {
            format!(
                "{}: a template, which is not read here; what only it may be about is left out",
                path.display()
            )
        });
        examples.chain(templates).chain(not_understood()).collect()
    }
}

fn verdict_on(stanza: &StanzaStatus) -> Verdict {
    if stanza.waiting().is_some() {
        Verdict::Differs
    } else if !stanza.errors().is_empty() {
        Verdict::Bad
    } else if stanza.is_in_step() {
        Verdict::Good
    } else {
        Verdict::Differs
    }
}

/// Prints the answer in one of two forms.
trait Printer {
    fn begin(&mut self) -> io::Result<()>;
    fn stanza(&mut self, stanza: &StanzaStatus) -> io::Result<()>;
    fn end(&mut self, rest: &Footer, summary: &str) -> io::Result<()>;
}

/// The sum comes first, so that all else is kept until it is known.
struct ForPeople<'a> {
    out: &'a mut dyn Write,
    said: Vec<u8>,
    coloured: bool,
    verbose: bool,
}

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

impl ForPeople<'_> {
    fn line(&mut self, colour: &str, mark: char, word: &str, rest: &str) -> io::Result<()> {
        if self.coloured {
            writeln!(self.said, "  \x1b[{colour}m{mark} {word:<8}\x1b[0m  {rest}")
        } else {
            writeln!(self.said, "  {mark} {word:<8}  {rest}")
        }
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        if self.coloured {
            writeln!(self.said, "\x1b[1m{text}\x1b[0m")
        } else {
            writeln!(self.said, "{text}")
        }
    }

    fn item(&mut self, item: &Item) -> io::Result<()> {
        let object = item.object.to_string();
        match &item.condition {
            Condition::InPlace => self.line(GREEN, '✓', "in place", &object),
            Condition::Missing(_) => self.line(RED, '✗', "missing", &object),
            Condition::Stale => self.line(YELLOW, '~', "stale", &object),
            Condition::Served(by) => {
                self.line(YELLOW, '~', "foreign", &format!("{by}, which serves"))
            }
            Condition::Blocked(by) => self.line(RED, '✗', "blocked", &format!("{object}, by {by}")),
            Condition::Misplaced(behind) => {
                let rest = format!("{object}, to stand behind {behind}");
                self.line(YELLOW, '~', "order", &rest)
            }
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
            Verdict::Differs if stanza.waiting().is_some() => "waiting",
            Verdict::Differs => "not in step",
            Verdict::Bad => "in trouble",
        };
        self.heading(&format!("{}: {verdict}", stanza.title()))?;
        let is_quiet = stanza.is_in_step() && !self.verbose;
        // Somebody else's that serves is worth a line at any time.
        let is_told = |item: &&Item| !is_quiet || item.condition != Condition::InPlace;
        for item in stanza.items.iter().filter(is_told) {
            self.item(item)?;
        }
        let marking = stanza.marking.as_ref();
        let marking = marking.filter(|it| !is_quiet && !matches!(it, Marking::Trouble(_)));
        if let Some(marking) = marking {
            let (colour, mark) = match marking {
                Marking::InPlace(_) => (GREEN, '✓'),
                Marking::Stale(..) => (YELLOW, '~'),
                _ => (RED, '✗'),
            };
            self.line(colour, mark, marking.word(), &marking.chains())?;
        }
        for notice in stanza.told() {
            self.line(YELLOW, '!', "note", &notice)?;
        }
        let verbose = self.verbose;
        let is_told = |remark: &&Remark| verbose || !remark.is_detail();
        for remark in stanza.remarks.iter().filter(is_told) {
            let (colour, word) = if remark.is_warning() {
                (RED, "warning")
            } else {
                (YELLOW, "note")
            };
            self.line(colour, '!', word, &format!("{remark}; {}", remark.hint()))?;
        }
        if let Some(waiting) = stanza.told_waiting() {
            self.line(YELLOW, '!', "note", &waiting)?;
        }
        for line in stanza.errors() {
            self.line(RED, '!', "error", &line)?;
        }
        Ok(())
    }

    fn end(&mut self, rest: &Footer, summary: &str) -> io::Result<()> {
        let orphans = &rest.orphans;
        for orphan in &orphans.stanzas {
            self.heading(&format!("{}: orphaned, {}", orphan.heading, orphan.why))?;
            for object in orphan.state.objects() {
                self.line(YELLOW, '~', "orphan", &object.to_string())?;
            }
        }
        let unclaimed = orphans.told_unclaimed();
        if !unclaimed.is_empty() {
            self.heading("in no record: orphaned")?;
            for object in &unclaimed {
                self.line(YELLOW, '~', "orphan", object)?;
            }
        }
        for device in &orphans.damaged {
            self.heading(&format!(
                "{device}: the record is damaged, so what is in no record is not known; \
                 policy-table flush {device}, then apply {device}, writes it anew"
            ))?;
        }
        let lines = rest.warnings().into_iter().chain(rest.notes());
        for line in lines.chain(rest.keeper.lines()) {
            self.heading(&line)?;
        }
        writeln!(self.out, "policy-table status: {summary}")?;
        self.out.write_all(&self.said)
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

    fn end(&mut self, rest: &Footer, summary: &str) -> io::Result<()> {
        let found = &rest.orphans;
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
        let unclaimed = Some(found.told_unclaimed()).filter(|objects| !objects.is_empty());
        let unclaimed = unclaimed
            .map(|objects| json!({"stanza": null, "why": "in no record", "objects": objects}));
        let damaged = found.damaged.iter().map(ToString::to_string);
        let damaged: Value = damaged.collect::<Vec<_>>().into();
        let orphans: Vec<Value> = stanzas.chain(unclaimed).collect();
        let orphans = Value::from(orphans);
        let (warnings, notes) = (Value::from(rest.warnings()), Value::from(rest.notes()));
        let summary = Value::from(summary);
        let (pauses, repairs) = rest.keeper.json();
        writeln!(
            self.out,
            "\n],\"orphans\":{orphans},\"damaged\":{damaged},\"warnings\":{warnings},\
             \"notes\":{notes},\"pauses\":{pauses},\"repairs\":{repairs},\
             \"summary\":{summary}}}"
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
        Verdict::Differs if stanza.waiting().is_some() => "waiting",
        Verdict::Differs => "drift",
        Verdict::Bad => "trouble",
    };
    let remarks = |warnings: bool| -> Vec<String> {
        let remarks = stanza.remarks.iter();
        let remarks = remarks.filter(|remark| remark.is_warning() == warnings);
        remarks.map(ToString::to_string).collect()
    };
    json!({
        "stanza": stanza.heading.to_string(),
        "interface": call.map(|call| call.interface.clone()),
        "table": table,
        "verdict": verdict,
        "objects": stanza.items.iter().map(json_of_item).collect::<Vec<_>>(),
        "marks": stanza.marking.as_ref().map(Marking::word),
        "notices": stanza.told(),
        "warnings": remarks(true),
        "notes": remarks(false),
        "waiting": stanza.waiting().map(ToString::to_string),
        "waiting_since": stanza.waiting_since(),
        "no_default_since": stanza.no_default_since(),
        "errors": stanza.errors(),
    })
}

fn json_of_item(item: &Item) -> Value {
    let (condition, by) = match &item.condition {
        Condition::InPlace => ("in place", None),
        Condition::Missing(_) => ("missing", None),
        Condition::Stale => ("stale", None),
        Condition::Served(by) => ("foreign", Some(by)),
        Condition::Blocked(by) => ("blocked", Some(by)),
        Condition::Misplaced(behind) => ("order", Some(behind)),
    };
    json!({
        "object": item.object.to_string(),
        "condition": condition,
        "by": by.map(ToString::to_string),
    })
}
