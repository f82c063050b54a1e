//! What `ifup` and `ifdown` set off.
//!
//! ifupdown runs the program for each stanza of an interface that is up, or is about to go down;
//! ifupdown2 and ifupdown-ng run it once for all of them. Most stanzas have no `policy-*` options,
//! and for these a run ends before it has opened anything. For the others it gives up the rights
//! that it does not need, lets `converge/` do the work, and says what came of it. Only `ifup` may
//! be made to fail (`policy-on-error`); `ifdown` goes on whatever happens here.

use std::ffi::OsString;
use std::process::ExitCode;

use log::{debug, error, info, warn};

use crate::converge;
use crate::ifupdown::{Direction, HookCall};
use crate::record::{keeper_is_running, Store};
use crate::routing::InterfaceName;
use crate::stanza::{on_error, OnError};
use crate::system::{keep_net_admin, outlive_limits, start_logging};
use crate::text::Shown;

/// Runs as a hook of the folder it was called from.
pub fn run(
    direction: Direction,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    match HookCall::read(direction, environment) {
        Some(call) if is_ours(&call) => match direction {
            Direction::Up => up(&call),
            Direction::Down => {
                down(&call);
                ExitCode::SUCCESS
            }
        },
        _ => ExitCode::SUCCESS,
    }
}

/// Whether there is something to do: the stanza has options, or had some when it came up.
fn is_ours(call: &HookCall) -> bool {
    !call.options.is_empty() || has_record(call)
}

fn has_record(call: &HookCall) -> bool {
    let interface = call.interface.parse::<InterfaceName>();
    interface.is_ok_and(|interface| Store::has(&interface.device()))
}

/// Starts a run that has something to do, with a journal and with no rights that it does not
/// need; returns whether it may go on. Until here nothing but the names of the stanza's options has
/// been looked at.
fn begin(call: &HookCall) -> bool {
    // From here on files are written, standard error perhaps among them.
    outlive_limits();
    start_logging(call.verbose);
    let kept = keep_net_admin();
    if let Err(refused) = &kept {
        let interface = Shown(&call.interface);
        error!("{refused}; nothing was done for {interface}");
    }
    kept.is_ok()
}

fn up(call: &HookCall) -> ExitCode {
    if !begin(call) {
        return exit_code(on_error(call));
    }
    let interface = Shown(&call.interface);
    match converge::up(call) {
        Ok(Some(summary)) => info!("{interface}: {summary}"),
        Ok(None) => {}
        Err(failure) => {
            if let Some(waiting) = failure.waiting() {
                // Nobody's mistake: ifup does not fail for it, whatever policy-on-error says. It
                // would not note the interface as up, and then nothing could be applied later.
                let (state, then) = (state(call), what_then(call));
                warn!("{interface}: {waiting}; policy routing {state} until then; {then}");
                return ExitCode::SUCCESS;
            }
            converge::tell(&interface.to_string(), &failure);
            let wished = on_error(call);
            error!("{interface}: {}", consequence(call, wished));
            return exit_code(wished);
        }
    }
    ExitCode::SUCCESS
}

/// What will come of what waits, or what there is to do.
fn what_then(call: &HookCall) -> String {
    if keeper_is_running() {
        "the keeper finishes it".to_owned()
    } else {
        let interface = Shown(&call.interface);
        format!("when it is there, run: policy-table apply {interface}")
    }
}

/// What `ifup` is told after an error.
fn exit_code(wished: OnError) -> ExitCode {
    match wished {
        OnError::Fail => ExitCode::FAILURE,
        OnError::Warn => ExitCode::SUCCESS,
    }
}

/// What a failure means for the interface, and the way out of it.
fn consequence(call: &HookCall, wished: OnError) -> String {
    let interface = Shown(&call.interface);
    let device = call.interface.parse::<InterfaceName>();
    let is_mapped = !call.logical.is_empty() && call.logical != call.interface;
    let name = if is_mapped && device.is_ok() {
        format!("{interface}={}", Shown(&call.logical))
    } else {
        interface.to_string()
    };
    let state = state(call);
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
    if !begin(call) {
        return;
    }
    match converge::down(call, &interface) {
        Ok(removal) if removal.removed == 0 => debug!("{interface}: nothing of ours was left"),
        Ok(removal) => info!("{interface}: {} routes and rules removed", removal.removed),
        Err(failure) => {
            converge::tell(interface.as_str(), &failure);
            error!(
                "{interface}: its policy routing stays; correct the cause, then run: \
                 policy-table flush {interface}"
            );
        }
    }
}
