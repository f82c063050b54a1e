//! What `ifup` and `ifdown` set off: the story of a run, and what it means for ifupdown.

use std::ffi::OsString;
use std::process::ExitCode;

use log::{debug, error, info};

use crate::converge;
use crate::ifupdown::{Direction, HookCall};
use crate::record::{Store, Takeover};
use crate::routing::InterfaceName;
use crate::stanza::{on_error, OnError};
use crate::system::{keep_net_admin, start_journal};
use crate::text::Shown;

/// Runs as a hook of the folder it was called from.
pub fn run(
    direction: Direction,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    match HookCall::read(direction, environment) {
        None => ExitCode::SUCCESS,
        Some(call) if direction == Direction::Up => up(&call),
        Some(call) => {
            down(&call);
            ExitCode::SUCCESS
        }
    }
}

fn up(call: &HookCall) -> ExitCode {
    // Of a stanza without options there is nothing to do, unless it had some when it came up.
    if call.options.is_empty() && !has_record(call) {
        return ExitCode::SUCCESS;
    }
    if !is_permitted(call) {
        return exit_code(call);
    }
    let interface = Shown(&call.interface);
    match converge::up(call, takeover(call)) {
        Ok(summary) => {
            if let Some(summary) = summary {
                info!("{interface}: {summary}");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            converge::tell(&interface.to_string(), &failure);
            let failing = on_error(call) == OnError::Fail;
            error!("{interface}: {}", consequence(call, failing));
            exit_code(call)
        }
    }
}

/// Starts a run that has something to do: with a journal, and with no rights that it does not
/// need. Of the stanza's options nothing but their names has been looked at until then.
fn is_permitted(call: &HookCall) -> bool {
    start_journal(call.verbose);
    let kept = keep_net_admin();
    if let Err(refused) = &kept {
        let interface = Shown(&call.interface);
        error!("{refused}; nothing was done for {interface}");
    }
    kept.is_ok()
}

/// What `ifup` is told after an error.
fn exit_code(call: &HookCall) -> ExitCode {
    match on_error(call) {
        OnError::Fail => ExitCode::FAILURE,
        OnError::Warn => ExitCode::SUCCESS,
    }
}

fn has_record(call: &HookCall) -> bool {
    let interface = call.interface.parse::<InterfaceName>();
    interface.is_ok_and(|interface| Store::has(&interface.device()))
}

fn takeover(call: &HookCall) -> Takeover {
    Takeover::of_call(call, Store::peek)
}

/// What the failure means for the interface, and the way out of it.
fn consequence(call: &HookCall, failing: bool) -> String {
    let interface = Shown(&call.interface);
    let device = call.interface.parse::<InterfaceName>();
    let mapped = !call.logical.is_empty() && call.logical != call.interface;
    let name = if mapped && device.is_ok() {
        format!("{interface}={}", Shown(&call.logical))
    } else {
        interface.to_string()
    };
    let before = device.is_ok_and(|interface| {
        let record = Store::peek(&interface.device());
        !takeover(call).previous(&record).is_empty()
    });
    let state = if before {
        "stays as an earlier ifup left it"
    } else {
        "is not in force"
    };
    if failing {
        format!(
            "policy routing {state} and ifup fails (policy-on-error fail); correct the cause, \
             then run: ifdown --force {name}; ifup {name}"
        )
    } else {
        format!(
            "policy routing {state}, the interface itself is up; correct the cause, then run: \
             ifup --force --ignore-errors {name}"
        )
    }
}

fn down(call: &HookCall) {
    let Ok(interface) = call.interface.parse::<InterfaceName>() else {
        return;
    };
    if call.options.is_empty() && !has_record(call) {
        return;
    }
    if !is_permitted(call) {
        return;
    }
    match converge::down(call, &interface) {
        Ok(outcome) if outcome.removed == 0 => debug!("{interface}: nothing of ours was left"),
        Ok(outcome) => info!("{interface}: {} routes and rules removed", outcome.removed),
        Err(failure) => {
            converge::tell(interface.as_str(), &failure);
            error!(
                "{interface}: its policy routing stays; correct the cause, then run: \
                 policy-table flush {interface}"
            );
        }
    }
}
