//! An `ip route` or `ip rule` command as people write it, abbreviations included. What stands
//! behind the verb is read by `routing/syntax`.
//!
//! iproute2 takes any beginning of a word for the first one of its list that begins so; the lists
//! are those of 6.1, whose order decides: `ip r a` is `ip route add`.

use thiserror::Error;

use super::host_bits::without_host_bits;
use crate::routing::syntax::{
    abbreviates, read_route, read_rule, Given, LineError, RouteDefaults, TableNames, Words,
};
use crate::routing::{Action, Family, Kind, Route, Rule, TableId, PROTOCOL};
use crate::text::Shown;

/// What a command does to a route or rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVerb {
    /// Put it in; it must not be there.
    Add,
    /// Put it behind, or before, what stands in the same place.
    Beside,
    /// Put it in the place of what stands there, if anything does.
    Replace,
    /// Put it in the place of what stands there; something must.
    Change,
    /// Take it out.
    Delete,
}

/// A rule as a command spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpelledRule {
    /// The rule, tagged as ours; its priority is 0 where none is given.
    pub rule: Rule,
    /// What of it was given.
    pub given: Given,
    /// The words behind the verb.
    pub words: Vec<String>,
}

/// A route as a command spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpelledRoute {
    /// The route, tagged as ours, its table filled in.
    pub route: Route,
    /// The words behind the verb.
    pub words: Vec<String>,
}

/// A command about routes or rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpCommand {
    /// `ip rule`, which can add and delete.
    Rule(IpVerb, SpelledRule),
    /// `ip route`.
    Route(IpVerb, SpelledRoute),
    /// `ip route flush table TABLE`; without a family that of IPv4.
    Flush(Family, TableId),
    /// What changes nothing: `ip route flush cache`, `show` and their like.
    Nothing,
}

/// Why a command cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IpError {
    /// A global option that changes what the command does.
    #[error("no option says \"ip {}\"", Shown(.0))]
    Option(String),
    /// A verb that is none of those known.
    #[error("no option says \"ip {} {}\"", .0, Shown(.1))]
    Verb(&'static str, String),
    /// Unlike `ip route`, `ip rule` does not take the family from an address.
    #[error("\"ip rule\" with an IPv6 address fails without -6")]
    Family,
    /// What stands behind the verb is no rule or route.
    #[error(transparent)]
    Line(#[from] LineError),
}

/// A command before what stands behind its verb is read.
struct Parts<'a> {
    family: Option<Family>,
    is_rule: bool,
    verb: &'a str,
    words: Vec<String>,
}

/// Reads the words of a command; `None` where it is not about routes or rules.
pub fn read(words: &[String], names: TableNames<'_>) -> Result<Option<IpCommand>, IpError> {
    let Some(parts) = parts(words)? else {
        return Ok(None);
    };
    let command = if parts.is_rule {
        rule(parts, names)
    } else {
        route(parts, names)
    };
    command.map(Some)
}

/// Whose rules a command prints, as that in front of `grep` does; `None` where it prints none.
pub fn lists_rules(words: &[String]) -> Option<Family> {
    let lists = |parts: &Parts<'_>| parts.is_rule && rule_verb(parts.verb).is_some_and(only_prints);
    let parts = parts(words).ok()??;
    lists(&parts).then_some(parts.family.unwrap_or(Family::Inet))
}

