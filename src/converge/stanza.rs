//! A stanza's policy routing: how it comes up, and how it goes.
//!
//! Up reads the options, looks up what they leave to the kernel and to the table names, and brings
//! the kernel and the record to the routes and rules that follow (`settle.rs`); what is wrong on the
//! way leaves all as it was. Down goes by the record, and by the stanza only where that says too
//! little; what is wrong on the way keeps nothing else from being taken out.

use log::{error, warn};

use super::addition::Addition;
use super::intent::{no_default_since, note_waiting, wait, Intent};
use super::observe;
use super::outcome::{Failure, Outcome, Removal, StepError};
use super::patience::Patience;
use super::remove::take_out;
use super::renamed_device::renamed_routes;
use super::settle::{nothing_of, settle, settle_with, Order};
use super::share::{leave_to_others, may_share};
use super::table_ids::StanzaTables;
use crate::ifupdown::HookCall;
use crate::marks::{load_marks, DeviceMarks, MarksError};
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Heading, Part, Record, Store, Takeover};
use crate::routing::{InterfaceName, Mark, Object, Rule, State, PROTOCOL};
use crate::stanza::{Notice, Stanza};
use crate::text::{chain, counted};

/// Puts in the routing of the stanza that a hook is called for. The summary says what was done, if
/// there was anything to do.
/// Errors: nothing of the stanza is half done: all is as it was.
pub fn up(call: &HookCall) -> Result<Option<String>, Failure> {
    let takeover = Takeover::of_call(call);
    let Some(stanza) = Stanza::parse(call).map_err(Failure::Options)? else {
        return withdraw(call, &takeover);
    };
    let mut kernel = Kernel::open()?;
    let intent = Intent::of(call, &stanza, &takeover, &mut kernel)?;
    let done = up_with(&mut kernel, &intent, &takeover, None);
    let done = done.map_err(|failure| what_it_waits_for(&mut kernel, &stanza, failure));
    match &done {
        Ok(done) => done
            .rest
            .iter()
            .for_each(|part| leave_addresses(part, &stanza)),
        Err(Failure::Waiting(waiting)) => note_waiting(&intent, &takeover, waiting),
        Err(_) => {}
    }
    done.and_then(IsUp::told)
}

/// Has a stanza with `policy-source all` leave its addresses to one that came up later: which came
/// first is no matter.
fn leave_addresses(part: &Part, to: &Stanza) {
    let Some(call) = part.whole_call().filter(|_| to.derives()) else {
        return;
    };
    let beside = Beside {
        calls: &[],
        before: None,
        later: &State::default(),
        add: Addition::Nothing,
        patience: Patience::NONE,
    };
    match apply(&call, &Takeover::of_part(part), &beside) {
        // Another run has seen to it.
        Ok(_) | Err(Failure::Overtaken | Failure::Waiting(_)) => {}
        Err(failure) => tell(&call.interface, &failure),
    }
}

/// What is known besides a call; to a hook that is called for one stanza, nothing.
pub struct Beside<'a> {
    /// All calls of the device.
    pub calls: &'a [HookCall],
    /// What the stanzas before it in the file have in force: its rules stand behind theirs.
    pub before: Option<&'a State>,
    /// Routes of devices that come later, and find their places behind its own.
    pub later: &'a State,
    /// What else goes into the summary.
    pub add: Addition<'a>,
    /// How long is waited for what it needs.
    pub patience: Patience,
}

/// As [`up`], of a stanza that is up already, in the place of what it takes over of the record.
/// Errors: as there; but of a stanza whose address is gone nothing is left in force. One that was
/// edited keeps what it has: its interface may still have the old address, and ifdown its routing.
pub fn apply(
    call: &HookCall,
    takeover: &Takeover,
    beside: &Beside<'_>,
) -> Result<Option<String>, Failure> {
    let Some(stanza) = Stanza::parse(call).map_err(Failure::Options)? else {
        return withdraw(call, takeover);
    };
    let mut kernel = Kernel::open()?;
    let intent = Intent::of(call, &stanza, takeover, &mut kernel)?;
    let lost = observe::lost(&mut kernel, &stanza)?;
    let done = match lost {
        Some(waiting) => Err(waiting.into()),
        None => up_with(&mut kernel, &intent, takeover, Some(beside)),
    };
    if let Err(Failure::Waiting(waiting)) = &done {
        let record = Store::peek(&stanza.interface.device());
        if waiting.keeps(takeover, &record) {
            note_waiting(&intent, takeover, waiting);
        } else {
            let part = Part {
                waiting: Some(wait(waiting, takeover.part(&record))),
                ..intent.part
            };
            let outcome = settle(&mut kernel, &stanza.interface, takeover, &part)?;
            warn_of(&stanza.interface, &outcome.warnings);
            warn_unmarked(&stanza.interface, outcome.unmarked.as_ref());
        }
    }
    done.and_then(IsUp::told)
}

/// What became of a stanza whose routes and rules are in force.
struct IsUp {
    summary: String,
    /// The parts of stanzas that have rules on the rest of the addresses.
    rest: Vec<Part>,
    unmarked: Option<MarksError>,
}

