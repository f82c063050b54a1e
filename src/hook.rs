//! What `ifup` and `ifdown` set off.
//!
//! ifupdown runs the program for each stanza of an interface that is up, or is about to go down;
//! ifupdown2 and ifupdown-ng run it once for all of them, and the file says which these are. Most
//! stanzas have no `policy-*` options, and for these a run ends before it has opened anything, or
//! with a look at the files. For the others it gives up the rights that it does not need, lets
//! `converge/` do the work, and says what came of it. Only ifupdown's `ifup` may be made to fail
//! (`policy-on-error`); `ifdown`, and what the other two do, goes on whatever happens here.

use std::ffi::OsString;
use std::process::ExitCode;

use log::{debug, error, info, warn};

use crate::converge;
use crate::converge::{routes_and_rules, Addition, DeviceRun, Done, Failure, Leftovers, Patience};
use crate::ifupdown::{Caller, Direction, FileCalls, HookCall, InterfaceCall};
use crate::record::{keeper_is_running, Store};
use crate::routing::InterfaceName;
use crate::stanza::{on_error, OnError};
use crate::system::{
    is_enabled, keep_net_admin, outlive_limits, start_logging_beside, OtherOutput, DEFAULTS,
};
use crate::text::Shown;

/// Runs as a hook of the folder it was called from.
pub fn run(
    direction: Direction,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    if matches!(direction, Direction::PostUp | Direction::PreDown) {
        let call = InterfaceCall::read(direction, environment.into_iter().collect());
        if let Some(call) = call.filter(may_be_ours) {
            whole_interface(call, direction.is_up());
        }
        return ExitCode::SUCCESS;
    }
    match HookCall::read(direction, environment) {
        Some(call) if !is_ours(&call) => ExitCode::SUCCESS,
        Some(call) if direction.is_up() => up(&call),
        Some(call) => {
            down(&call);
            ExitCode::SUCCESS
        }
        None => ExitCode::SUCCESS,
    }
}

/// Whether there is something to do: the stanza has options, or had some when it came up.
fn is_ours(call: &HookCall) -> bool {
    !call.options.is_empty() || has_record(call)
}

/// The same of an interface, as far as it can be told at once: what its stanzas are, the files say.
fn may_be_ours(call: &InterfaceCall) -> bool {
    Store::has(&call.interface.device()) || call.mentions_options()
}

fn has_record(call: &HookCall) -> bool {
    let interface = call.interface.parse::<InterfaceName>();
    interface.is_ok_and(|interface| Store::has(&interface.device()))
}

/// Starts a run that has something to do, with a journal and with no rights that it does not
/// need; returns whether it may go on. Until here nothing but the names of the stanza's options has
/// been looked at. With `output`, what is wrong is also told there.
fn begin(call: &HookCall, output: Option<OtherOutput>) -> bool {
    // From here on files are written, standard error perhaps among them.
    outlive_limits();
    start_logging_beside(call.verbose, output);
    let kept = keep_net_admin();
    if let Err(refused) = &kept {
        let interface = Shown(&call.interface);
        error!("{refused}; nothing was done for {interface}");
    }
    kept.is_ok()
}

fn up(call: &HookCall) -> ExitCode {
    if !begin(call, None) {
        return exit_code(on_error(call));
    }
    let interface = Shown(&call.interface);
    if is_switched_off(std::slice::from_ref(call)) {
        info!("{interface}: {}", switched_off());
        return ExitCode::SUCCESS;
    }
    match converge::up(call) {
        Ok(Some(summary)) => info!("{interface}: {summary}"),
        Ok(None) => {}
        Err(failure) => {
            if let Some(waiting) = failure.waiting() {
                // Nobody's mistake: ifup does not fail for it, whatever policy-on-error says. It
                // would not note the interface as up, and then nothing could be applied later.
                let then = what_then(&format!("policy-table apply {interface}"));
                let state = state(call);
                warn!("{interface}: {waiting}; policy routing {state} until then; {then}");
                return ExitCode::SUCCESS;
            }
            converge::tell(&interface.to_string(), &failure);
            let wished = on_error(call);
            let state = if failure.is_of_marks_alone() {
                UNMARKED
            } else {
                state(call)
            };
            error!("{interface}: {}", consequence(call, state, wished));
            return exit_code(wished);
        }
    }
    ExitCode::SUCCESS
}

/// What will come of what waits, or what there is to do.
fn what_then(remedy: &str) -> String {
    if keeper_is_running() {
        "the keeper finishes it".to_owned()
    } else {
        format!("when it is there, run: {remedy}")
    }
}

/// Whether nothing is to be put in for some stanzas. Those without options, which may have to be
/// taken out, do not ask.
fn is_switched_off(calls: &[HookCall]) -> bool {
    calls.iter().any(|call| !call.options.is_empty()) && !is_enabled()
}

/// What is said then.
fn switched_off() -> String {
    format!("ENABLED=no in {DEFAULTS}: nothing is put in; what was in force before stays")
}

/// What `ifup` is told after an error.
fn exit_code(wished: OnError) -> ExitCode {
    match wished {
        OnError::Fail => ExitCode::FAILURE,
        OnError::Warn => ExitCode::SUCCESS,
    }
}

