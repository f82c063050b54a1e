//! `policy-table apply`: brings interfaces that are up in step with the file.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use log::warn;

use super::command::{
    say, Arguments, Command, Opt, Trouble, Verdict, WhichInterfaces, ALL, AS, INTERFACES,
};
use super::cut_short;
use super::plan;
use super::question::forget_typed;
use super::running::Running;
use super::trial::{patience, GoesBack, Trial, CONFIRM};
use crate::converge;
use crate::converge::{
    remove_orphans, routes_and_rules, told_chains, Addition, DeviceRun, Done, LeftToDo, Leftovers,
    OrphanError, Patience, StanzaStatus, View, Wanted,
};
use crate::explain::{ssh_replies, warning_of_move, Packet};
use crate::ifupdown::interfaces::Device;
use crate::netlink::Kernel;
use crate::record::Store;
use crate::routing::InterfaceName;
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
    options: &[ALL, AS, CONFIRM, DRY_RUN, INTERFACES],
    example: "policy-table apply --confirm 30 eth1",
    run,
};

const DRY_RUN: Opt = Opt::flag("dry-run", "print what would be done, as plan does");

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let which = arguments.named_or_all()?;
    let patience = patience(arguments)?;
    let running = Running::read(arguments.value(INTERFACES.long), arguments.said_caller()?)?;
    let (mut named, all) = match which {
        WhichInterfaces::All => (Vec::new(), true),
        WhichInterfaces::Named(interfaces) => (interfaces, false),
    };
    let mut devices = running.devices(&named)?;
    if arguments.has(DRY_RUN.long) {
        return plan::print(View::open_for_apply()?, &devices, all, out);
    }
    start_logging(false);
    let back = cut_short::put_back(arguments.caller()?)?;
    if !all && !back.is_empty() {
        named.extend(back);
        devices = running.devices(&named)?;
    }
    // The processes above this one can be asked only while it has all its rights.
    let replies = ssh_replies();
    let trial = patience.map(Trial::prepare).transpose()?;
    keep_net_admin()?;
    let mut survey = Survey::of_what_is_still_up(&running, &devices)?;
    let moved = match replies {
        Some(replies) => survey.moved_connection(&replies)?,
        None => None,
    };
    if let Some(sentence) = &moved {
        warn!("{sentence}");
    }
    if let Some(mut trial) = trial {
        if !all {
            trial = trial.of(devices.iter().map(|it| it.name.device()));
        }
        return trial.run(
            &GoesBack::of_apply(),
            |_, said| change(survey, all, said),
            |_| Ok(()),
            out,
        );
    }
    if moved.is_some() {
        if !go_on(out)? {
            return Err(Trouble::Failed("nothing was done".to_owned()));
        }
        // Who was asked may have taken his time.
        survey = Survey::of_what_is_still_up(&running, &devices)?;
    }
    apply(survey, all, out)
}

/// How the stanzas of some devices stand, with all that was asked for to tell.
pub struct Survey<'a> {
    view: View,
    devices: Vec<(&'a Device, Vec<StanzaStatus>)>,
}

impl<'a> Survey<'a> {
    pub fn take(devices: &'a [Device]) -> Result<Self, Trouble> {
        let mut view = View::open_for_apply()?;
        let devices = devices.iter().map(|device| {
            let stanzas = view.stanzas(&device.name, &device.calls);
            (device, stanzas)
        });
        Ok(Self {
            devices: devices.collect(),
            view,
        })
    }

    /// The same without what an ifdown has begun to take down since it was found to be up. It notes
    /// that before it takes anything out; of one that begins later the records tell, which a look has
    /// seen before.
    fn of_what_is_still_up(running: &Running, devices: &'a [Device]) -> Result<Self, Trouble> {
        let mut survey = Self::take(devices)?;
        let down = running.down_since(devices)?;
        survey.devices.retain(|(it, _)| !down.contains(&it.name));
        Ok(survey)
    }

    /// What the stanzas ask for.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let each = self.devices.iter().flat_map(|(device, stanzas)| {
            let stanzas = stanzas.iter();
            stanzas.filter_map(|status| {
                let (_, state) = status.policy.as_ref()?;
                Some(Wanted {
                    device: &device.name,
                    heading: &status.heading,
                    state,
                })
            })
        });
        each.collect()
    }

    /// What the change would make of the way back to who typed this: a sentence, if it moves.
    fn moved_connection(&mut self, replies: &Packet) -> Result<Option<String>, Trouble> {
        let stanzas = self.devices.iter().flat_map(|(_, stanzas)| stanzas);
        let changes: Vec<_> = stanzas.flat_map(StanzaStatus::steps).collect();
        if changes.is_empty() {
            return Ok(None);
        }
        Ok(warning_of_move(&mut self.view.kernel, replies, &changes)?)
    }
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