/// Whether a command shows or changes links or addresses, and no others than are there, where it
/// is. A new link may take a module, and one may be sent elsewhere, or be given a program.
pub fn is_about_links(words: &[String]) -> bool {
    const SHOWS: [&str; 3] = ["show", "list", "lst"];
    const CHANGES: [&str; 6] = ["add", "change", "chg", "replace", "delete", "flush"];
    let mut words = words.iter().map(String::as_str);
    if !is_ip(words.next()) {
        return false;
    }
    let Ok((_, Some(object))) = options(&mut words) else {
        return false;
    };
    let verb = words.next().unwrap_or("show");
    let is_one_of = |all: &[&'static str]| first_of(verb, all).is_some();
    let leads_out = |word: &str| word.starts_with("net") || word.starts_with("xdp") || word == "vf";
    if abbreviates(object, "address") {
        is_one_of(&SHOWS) || is_one_of(&CHANGES)
    } else if abbreviates(object, "link") {
        is_one_of(&SHOWS) || verb == "set" && !words.any(leads_out)
    } else {
        false
    }
}

fn is_ip(program: Option<&str>) -> bool {
    matches!(
        program,
        Some("ip" | "/sbin/ip" | "/bin/ip" | "/usr/sbin/ip" | "/usr/bin/ip")
    )
}

fn parts(words: &[String]) -> Result<Option<Parts<'_>>, IpError> {
    let mut words = words.iter().map(String::as_str);
    if !is_ip(words.next()) {
        return Ok(None);
    }
    let (family, object) = options(&mut words)?;
    let Some(object) = object else {
        return Ok(None);
    };
    // The order of iproute2's own list: "r" is a route.
    let is_rule = match object {
        _ if abbreviates(object, "route") => false,
        _ if abbreviates(object, "rule") => true,
        _ => return Ok(None),
    };
    Ok(Some(Parts {
        family,
        is_rule,
        verb: words.next().unwrap_or("show"),
        words: words.map(str::to_owned).collect(),
    }))
}

/// Reads the options behind `ip`, and the word behind them, which says what the command is about.
fn options<'a>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<(Option<Family>, Option<&'a str>), IpError> {
    let mut family = None;
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix('-') else {
            return Ok((family, Some(word)));
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        match option {
            "4" => family = Some(Family::Inet),
            "6" => family = Some(Family::Inet6),
            _ if abbreviates(option, "family") => match words.next() {
                Some("inet") => family = Some(Family::Inet),
                Some("inet6") => family = Some(Family::Inet6),
                _ => return Err(IpError::Option(word.to_owned())),
            },
            // They change what is printed.
            "s" | "stats" | "d" | "details" | "o" | "oneline" | "N" | "br" | "c" => {}
            // Commands from a file, another namespace and the like.
            _ => return Err(IpError::Option(word.to_owned())),
        }
    }
    Ok((family, None))
}

/// The full word of an abbreviated one.
fn first_of(word: &str, all: &[&'static str]) -> Option<&'static str> {
    all.iter().copied().find(|full| abbreviates(word, full))
}

fn rule_verb(verb: &str) -> Option<&'static str> {
    const VERBS: [&str; 8] = [
        "list", "lst", "show", "save", "restore", "add", "delete", "flush",
    ];
    first_of(verb, &VERBS)
}

fn route_verb(verb: &str) -> Option<&'static str> {
    const VERBS: [&str; 14] = [
        "list", "show", "lst", "get", "add", "change", "chg", "replace", "prepend", "append",
        "test", "delete", "flush", "save",
    ];
    first_of(verb, &VERBS)
}

fn only_prints(verb: &str) -> bool {
    matches!(verb, "list" | "lst" | "show" | "get" | "save")
}

impl Parts<'_> {
    /// The line with the family in front, as the readers take it.
    fn line(&self) -> String {
        let flag = match self.family {
            Some(Family::Inet) => "-4 ",
            Some(Family::Inet6) => "-6 ",
            None => "",
        };
        format!("{flag}{}", self.words.join(" "))
    }
}

fn rule(mut parts: Parts<'_>, names: TableNames<'_>) -> Result<IpCommand, IpError> {
    parts.words = without_host_bits(parts.words.iter().map(String::as_str));
    let verb = match rule_verb(parts.verb) {
        Some(verb) if only_prints(verb) => return Ok(IpCommand::Nothing),
        Some("add") => IpVerb::Add,
        Some("delete") => IpVerb::Delete,
        _ => return Err(IpError::Verb("rule", parts.verb.to_owned())),
    };
    // A rule that names no table looks up main.
    let unsaid = Rule::lookup(Family::Inet, 0, TableId::MAIN);
    let (rule, given) = read_rule(&parts.line(), unsaid, names)?;
    if parts.family.is_none() && rule.family == Family::Inet6 {
        // The kernel refuses it ("Invalid source address", measured on 6.18).
        return Err(IpError::Family);
    }
    let rule = Rule {
        protocol: PROTOCOL,
        ..rule
    };
    let words = parts.words;
    Ok(IpCommand::Rule(verb, SpelledRule { rule, given, words }))
}

