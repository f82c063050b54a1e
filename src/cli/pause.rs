//! `policy-table pause` and `resume`: for a while the keeper repairs nothing.

use std::env;
use std::io::{self, Write};
use std::time::Duration;

use log::info;
use nix::unistd::{Uid, User};

use super::command::{Arguments, Command, Opt, Trouble, Verdict};
use crate::keep::{change_pauses, Pause};
use crate::netlink::Kernel;
use crate::record::Store;
use crate::routing::InterfaceName;
use crate::system::{keep_net_admin, since_start, start_logging, variable_above};

pub const PAUSE: Command = Command {
    name: "pause",
    operands: "[INTERFACE...]",
    summary: "have the keeper repair nothing for a while",
    about: "\
Stops the repairs of policy-table keep for the interfaces, or for all, for an
hour or as long as said; it ends with a reboot, too. Nothing else stops: ifup,
ifdown, apply and flush act as ever. status shows who paused what, and why.
Of an interface it pauses the aliases, too.",
    options: &[FOR, REASON],
    example: "policy-table pause --for 30m --reason \"provider at work\" eth1",
    run: pause,
};

pub const RESUME: Command = Command {
    name: "resume",
    operands: "[INTERFACE...]",
    summary: "end a pause of the keeper",
    about: "\
Ends the pause of the interfaces, or every pause. The keeper then looks at all
of them.",
    options: &[],
    example: "policy-table resume eth1",
    run: resume,
};

const FOR: Opt = Opt::value(
    "for",
    "TIME",
    "how long: 90s, 30m, 2h, up to 24h; else an hour",
);
const REASON: Opt = Opt::value("reason", "TEXT", "why; status shows it");

const USUAL: Duration = Duration::from_secs(60 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn pause(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let time = arguments.value(FOR.long).map(time).transpose()?;
    let time = time.unwrap_or(USUAL);
    let devices = devices(arguments)?;
    if !devices.is_empty() {
        let mut kernel = Kernel::open()?;
        for device in &devices {
            if !Store::has(device) && !kernel.has_device(device) {
                let nothing = format!("{device} has no record and is no device; nothing is paused");
                return Err(Trouble::Failed(nothing));
            }
        }
    }
    // The processes above this one can be asked only while it has all its rights.
    let who = who();
    start_logging(false);
    keep_net_admin()?;
    let pause = |interface: Option<InterfaceName>| Pause {
        interface,
        until: since_start() + time,
        who: who.clone(),
        reason: arguments.value(REASON.long).map(ToOwned::to_owned),
    };
    let pauses: Vec<Pause> = if devices.is_empty() {
        vec![pause(None)]
    } else {
        devices
            .into_iter()
            .map(|device| pause(Some(device)))
            .collect()
    };
    let added = pauses.clone();
    change_pauses(|all| added.into_iter().for_each(|one| all.add(one)))
        .map_err(|error| refused(&error))?;
    for pause in &pauses {
        let told = pause.told(since_start());
        info!("{told}");
        writeln!(out, "{told}")?;
    }
    Ok(Verdict::Good)
}

fn resume(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let devices = devices(arguments)?;
    start_logging(false);
    keep_net_admin()?;
    let ended = change_pauses(|all| {
        if devices.is_empty() {
            return all.end(None);
        }
        let each = devices.iter().flat_map(|device| all.end(Some(device)));
        each.collect()
    });
    let ended = ended.map_err(|error| refused(&error))?;
    for pause in &ended {
        let of = pause.of();
        info!("{of}: no more paused");
        writeln!(out, "{of}: no more paused")?;
    }
    if ended.is_empty() {
        writeln!(out, "nothing was paused")?;
    }
    Ok(Verdict::Good)
}

/// The devices that are named; of an alias its device, which is looked at as a whole.
fn devices(arguments: &Arguments) -> Result<Vec<InterfaceName>, Trouble> {
    let interfaces = arguments.interfaces()?;
    let mut devices: Vec<_> = interfaces.iter().map(InterfaceName::device).collect();
    devices.dedup();
    Ok(devices)
}

fn refused(error: &io::Error) -> Trouble {
    Trouble::Failed(format!("the pauses cannot be changed: {error}"))
}

fn time(text: &str) -> Result<Duration, Trouble> {
    let wrong = || {
        let expected = "expected a number and s, m or h, from 1s to 24h, as in 30m";
        Trouble::Usage(format!("--for {text:?}: {expected}"))
    };
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::from_secs(number.saturating_mul(seconds));
    if time.is_zero() || time > LONGEST {
        return Err(wrong());
    }
    Ok(time)
}

/// Who asks, as far as that can be told: root is many people.
fn who() -> String {
    let known = |name| env::var(name).ok().or_else(|| variable_above(name));
    let user = || User::from_uid(Uid::current()).ok().flatten();
    known("SUDO_USER")
        .or_else(|| user().map(|user| user.name))
        .unwrap_or_else(|| Uid::current().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_ends_within_a_day() {
        let seconds = |text| time(text).map(|time| time.as_secs()).ok();
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("30m"), Some(1800));
        assert_eq!(seconds("24h"), Some(86_400));
        for text in [
            "",
            "30",
            "h",
            "0s",
            "25h",
            "-1m",
            "1d",
            "1.5h",
            "99999999999999999999m",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
