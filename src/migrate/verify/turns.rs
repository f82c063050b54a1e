//! Other ways to bring interfaces up than all together in the order of the file: each alone, all in
//! the other order, and each once more while the others are up. Before each but the last the
//! machine is as it was when it started.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::commands::{bring_up, configure, ip, look, set_up, Tell};
use super::compare::{at_a_moment, HowUp, Seen, Turn};
use super::ip_output::flag;
use super::machine::Machine;
use super::sandbox::TrialError;
use super::stand_ins::make_missing;
use crate::routing::{Family, TableId};

/// Of how many interfaces each is tried alone and once more; of more, some.
const MOST: usize = 64;

/// What is seen in all turns after a boot. Once more each is brought up with the new file alone:
/// with the old one, what has no priority of its own changes places then.
pub fn turns(
    machine: &Machine,
    booted: &Seen,
    is_new: bool,
    tell: Tell<'_>,
) -> Result<Vec<Turn>, TrialError> {
    let mut turns: Vec<Turn> = Vec::new();
    let all = &machine.interfaces;
    let step = all.len().div_ceil(MOST).max(1);
    let tried = || all.iter().step_by(step);
    let mut last = booted;
    if all.len() > 1 {
        for name in tried() {
            start_again(machine, last)?;
            let how = HowUp::Alone(name.clone());
            turns.push(turn(how, std::slice::from_ref(name), tell)?);
            last = turns.last().map_or(booted, |turn| &turn.seen);
        }
        start_again(machine, booted)?;
        let reversed: Vec<String> = all.iter().rev().cloned().collect();
        turns.push(turn(HowUp::Reversed, &reversed, tell)?);
    }
    if is_new {
        let mut is_as_booted = false;
        for name in tried() {
            if !is_as_booted {
                boot(machine, booted, tell)?;
            }
            let turn = once_more(machine, name, tell)?;
            is_as_booted = at_a_moment(booted, &turn.seen).is_empty();
            turns.push(turn);
        }
    }
    Ok(turns)
}

/// Brings each of some interfaces up once more, each time after a boot.
pub fn each_once_more(
    machine: &Machine,
    booted: &Seen,
    names: &[String],
    tell: Tell<'_>,
) -> Result<Vec<Turn>, TrialError> {
    let turns = names.iter().map(|name| {
        boot(machine, booted, tell)?;
        once_more(machine, name, tell)
    });
    turns.collect()
}

fn boot(machine: &Machine, booted: &Seen, tell: Tell<'_>) -> Result<(), TrialError> {
    start_again(machine, booted)?;
    bring_up(&machine.interfaces, &mut Seen::default(), tell)
}

/// Brings an interface up once more, with its aliases and VLANs, which go down with it.
fn once_more(machine: &Machine, name: &String, tell: Tell<'_>) -> Result<Turn, TrialError> {
    let is_on_it = |other: &&String| {
        let behind = other.strip_prefix(name.as_str());
        behind.is_some_and(|behind| behind.starts_with([':', '.']))
    };
    let on_it = machine.interfaces.iter().filter(is_on_it);
    let all: Vec<String> = [name].into_iter().chain(on_it).cloned().collect();
    for name in all.iter().rev() {
        configure("ifdown", name)?;
    }
    make_missing(machine)?;
    turn(HowUp::Again(name.clone()), &all, tell)
}

fn turn(how: HowUp, names: &[String], tell: Tell<'_>) -> Result<Turn, TrialError> {
    let mut seen = Seen::default();
    let telling = format!("{how}: ");
    bring_up(names, &mut seen, &|at| tell(&format!("{telling}{at}")))?;
    look(&mut seen)?;
    Ok(Turn { how, seen })
}

/// Makes the machine what it was when it started: no interface is up, and nothing is left in the
/// tables that were seen.
pub fn start_again(machine: &Machine, seen: &Seen) -> Result<(), TrialError> {
    // Lines may have given lo some.
    let mut links = String::from("address flush dev lo scope global\n");
    for device in &machine.devices {
        let _ = write!(
            links,
            "address flush dev {device}\nlink set {device} down\n"
        );
    }
    ip(&[], &links, false)?;
    let tables: BTreeSet<TableId> = seen.routes.iter().map(|route| route.table).collect();
    for family in Family::ALL {
        let mut batch = String::from("rule flush\nrule add priority 32766 lookup main\n");
        if family == Family::Inet {
            batch += "rule add priority 32767 lookup default\n";
        }
        for table in tables.iter().filter(|table| **table != TableId::LOCAL) {
            let _ = writeln!(batch, "route flush table {table}");
        }
        ip(&[flag(family)], &batch, false)?;
    }
    forget().map_err(|error| set_up("/run/network", error))?;
    make_missing(machine)?;
    from_elsewhere(machine)
}

/// Removes what ifupdown and this program have put down of what is up.
fn forget() -> std::io::Result<()> {
    for folder in ["/run/policy-table", "/var/tmp/network", "/run/ifstate"] {
        let path = Path::new(folder);
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else if path.exists() {
            fs::remove_file(path)?;
        }
    }
    for file in fs::read_dir("/run/network")?.flatten() {
        let is_state = file.file_name().to_string_lossy().contains("ifstate");
        if is_state && file.path().is_file() {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Gives interfaces what comes from elsewhere than the file; what is configured by something else
/// is up already.
pub fn from_elsewhere(machine: &Machine) -> Result<(), TrialError> {
    let mut batch = String::new();
    for (device, address) in &machine.addresses {
        let _ = write!(
            batch,
            "link set {device} up\naddress add {address} dev {device}\n"
        );
    }
    for (device, router) in &machine.routers {
        let family = if router.is_ipv6() { "-6 " } else { "" };
        let _ = writeln!(batch, "{family}route add {router} dev {device}");
    }
    ip(&[], &batch, false)?;
    Ok(())
}
