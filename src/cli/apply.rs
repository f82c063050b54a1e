//! `policy-table apply`: brings interfaces that are up in step with the file.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use log::warn;

use super::command::{
    say, Arguments, Command, Opt, Trouble, Verdict, WhichInterfaces, ALL, INTERFACES,
};
use super::plan;
use super::question::{forget_typed, Confirmed, Outputs, Question};
use super::running::{Device, Running};
use crate::converge;
use crate::converge::{remove_orphans, settle, Beside, Snapshot, View};
use crate::explain::{ssh_replies, warning_of_move, Packet};
use crate::ifupdown::HookCall;
use crate::netlink::Kernel;
use crate::record::{Store, Takeover};
use crate::routing::{Family, State, Surroundings};
use crate::stanza::{remarks, Remark, Stanza};
use crate::system::{hold_messages, keep_net_admin, start_logging};

pub const COMMAND: Command = Command {
    name: "apply",
    operands: "INTERFACE... | --all",
    summary: "bring interfaces that are up in step with the file",
    about: "\
Does what ifup would do for the policy-* options of interfaces that are up,
without taking them down: puts in what is missing, then takes out what the
stanzas no longer ask for. With --all it does so for every interface that is
up, and takes out what belongs to none. A stanza whose address or link is not
there waits; the exit status is then 1.
Where a change would move the way back to you over ssh, it says so first, and
on a terminal asks.
With --confirm it asks whether the change shall stay, if there was one, and
goes back unless ENTER is pressed in time or policy-table confirm is run in
another session; also if anything else is typed, if the connection breaks, if
it is interrupted, or if nobody takes its output in time.
Standard input that is no terminal answers nothing.",
    options: &[ALL, CONFIRM, DRY_RUN, INTERFACES],
    example: "policy-table apply --confirm 30 eth1",
    run,
};

const CONFIRM: Opt = Opt::value(
    "confirm",
    "SECONDS",
    "go back unless it is confirmed in time",
);
const DRY_RUN: Opt = Opt::flag("dry-run", "print what would be done, as plan does");

/// Longest time to wait for a confirmation, in seconds: a day.
const LONGEST: u64 = 86_400;

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let which = arguments.named_or_all()?;
    let patience = arguments.value(CONFIRM.long).map(seconds).transpose()?;
    let running = Running::read(arguments.value(INTERFACES.long))?;
    let devices = match &which {
        WhichInterfaces::All => running.devices(&[])?,
        WhichInterfaces::Named(interfaces) => running.devices(interfaces)?,
    };
    let all = which == WhichInterfaces::All;
    if arguments.has(DRY_RUN.long) {
        return plan::print(View::open_for_apply()?, &devices, all, out);
    }
    start_logging(false);
    // The processes above this one can be asked only while it has all its rights.
    let replies = ssh_replies();
    let trial = patience.map(Trial::prepare).transpose()?;
    keep_net_admin()?;
    let moved = match replies {
        Some(replies) => moved_connection(&devices, &replies)?,
        None => None,
    };
    if let Some(sentence) = &moved {
        warn!("{sentence}");
    }
    if let Some(trial) = trial {
        return trial.apply(&devices, all, out);
    }
    if moved.is_some() && !go_on(out)? {
        return Err(Trouble::Failed("nothing was done".to_owned()));
    }
    apply(&devices, all, out)
}

/// A change that goes back unless somebody confirms it in time.
struct Trial {
    patience: Duration,
    outputs: Outputs,
}

impl Trial {
    fn prepare(patience: Duration) -> io::Result<Self> {
        let outputs = Outputs::prepare()?;
        Ok(Self { patience, outputs })
    }

    /// Applies the change, asks, and perhaps goes back. Nothing that is said from the change until
    /// then is waited for: who does not take it may be the one whom the change has cut off.
    fn apply(
        mut self,
        devices: &[Device],
        all: bool,
        out: &mut dyn Write,
    ) -> Result<Verdict, Trouble> {
        let question = Question::prepare()?;
        let mut before = Snapshot::take(&mut Kernel::open()?)?;
        let messages = hold_messages();
        let mut said = Vec::new();
        let applied = change(devices, all, &mut said);
        before.note_change();
        self.outputs.say(&said);
        self.outputs.warn(&messages.take());
        let asked = applied.and_then(|verdict| {
            let answer = if before.is_still_so(&mut Kernel::open()?)? {
                Confirmed::Keep
            } else {
                question.ask(self.patience, &mut self.outputs)?
            };
            Ok((verdict, answer))
        });
        // Who could not be asked has not agreed.
        let done = match asked {
            Ok((verdict, Confirmed::Keep)) => Ok(verdict),
            Ok((_, Confirmed::GoBack(why))) => Err(go_back(&before, why)),
            Err(trouble) => Err(go_back(&before, &trouble.to_string())),
        };
        // From here on it may wait: others can ask again, and a signal ends it.
        drop(question);
        let told = self.outputs.finish(out);
        drop(messages);
        let verdict = done?;
        told?;
        Ok(verdict)
    }
}

/// Goes back to what was before.
fn go_back(before: &Snapshot, why: &str) -> Trouble {
    let restored = before.restore();
    for (device, failure) in &restored.failures {
        converge::tell(device.as_str(), failure);
    }
    for warning in &restored.warnings {
        warn!("{warning}");
    }
    let how = if restored.failures.is_empty() && restored.warnings.is_empty() {
        "gone back to what was before"
    } else {
        "gone back, but not to all that was before, as said above"
    };
    Trouble::Failed(format!("{why}: {how}"))
}