fn route(parts: Parts<'_>, names: TableNames<'_>) -> Result<IpCommand, IpError> {
    let verb = match route_verb(parts.verb) {
        Some(verb) if only_prints(verb) => return Ok(IpCommand::Nothing),
        Some("add") => IpVerb::Add,
        Some("append" | "prepend") => IpVerb::Beside,
        Some("replace") => IpVerb::Replace,
        Some("change" | "chg") => IpVerb::Change,
        Some("delete") => IpVerb::Delete,
        Some("flush") => return flush(&parts, names),
        _ => return Err(IpError::Verb("route", parts.verb.to_owned())),
    };
    let unsaid = RouteDefaults {
        table: Some(None),
        device: None,
        family: Some(Family::Inet),
    };
    let route = read_route(&parts.line(), unsaid, &|name| names(name).map(Some))?;
    // Addresses of this host go to table local where the command names no table.
    let usual = match route.kind {
        Kind::LOCAL | Kind::BROADCAST | Kind::ANYCAST => TableId::LOCAL,
        _ => TableId::MAIN,
    };
    let table = route.table.unwrap_or(usual);
    let route = Route {
        protocol: PROTOCOL,
        ..route.in_table(table)
    };
    let words = parts.words;
    Ok(IpCommand::Route(verb, SpelledRoute { route, words }))
}

fn flush(parts: &Parts<'_>, names: TableNames<'_>) -> Result<IpCommand, IpError> {
    let line = parts.words.join(" ");
    match parts.words.as_slice() {
        [word] if word == "cache" => Ok(IpCommand::Nothing),
        [word, _] if abbreviates(word, "table") && word.len() > 1 => {
            let mut words = Words::new(&line);
            words.keyword();
            let table = words.table(names)?;
            Ok(IpCommand::Flush(
                parts.family.unwrap_or(Family::Inet),
                table,
            ))
        }
        _ => Err(IpError::Verb("route", format!("flush {line}"))),
    }
}

impl IpCommand {
    /// Whether the command takes something out.
    pub fn takes_out(&self) -> bool {
        matches!(
            self,
            Self::Rule(IpVerb::Delete, _) | Self::Route(IpVerb::Delete, _) | Self::Flush(..)
        )
    }

    /// Whether the command takes a rule out.
    pub fn takes_rule(&self, rule: &Rule) -> bool {
        matches!(self, Self::Rule(IpVerb::Delete, spelled) if spelled.takes(rule))
    }

    /// Whether the command takes a route out.
    pub fn takes_route(&self, route: &Route) -> bool {
        match self {
            Self::Route(IpVerb::Delete, spelled) => spelled.takes(route),
            Self::Flush(family, table) => route.table == *table && route.family() == *family,
            _ => false,
        }
    }
}