/// What a failure means for the interface, and the way out of it.
fn consequence(call: &HookCall, state: &str, wished: OnError) -> String {
    let interface = Shown(&call.interface);
    let device = call.interface.parse::<InterfaceName>();
    let is_mapped = !call.logical.is_empty() && call.logical != call.interface;
    let name = if is_mapped && device.is_ok() {
        format!("{interface}={}", Shown(&call.logical))
    } else {
        interface.to_string()
    };
    match wished {
        OnError::Fail => format!(
            "policy routing {state} and ifup fails (policy-on-error fail); correct the cause, \
             then run: ifdown --force {name}; ifup {name}"
        ),
        OnError::Warn => format!(
            "policy routing {state}, the interface itself is up; correct the cause, then run: \
             ifup --force --ignore-errors {name}"
        ),
    }
}

/// How it is where only the marks of connections are not.
const UNMARKED: &str = "is in force but for policy-connmark";

/// How the interface's policy routing is after a run that put nothing in.
fn state(call: &HookCall) -> &'static str {
    let device = call.interface.parse::<InterfaceName>();
    if device.is_ok_and(|interface| converge::has_previous(call, &interface)) {
        "stays as an earlier ifup left it"
    } else {
        "is not in force"
    }
}

fn down(call: &HookCall) {
    let Ok(interface) = call.interface.parse::<InterfaceName>() else {
        return;
    };
    if begin(call, None) {
        take_down(call, &interface);
    }
}

fn take_down(call: &HookCall, interface: &InterfaceName) {
    match converge::down(call, interface) {
        Ok(removal) if removal.removed == 0 => debug!("{interface}: nothing of ours was left"),
        Ok(removal) => {
            let removed = routes_and_rules(removal.removed);
            info!("{interface}: {removed} removed");
        }
        Err(failure) => {
            converge::tell(interface.as_str(), &failure);
            error!(
                "{interface}: its policy routing stays; correct the cause, then run: \
                 policy-table flush {interface}"
            );
        }
    }
}

/// Brings all stanzas of an interface up, or takes them down.
fn whole_interface(call: InterfaceCall, comes_up: bool) {
    let call = call.without_strangers();
    if !begin(&call.told(), call.output()) {
        return;
    }
    if comes_up {
        whole_interface_up(&call);
    } else {
        whole_interface_down(&call);
    }
}

fn whole_interface_up(call: &InterfaceCall) {
    let FileCalls { calls, order } = call.calls();
    let device = call.interface.device();
    if calls.iter().all(|call| call.options.is_empty()) && !Store::has(&device) {
        return;
    }
    if is_switched_off(&calls) {
        info!("{}: {}", Shown(&device.to_string()), switched_off());
        return;
    }
    let of_it = |interface: &InterfaceName| call.is_part(interface);
    let run = DeviceRun {
        device: &device,
        calls: &calls,
        surveyed: &[],
        patience: Patience::of_interface(),
        leftovers: Leftovers::Of(&of_it),
        add: Addition::CutOff,
    };
    let wishes_failure = calls.iter().any(|call| on_error(call) == OnError::Fail);
    run.bring_in_step(|done| tell_of(call, &done, wishes_failure));
    if let Err(error) = converge::put_in_file_order(&device, &order) {
        warn!("{device}: it does not stand in the order of the file: {error}");
    }
}

/// Says what became of a stanza of an interface.
fn tell_of(call: &InterfaceCall, done: &Done, wishes_failure: bool) {
    let (interface, name) = (&call.interface, Shown(&done.name));
    let is_unmarked = matches!(&done.became, Err(failure) if failure.is_of_marks_alone());
    let state = if is_unmarked {
        UNMARKED
    } else if done.is_in_force {
        "stays as it was"
    } else {
        "is not in force"
    };
    let remedy = remedy(call);
    match &done.became {
        Ok(Some(_)) if done.had.is_some() => {
            let had = done.had.as_deref().unwrap_or_default();
            warn!("{interface}: had {had}, its stanza has none now; taken out");
        }
        Ok(Some(summary)) => info!("{name}: {summary}"),
        Ok(None) => {}
        Err(Failure::Waiting(waiting)) => warn!(
            "{interface}: {waiting}; policy routing {state} until then; {}",
            what_then(&remedy)
        ),
        Err(failure) => {
            converge::tell(interface.as_str(), failure);
            let no_failure = if wishes_failure {
                format!(" (policy-on-error fail has no effect with {})", call.caller)
            } else {
                String::new()
            };
            error!(
                "{interface}: policy routing {state}, the interface itself is up{no_failure}; \
                 correct the cause, then run: {remedy}"
            );
        }
    }
}

/// What does for an interface that is up what its hook does. Never does it go down for that, perhaps
/// with the guests that a bridge has.
fn remedy(call: &InterfaceCall) -> String {
    match call.caller {
        Caller::Ifupdown2 => "ifreload -a".to_owned(),
        Caller::Ifupdown | Caller::IfupdownNg => format!("policy-table apply {}", call.interface),
    }
}

/// By the record; where that says too little, by each stanza of the file.
fn whole_interface_down(call: &InterfaceCall) {
    let record = Store::peek(&call.interface.device());
    let is_whole = !record.is_empty() && record.damaged.is_empty();
    let calls = if is_whole {
        vec![call.told()]
    } else {
        call.calls().calls
    };
    for of_stanza in &calls {
        take_down(of_stanza, &call.interface);
    }
}