/// Applies the change, and says what became of it, and what is wrong, only then: see [`say`].
fn apply(survey: Survey<'_>, all: bool, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let mut said = Vec::new();
    let messages = hold_messages();
    let changed = change(survey, all, &mut said);
    drop(messages);
    let told = say(out, &said);
    let verdict = changed?;
    told?;
    Ok(verdict)
}

/// Brings the devices in step, and says what became of each stanza.
pub fn change(survey: Survey<'_>, all: bool, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let Survey { mut view, devices } = survey;
    let mut verdict = Verdict::Good;
    let mut acted = false;
    // What others have need not be known where the kernel does not tell.
    let knows_around = view.look_around().is_ok();
    let add = if knows_around {
        Addition::CutOffOf(view.around())
    } else {
        Addition::Nothing
    };
    // Nobody waits for what another one waits for, and those that do wait side by side.
    let (waiting, ready): (Vec<_>, Vec<_>) = devices.iter().partition(|(_, stanzas)| {
        stanzas
            .iter()
            .any(|stanza| stanza.left_to_do == LeftToDo::Waiting)
    });
    for devices in [ready, waiting] {
        let patience = Patience::side_by_side();
        for (device, surveyed) in devices {
            let run = DeviceRun {
                device: &device.name,
                calls: &device.calls,
                surveyed,
                patience,
                leftovers: Leftovers::WithStanza,
                add,
            };
            let mut told = Ok(());
            acted |= run.bring_in_step(|done| match tell(done, out) {
                Ok(of_stanza) => verdict = verdict.max(of_stanza),
                Err(error) => told = Err(error),
            });
            told?;
            warn_of_missing_stanzas(device);
        }
    }
    // What the survey found in its place, and nothing has changed, is still there.
    let differ =
        |(_, stanzas): &(_, Vec<StanzaStatus>)| stanzas.iter().any(StanzaStatus::copies_differ);
    if acted && view.has_front() || devices.iter().any(differ) {
        verdict = verdict.max(put_in_front(&devices, out)?);
    }
    if all {
        let of_orphans = take_out_orphans(&mut view, acted, out)?;
        verdict = verdict.max(of_orphans);
    }
    Ok(verdict)
}

/// Puts copies of rules in front of those of VPN software, and takes out those of software that is
/// gone.
fn put_in_front(
    devices: &[(&Device, Vec<StanzaStatus>)],
    out: &mut dyn Write,
) -> Result<Verdict, Trouble> {
    let names: Vec<InterfaceName> = devices.iter().map(|(it, _)| it.name.clone()).collect();
    let mut verdict = Verdict::Good;
    for changed in converge::put_in_front(&mut Kernel::open()?, &names)? {
        let interface = changed.heading.interface();
        let of_one = match changed.outcome {
            Ok(outcome) => {
                for warning in &outcome.warnings {
                    warn!("{interface}: {warning}");
                }
                writeln!(out, "{interface}: {}", changed.copies)?;
                Verdict::Good
            }
            Err(failure) => {
                converge::tell(interface, &failure);
                Verdict::Bad
            }
        };
        verdict = verdict.max(of_one);
    }
    Ok(verdict)
}

/// Says what became of a stanza.
fn tell(done: Done, out: &mut dyn Write) -> io::Result<Verdict> {
    let name = &done.name;
    match done.became {
        Ok(Some(summary)) => writeln!(out, "{name}: {summary}").map(|()| Verdict::Good),
        Ok(None) => Ok(Verdict::Good),
        Err(failure) => {
            if let Some(waiting) = failure.waiting() {
                return writeln!(out, "{name}: {waiting}").map(|()| Verdict::Differs);
            }
            converge::tell(name, &failure);
            Ok(Verdict::Bad)
        }
    }
}

fn warn_of_missing_stanzas(device: &Device) {
    for interface in &device.without_stanza {
        if Store::has(&interface.device()) {
            warn!(
                "{interface}: the file has no stanza for it; what it has stays, \
                 until policy-table flush {interface}"
            );
        }
    }
}

/// Takes out what belongs to nothing that is up. Where nothing else was done, a look tells whether
/// there is anything.
fn take_out_orphans(view: &mut View, acted: bool, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let failed = |error: OrphanError| Trouble::Failed(error.to_string());
    if !acted {
        let seen = view.orphans().map_err(failed)?;
        if seen.is_forgotten() && seen.damaged.is_empty() {
            return Ok(Verdict::Good);
        }
    }
    let removed = remove_orphans(&mut Kernel::open()?, Path::new("/"));
    let (orphans, outcome) = removed.map_err(failed)?;
    for warning in &outcome.warnings {
        warn!("{warning}");
    }
    if outcome.removed > 0 {
        let removed = routes_and_rules(outcome.removed);
        writeln!(out, "orphaned: {removed} removed")?;
    }
    if !orphans.chains.is_empty() {
        writeln!(out, "orphaned: {} removed", told_chains(&orphans.chains))?;
    }
    if outcome.stuck.is_empty() {
        Ok(Verdict::Good)
    } else {
        Ok(Verdict::Bad)
    }
}