/// What the change would make of the way back to who typed this: a sentence, if it moves.
fn moved_connection(devices: &[Device], replies: &Packet) -> Result<Option<String>, Trouble> {
    let mut view = View::open_for_apply()?;
    let mut changes = Vec::new();
    for device in devices {
        for stanza in view.stanzas(&device.name, &device.calls) {
            changes.extend(stanza.steps());
        }
    }
    if changes.is_empty() {
        return Ok(None);
    }
    Ok(warning_of_move(&mut view.kernel, replies, &changes)?)
}

/// Asks whether to go on. Where nobody is there to answer, a script has decided already.
fn go_on(out: &mut dyn Write) -> io::Result<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(true);
    }
    forget_typed(&stdin);
    write!(out, "Go on? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn seconds(text: &str) -> Result<Duration, Trouble> {
    match text.parse() {
        Ok(seconds @ 1..=LONGEST) => Ok(Duration::from_secs(seconds)),
        _ => Err(Trouble::Usage(format!(
            "--confirm {text:?}: expected seconds, from 1 to {LONGEST}"
        ))),
    }
}

/// Applies the change, and says what became of it, and what is wrong, only then: see [`say`].
fn apply(devices: &[Device], all: bool, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let mut said = Vec::new();
    let messages = hold_messages();
    let changed = change(devices, all, &mut said);
    drop(messages);
    let told = say(out, &said);
    let verdict = changed?;
    told?;
    Ok(verdict)
}

fn change(devices: &[Device], all: bool, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let mut verdict = Verdict::Good;
    let around = look_around();
    for device in devices {
        verdict = verdict.max(converge_device(device, around.as_ref(), out)?);
    }
    if all {
        let mut kernel = Kernel::open()?;
        let removed = remove_orphans(&mut kernel, Path::new("/"));
        let (found, outcome) = removed.map_err(|error| Trouble::Failed(error.to_string()))?;
        for warning in &outcome.warnings {
            warn!("{warning}");
        }
        if !found.is_empty() {
            writeln!(
                out,
                "orphaned: {} routes and rules removed",
                outcome.removed
            )?;
        }
        if !outcome.stuck.is_empty() {
            verdict = Verdict::Bad;
        }
    }
    Ok(verdict)
}

/// An interface with the family: it may have stanzas of both.
fn named(call: &HookCall) -> String {
    match call.family {
        Some(family) => format!("{} {family}", call.interface),
        None => call.interface.clone(),
    }
}

/// What others have; where the kernel does not tell, it need not be known.
fn look_around() -> Option<Surroundings> {
    let mut around = Surroundings::default();
    let mut kernel = Kernel::open().ok()?;
    for family in Family::ALL {
        around.note_rules(&kernel.rules(family).unwrap_or_default());
    }
    kernel.look_around(&mut around).ok()?;
    Some(around)
}

fn converge_device(
    device: &Device,
    around: Option<&Surroundings>,
    out: &mut dyn Write,
) -> Result<Verdict, Trouble> {
    let mut verdict = Verdict::Good;
    let (takeovers, left) = Takeover::of_all(&device.calls, &Store::peek(&device.name));
    let cut_off = |stanza: &Stanza, state: &State, table| {
        let all = around.map_or_else(Vec::new, |around| remarks(stanza, state, table, around));
        // What else there is to remark is for who asks for the status.
        let is_cut_off = |remark: &&Remark| matches!(remark, Remark::CutOff(_));
        let cut_off = all.iter().filter(is_cut_off);
        cut_off.map(ToString::to_string).collect()
    };
    // The stanzas' rules of equal priority stand in the order of the file.
    let mut before = State::default();
    for (call, takeover) in device.calls.iter().zip(takeovers) {
        let heading = takeover.heading.clone();
        let beside = Beside {
            calls: &device.calls,
            before: Some(&before),
            add: Some(&cut_off),
        };
        let done = converge::apply(call, &takeover, &beside);
        if device.calls.len() > 1 {
            let record = Store::peek(&device.name);
            before = before.with(&record.of_stanza(&heading));
        }
        match done {
            Ok(Some(summary)) => writeln!(out, "{}: {summary}", named(call))?,
            Ok(None) => {}
            Err(failure) => {
                if let Some(waiting) = failure.waiting() {
                    writeln!(out, "{}: {waiting}", named(call))?;
                    verdict = verdict.max(Verdict::Differs);
                    continue;
                }
                converge::tell(&named(call), &failure);
                verdict = Verdict::Bad;
            }
        }
    }
    for takeover in left {
        if takeover.stays(&device.calls) {
            continue;
        }
        let nothing = State::default();
        let mut kernel = Kernel::open()?;
        match settle(&mut kernel, &device.name, &takeover, &nothing) {
            Ok(outcome) => writeln!(out, "{}: {} removed", takeover.heading, outcome.removed)?,
            Err(failure) => {
                converge::tell(device.name.as_str(), &failure);
                verdict = Verdict::Bad;
            }
        }
    }
    for interface in &device.without_stanza {
        if Store::has(&interface.device()) {
            warn!(
                "{interface}: the file has no stanza for it; what it has stays, \
                 until policy-table flush {interface}"
            );
        }
    }
    Ok(verdict)
}
