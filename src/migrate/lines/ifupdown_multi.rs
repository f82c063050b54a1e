//! The options of ifupdown-multi, an older package for the same purpose, as the commands that its
//! program runs for them. Read in its version 1.0.0, that of Debian 12 and 13.

use super::meaning::LineCommand;
use super::shell::{Joint, ShellCommand};
use super::why_it_stays::WhyItStays;
use crate::ifupdown::HookCall;
use crate::routing::Family;

/// What its options begin with.
pub const MULTI_PREFIX: &str = "multi_";

/// The priority of its rules, less the table's ID.
const PRIORITY: u32 = 25357;
/// That of the rules for preferred prefixes.
const PREFERRED: u32 = 31047;

/// What the options of a stanza run, and why they stay, if so. `option` gives their values, `alone`
/// says that no other stanza of the family has any: its program shares the main table's default
/// route among all interfaces that are up, and no option can say that.
pub fn multi_commands(
    call: &HookCall,
    alone: bool,
    option: impl Fn(&str) -> Option<String>,
) -> (LineCommand, Option<WhyItStays>) {
    let stays = match commands(call, &option) {
        Some(commands) if alone => return (LineCommand::Words(commands), None),
        Some(_) => WhyItStays::SharedDefault,
        None => WhyItStays::MultiIncomplete,
    };
    // Whatever else it runs, there is a route in main that other lines may build on.
    let default = command(&["ip"], &["route", "add", "default"]);
    (LineCommand::Words(vec![default]), Some(stays))
}

fn commands(
    call: &HookCall,
    option: &impl Fn(&str) -> Option<String>,
) -> Option<Vec<ShellCommand>> {
    let table: u32 = option("multi_table")?.trim().parse().ok()?;
    let gateway = option("multi_gateway")?;
    let (address, device) = (call.address.as_deref()?, &call.interface);
    let family = call.family?;
    let ip: &[&str] = match family {
        Family::Inet => &["ip"],
        Family::Inet6 => &["ip", "-6"],
    };
    let priority = PRIORITY.checked_add(table)?.to_string();
    let preferred = PREFERRED.checked_add(table)?.to_string();
    let table = table.to_string();
    let rule = |selector: &str, prefix: &str, priority: &str| {
        let words = [
            "rule", "add", selector, prefix, "table", &table, "priority", priority,
        ];
        command(ip, &words)
    };
    let mut commands = vec![
        rule("from", address, &priority),
        rule("to", address, &priority),
    ];
    let prefixes = option("multi_preferred_prefixes").unwrap_or_default();
    let prefixes = prefixes.split_whitespace();
    commands.extend(prefixes.map(|prefix| rule("to", prefix, &preferred)));
    let default = |verb: &str, more: &[&str]| {
        let source: &[&str] = match family {
            Family::Inet => &[],
            Family::Inet6 => &["src", address],
        };
        let way = ["via", &gateway, "dev", device];
        let words = [&["route", verb, "default"], source, &way, more].concat();
        command(ip, &words)
    };
    let in_main = match family {
        Family::Inet => "replace",
        Family::Inet6 => "append",
    };
    commands.push(default("replace", &["table", &table]));
    commands.push(default(in_main, &[]));
    Some(commands)
}

fn command(ip: &[&str], words: &[&str]) -> ShellCommand {
    let words = ip.iter().chain(words).map(|word| (*word).to_owned());
    ShellCommand {
        joint: Joint::Then,
        words: words.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(family: Family, address: &str) -> Vec<String> {
        let call = HookCall {
            interface: "eth1".to_owned(),
            family: Some(family),
            address: Some(address.to_owned()),
            ..HookCall::default()
        };
        let option = |name: &str| match name {
            "multi_table" => Some("7".to_owned()),
            "multi_gateway" => Some("GATEWAY".to_owned()),
            "multi_preferred_prefixes" => Some("A B".to_owned()),
            _ => None,
        };
        let (LineCommand::Words(commands), None) = multi_commands(&call, true, option) else {
            panic!("it stays");
        };
        let lines = commands.iter().map(|command| command.words.join(" "));
        lines.collect()
    }

    #[test]
    fn its_options_run_what_its_program_does() {
        assert_eq!(
            run(Family::Inet, "10.0.0.5"),
            [
                "ip rule add from 10.0.0.5 table 7 priority 25364",
                "ip rule add to 10.0.0.5 table 7 priority 25364",
                "ip rule add to A table 7 priority 31054",
                "ip rule add to B table 7 priority 31054",
                "ip route replace default via GATEWAY dev eth1 table 7",
                "ip route replace default via GATEWAY dev eth1",
            ]
        );
        assert_eq!(
            run(Family::Inet6, "2001:db8::5")[4..],
            [
                "ip -6 route replace default src 2001:db8::5 via GATEWAY dev eth1 table 7",
                "ip -6 route append default src 2001:db8::5 via GATEWAY dev eth1",
            ]
        );
    }
}