impl IsUp {
    /// The summary.
    /// Errors: connections are not marked.
    fn told(self) -> Result<Option<String>, Failure> {
        match self.unmarked {
            Some(error) => Err(error.into()),
            None => Ok(Some(self.summary)),
        }
    }
}

/// Of a stanza that is up already more is known `beside` its call.
fn up_with(
    kernel: &mut Kernel,
    intent: &Intent<'_>,
    takeover: &Takeover,
    beside: Option<&Beside<'_>>,
) -> Result<IsUp, Failure> {
    let Intent { stanza, tables, .. } = intent;
    let known = || {
        let record = Store::peek(&stanza.interface.device());
        takeover.known(&record)
    };
    let patience = beside.map_or(Patience::OF_HOOK, |beside| beside.patience);
    let mut found = observe::awaited(kernel, stanza, &known, patience)?;
    if may_share(stanza, &found) {
        let record = Store::peek(&stanza.interface.device());
        let calls = beside.map_or(&[][..], |beside| beside.calls);
        leave_to_others(kernel, &mut found, stanza, takeover, &record, calls)?;
    }
    let (wanted, notices) = tables.wanted(stanza, &found).map_err(Failure::Options)?;
    for name in tables.new_and_empty(&wanted) {
        warn!(
            "{}: table {name} is new, and no route goes into it here: is the name right?",
            stanza.interface
        );
    }
    let remarks = remarks(stanza, &notices);
    let behind = beside.and_then(|beside| Some((beside.before?, beside.later)));
    let order = behind.map_or(Order::Own, |(before, later)| Order::Behind {
        before,
        later,
    });
    let no_default_since = if notices.is_empty() {
        None
    } else {
        let record = Store::peek(&stanza.interface.device());
        no_default_since(&notices, takeover, &record)
    };
    let part = Part {
        no_default_since,
        state: wanted,
        ..intent.part.clone()
    };
    let outcome = settle_with(kernel, &stanza.interface, takeover, &part, &order)?;
    warn_of(&stanza.interface, &outcome.warnings);
    if let Some(mark) = tables.mark() {
        warn_of_clash(kernel, stanza, mark, &part.state)?;
    }
    let mut summary = vec![sum_up(tables, &outcome)];
    summary.extend(remarks);
    let add = beside.map_or(Addition::CutOff, |beside| beside.add);
    let table = tables.own().map(|(id, _)| id);
    summary.extend(add.of(kernel, stanza, &part.state, table));
    Ok(IsUp {
        summary: summary.join("; "),
        rest: outcome.rest,
        unmarked: outcome.unmarked,
    })
}

/// Warns of a rule that takes the mark of the stanza for another one.
fn warn_of_clash(
    kernel: &mut Kernel,
    stanza: &Stanza,
    mark: Mark,
    wanted: &State,
) -> Result<(), Failure> {
    let rules = kernel.rules(stanza.family)?;
    let own = (mark.value(), mark.mask());
    let is_like_own = |rule: &Rule| {
        let mut wanted = wanted.rules().iter();
        rule.mark == Some(own)
            && rule.protocol == PROTOCOL
            && wanted.any(|own| own.mark == rule.mark && own.action == rule.action)
    };
    let mut mistaken = rules
        .iter()
        .filter(|rule| mark.is_mistaken_by(rule) && !is_like_own(rule));
    if let Some(rule) = mistaken.next() {
        warn!(
            "{}: policy-connmark: mark {mark} has bits that \"{rule}\" goes by; write MARK/MASK with \
             bits that nobody else uses",
            stanza.interface
        );
    }
    Ok(())
}

/// What lies behind a failure: where routes alone were refused, and what they need is not there,
/// nothing is wrong with them.
fn what_it_waits_for(kernel: &mut Kernel, stanza: &Stanza, failure: Failure) -> Failure {
    let is_of_route = |error: &StepError| match error {
        StepError::Refused { step, .. } => matches!(step.object, Object::Route(_)),
        _ => false,
    };
    match &failure {
        Failure::Steps(errors) if errors.iter().all(is_of_route) => {
            match observe::lost(kernel, stanza) {
                Ok(Some(waiting)) => waiting.into(),
                _ => failure,
            }
        }
        _ => failure,
    }
}

/// Of what the administrator should know, what goes into the summary; the rest is a warning.
pub fn remarks(stanza: &Stanza, notices: &[Notice]) -> Vec<String> {
    let mut remarks = Vec::new();
    for notice in notices {
        match notice {
            Notice::NoDefault(..) | Notice::NoNetwork(_) => warn!("{}: {notice}", stanza.interface),
            // The lease named a router, but main has another default route of that metric.
            Notice::Guessed(_) if stanza.method == "dhcp" => warn!(
                "{}: {notice}; beside another default route dhcp needs a metric",
                stanza.interface
            ),
            Notice::Guessed(_) | Notice::Onlink(..) | Notice::Kept(..) => {
                remarks.push(notice.to_string());
            }
        }
    }
    remarks
}

