//! The options of ifupdown-multi, an older package for the same purpose, as the commands that its
//! program runs for them. Read in its version 1.0.0, that of Debian 12 and 13.

use std::fmt::Write as _;

use super::meaning::{CommandLine, WhyItStays};
use crate::ifupdown::interfaces::Phase;
use crate::ifupdown::HookCall;
use crate::routing::Family;

/// What its options begin with.
pub const PREFIX: &str = "multi_";

/// The priority of its rules, less the table's ID.
const PRIORITY: u32 = 25357;
/// That of the rules for preferred prefixes.
const PREFERRED: u32 = 31047;

/// The line that does what the options of a stanza do. `option` gives their values, `alone` says
/// that no other stanza of the family has any: its program shares the main table's default route
/// among all interfaces that are up, and no option can say that.
pub fn line(
    call: &HookCall,
    number: usize,
    alone: bool,
    option: impl Fn(&str) -> Option<String>,
) -> CommandLine {
    let stays = match commands(call, &option) {
        Some(text) if alone => return line_of(number, text, None),
        Some(_) => WhyItStays::SharedDefault,
        None => WhyItStays::Bound("ifupdown-multi needs an address, multi_table and multi_gateway"),
    };
    line_of(number, "ip route add default".to_owned(), Some(stays))
}

fn line_of(number: usize, text: String, stays: Option<WhyItStays>) -> CommandLine {
    CommandLine {
        number,
        phase: Phase::Up,
        text,
        stays,
    }
}

fn commands(call: &HookCall, option: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let table: u32 = option("multi_table")?.trim().parse().ok()?;
    let gateway = option("multi_gateway")?;
    let (address, device) = (call.address.as_ref()?, &call.interface);
    let ip = match call.family? {
        Family::Inet => "ip",
        Family::Inet6 => "ip -6",
    };
    let priority = PRIORITY.checked_add(table)?;
    let mut text = format!(
        "{ip} rule add from {address} table {table} priority {priority}; \
         {ip} rule add to {address} table {table} priority {priority}"
    );
    let preferred = PREFERRED.checked_add(table)?;
    for prefix in option("multi_preferred_prefixes")
        .iter()
        .flat_map(|prefixes| prefixes.split_whitespace())
    {
        let _ = write!(
            text,
            "; {ip} rule add to {prefix} table {table} priority {preferred}"
        );
    }
    let way = format!("via {gateway} dev {device}");
    let _ = match call.family? {
        Family::Inet => write!(
            text,
            "; {ip} route replace default {way} table {table}; \
             {ip} route replace default {way}"
        ),
        Family::Inet6 => write!(
            text,
            "; {ip} route replace default src {address} {way} table {table}; \
             {ip} route append default src {address} {way}"
        ),
    };
    Some(text)
}