impl SpelledRule {
    /// Whether `ip rule del` with these words takes a rule: the kernel compares what is given and
    /// no more. It does not compare `not`, nor where `goto` leads (measured on 6.18).
    fn takes(&self, other: &Rule) -> bool {
        let Self { rule, given, .. } = self;
        let unsaid = |absent: bool, equal: bool| absent || equal;
        let names_no_action = !given.action && rule.action == Action::Lookup(TableId::MAIN);
        let both_go = matches!(
            (rule.action, other.action),
            (Action::Goto(_), Action::Goto(_))
        );
        rule.family == other.family
            && unsaid(!given.priority, rule.priority == other.priority)
            && unsaid(names_no_action || both_go, rule.action == other.action)
            && unsaid(rule.from.is_none(), rule.from == other.from)
            && unsaid(rule.to.is_none(), rule.to == other.to)
            && unsaid(rule.mark.is_none(), rule.mark == other.mark)
            && unsaid(rule.iif.is_none(), rule.iif == other.iif)
            && unsaid(rule.oif.is_none(), rule.oif == other.oif)
            && unsaid(rule.tos == 0, rule.tos == other.tos)
            && unsaid(rule.users.is_none(), rule.users == other.users)
            && unsaid(
                rule.ip_protocol.is_none(),
                rule.ip_protocol == other.ip_protocol,
            )
            && unsaid(rule.sport.is_none(), rule.sport == other.sport)
            && unsaid(rule.dport.is_none(), rule.dport == other.dport)
            && unsaid(rule.dscp.is_none(), rule.dscp == other.dscp)
            && unsaid(
                rule.flow_label.is_none(),
                rule.flow_label == other.flow_label,
            )
            && unsaid(rule.tunnel == 0, rule.tunnel == other.tunnel)
            && unsaid(rule.realms == 0, rule.realms == other.realms)
            && unsaid(
                rule.suppress_length.is_none(),
                rule.suppress_length == other.suppress_length,
            )
            && unsaid(
                rule.suppress_group.is_none(),
                rule.suppress_group == other.suppress_group,
            )
    }
}