/// Takes out what a stanza put in that has no options any more.
fn withdraw(call: &HookCall, takeover: &Takeover) -> Result<Option<String>, Failure> {
    let Ok(interface) = call.interface.parse::<InterfaceName>() else {
        return Ok(None);
    };
    let record = Store::peek(&interface.device());
    if takeover.part(&record).is_none() {
        return Ok(None);
    }
    let nothing = nothing_of(takeover);
    let outcome = settle(&mut Kernel::open()?, &interface, takeover, &nothing)?;
    warn_of(&interface, &outcome.warnings);
    warn_unmarked(&interface, outcome.unmarked.as_ref());
    Ok(Some(sum_up(&StanzaTables::default(), &outcome)))
}

/// What a run for a stanza came to.
pub fn sum_up(tables: &StanzaTables, outcome: &Outcome) -> String {
    let moved = match outcome.moved {
        0 => String::new(),
        moved => format!(", {moved} put in order"),
    };
    format!(
        "{tables}{} and {} in force, {} added, {} removed{moved}",
        counted(outcome.in_force.routes().len(), "route", "routes"),
        counted(outcome.in_force.rules().len(), "rule", "rules"),
        outcome.added,
        outcome.removed
    )
}

/// Whether an earlier run put something in for the stanza that a hook is called for. It stays
/// where this run fails.
pub fn has_previous(call: &HookCall, interface: &InterfaceName) -> bool {
    let takeover = Takeover::of_call(call);
    takeover.has_previous(&Store::peek(&interface.device()))
}

/// Takes an interface's routing out, by the record or else by the stanza.
pub fn down(call: &HookCall, interface: &InterfaceName) -> Result<Removal, Failure> {
    let mut record = DeviceRecord::open(interface);
    let mut marked = DeviceMarks::devices(&record.noted);
    let (going, staying) = std::mem::take(&mut record.noted).split(interface);
    record.noted = staying;
    // Before the rules: what bears no mark needs none.
    if going.is_empty() && Part::of(Heading::of(call), call).asks_for_marks() {
        marked.push(interface.device());
    }
    if let Err(error) = load_marks(&marked, &record.noted) {
        warn!(
            "{interface}: {error}; connections go on being marked until that is mended, and policy-table \
             apply --all is run"
        );
    }
    let mut kernel = Kernel::open()?;
    let objects = to_take_out(call, &going, &record, &mut kernel);
    let objects = kernel.devices().same_in(objects);
    if objects.is_empty() {
        if !going.is_empty() {
            record.write();
        }
        return Ok(Removal::default());
    }
    let mut removal = take_out(&mut kernel, &objects);
    match renamed_routes(&mut kernel, &interface.device(), &removal.gone) {
        Ok(renamed) => removal.add(take_out(&mut kernel, &renamed)),
        Err(error) => removal.warnings.push(chain(&error)),
    }
    warn_of(interface, &removal.warnings);
    record.unshare(&objects.without(&removal.stuck));
    record
        .noted
        .leave(&Heading::of(call), removal.stuck.clone());
    record.write();
    if !record.is_written() {
        // What cannot be written now may not have been when the interface came up: the record is
        // of before that, if there is one.
        let rest = by_stanza(call, &mut kernel)
            .without(&objects)
            .without(&record.noted.state());
        let rest = rest.without(&record.claimed_elsewhere(&rest));
        let more = take_out(&mut kernel, &rest);
        warn_of(interface, &more.warnings);
        removal.add(more);
    }
    Ok(removal)
}

/// What the part of the record that goes says was put in, and the stanza where that part is missing
/// or damaged; but not what another stanza needs.
fn to_take_out(
    call: &HookCall,
    going: &Record,
    record: &DeviceRecord,
    kernel: &mut Kernel,
) -> State {
    let mut objects = going.state();
    let mut claimed = record.still_shared(&objects);
    if going.is_empty() || !going.damaged.is_empty() {
        let guessed = by_stanza(call, kernel);
        // Which of these another device put in, no run of this stanza may have found out.
        claimed = claimed.with(&record.claimed_elsewhere(&guessed));
        objects = objects.with(&guessed);
    }
    objects.without(&record.noted.state()).without(&claimed)
}

/// What the stanza as it stands now would have put in. Errors in it are no matter here.
fn by_stanza(call: &HookCall, kernel: &mut Kernel) -> State {
    let Ok(Some(stanza)) = Stanza::parse(call) else {
        return State::default();
    };
    let found = observe::at_once(kernel, &stanza).unwrap_or_default();
    let wanted = StanzaTables::likely(&stanza).wanted(&stanza, &found);
    wanted.map(|(state, _)| state).unwrap_or_default()
}

/// Tells what an administrator should know.
pub fn warn_of(interface: &InterfaceName, warnings: &[String]) {
    for warning in warnings {
        warn!("{interface}: {warning}");
    }
}

/// Tells what of the marks is still there.
pub fn warn_unmarked(interface: &InterfaceName, unmarked: Option<&MarksError>) {
    if let Some(error) = unmarked {
        warn!("{interface}: {error}");
    }
}

/// Tells why an interface's policy routing is not in force, a line for each cause.
pub fn tell(interface: &str, failure: &Failure) {
    for line in failure.lines() {
        error!("{interface}: {line}");
    }
}