impl SpelledRoute {
    /// Whether `ip route del` with these words takes a route.
    fn takes(&self, other: &Route) -> bool {
        let route = &self.route;
        let unsaid_metric = route.metric == Route::usual_metric(route.family());
        let hops = route.hops.iter().all(|hop| {
            other.hops.iter().any(|theirs| {
                let gateway = hop.gateway.is_none() || hop.gateway == theirs.gateway;
                gateway && (hop.device.is_none() || hop.device == theirs.device)
            })
        });
        route.destination == other.destination
            && route.table == other.table
            && (route.kind == Kind::UNICAST || route.kind == other.kind)
            && (unsaid_metric || route.metric == other.metric)
            && (route.tos == 0 || route.tos == other.tos)
            && (route.source.is_none() || route.source == other.source)
            && (hops || other.hops.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Object;

    fn names(text: &str) -> Option<TableId> {
        (text == "isp1").then_some(TableId::numbered(101))
    }

    fn shown(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match read(&words, &names) {
            Ok(None) => "not ours".to_owned(),
            Ok(Some(IpCommand::Nothing)) => "nothing".to_owned(),
            Ok(Some(IpCommand::Flush(family, table))) => format!("flush {} {table}", family.name()),
            Ok(Some(IpCommand::Rule(verb, spelled))) => {
                format!("{verb:?} {}", Object::Rule(spelled.rule))
            }
            Ok(Some(IpCommand::Route(verb, spelled))) => {
                format!("{verb:?} {}", Object::Route(spelled.route))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_deletion_takes_what_agrees_in_all_that_it_says() {
        let takes = |words: &str, rule: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let command = read(&words, &names).unwrap().unwrap();
            command.takes_rule(&rule.parse().unwrap())
        };
        for (words, rule) in [
            ("ip rule del pref 9", "pref 9 from 10.0.0.5 lookup 101"),
            ("ip rule del table isp1", "pref 9 from 10.0.0.5 lookup 101"),
            // What the kernel does not compare (measured on 6.18).
            (
                "ip rule del from 10.0.0.5 table isp1",
                "pref 9 not from 10.0.0.5 lookup 101",
            ),
            ("ip rule del goto 500", "pref 9 goto 400"),
            (
                "ip rule del from 10.0.0.5",
                "pref 9 from 10.0.0.5 lookup 101 suppress_prefixlength 0",
            ),
        ] {
            assert!(takes(words, rule), "{words}: {rule}");
        }
        for (words, rule) in [
            ("ip rule del pref 8", "pref 9 from 10.0.0.5 lookup 101"),
            ("ip rule del lookup main", "pref 9 from 10.0.0.5 lookup 101"),
            (
                "ip rule del from 10.0.0.5 suppress_prefixlength 1",
                "pref 9 from 10.0.0.5 lookup 254 suppress_prefixlength 0",
            ),
            (
                "ip rule del suppress_ifgroup 7",
                "pref 9 from 10.0.0.5 lookup 254",
            ),
            ("ip rule del dscp 8", "pref 9 from all lookup 254 dscp 9"),
            ("ip rule del realms 5", "pref 9 from all lookup 254"),
        ] {
            assert!(!takes(words, rule), "{words}: {rule}");
        }
    }

    #[test]
    fn commands_are_read_as_iproute2_reads_them() {
        for (line, expected) in [
            ("ip link set eth1 up", "not ours"),
            ("iptables -A x", "not ours"),
            ("ip", "not ours"),
            ("ip route", "nothing"),
            ("ip ro ls", "nothing"),
            ("ip rule show", "nothing"),
            ("ip route flush cache", "nothing"),
            ("ip r get 10.0.0.1", "nothing"),
            (
                "ip r a default via 10.0.0.1 dev eth1 table isp1",
                "Add route default via 10.0.0.1 dev eth1 table 101 proto 157",
            ),
            (
                "/sbin/ip ro rep 10/8 via 10.0.0.1 proto static",
                "Replace route 10.0.0.0/8 via 10.0.0.1 table 254 proto 157",
            ),
            (
                "ip -6 route append default dev eth1",
                "Beside -6 route default dev eth1 table 254 proto 157 metric 1024",
            ),
            (
                "ip route chg default dev eth1 t 7",
                "Change route default dev eth1 table 7 proto 157 scope link",
            ),
            (
                "ip ro d local 10.0.0.9 dev lo",
                "Delete route local 10.0.0.9 dev lo table 255 proto 157 scope host",
            ),
            (
                "ip -f inet6 ru add fwmark 1 lookup isp1",
                "Add -6 rule priority 0 from all fwmark 0x1 lookup 101 proto 157",
            ),
            (
                "ip -family inet rule d from 10.0.0.5 pref 9",
                "Delete rule priority 9 from 10.0.0.5 lookup 254 proto 157",
            ),
            (
                "ip rule add from 2001:db8::1 table 7",
                "\"ip rule\" with an IPv6 address fails without -6",
            ),
            ("ip -6 route flush ta 7", "flush IPv6 7"),
            ("ip rule flush", "no option says \"ip rule flush\""),
            (
                "ip route flush dev eth1",
                "no option says \"ip route flush dev eth1\"",
            ),
            ("ip -batch /etc/x", "no option says \"ip -batch\""),
            (
                "ip -n blue route add default dev x",
                "no option says \"ip -n\"",
            ),
            (
                "ip rule add from 10.0.0.5/24 table 7",
                "Add rule priority 0 from 10.0.0.0/24 lookup 7 proto 157",
            ),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn a_deletion_takes_what_agrees_in_what_it_says() {
        let rule: Rule = "priority 9 from 10.0.0.5 lookup 101 proto 157"
            .parse()
            .unwrap();
        let route: Route = "default via 10.0.0.1 dev eth1 table 101 proto 157"
            .parse()
            .unwrap();
        let takes = |line: &str| {
            let words: Vec<String> = format!("ip {line}").split(' ').map(str::to_owned).collect();
            let command = read(&words, &names).unwrap().unwrap();
            command.takes_rule(&rule) || command.takes_route(&route)
        };
        for line in [
            "rule del from 10.0.0.5",
            "rule del table isp1",
            "rule del pref 9",
            "route del default table 101",
            "route del default via 10.0.0.1 table 101",
            "route del default dev eth1 table 101",
        ] {
            assert!(takes(line), "{line}");
        }
        for line in [
            "rule del from 10.0.0.6",
            "rule del from 10.0.0.5 table 7",
            "rule del pref 8 from 10.0.0.5",
            "-6 rule del table 101",
            "route del default",
            "route del default via 10.0.0.2 table 101",
            "route del 10/8 table 101",
        ] {
            assert!(!takes(line), "{line}");
        }
    }
}
