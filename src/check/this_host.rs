//! What this host makes of the stanzas of a file: its names of tables, its rules and routes, its
//! sysctls, and systemd-networkd. Reads only; `check --offline` does without.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::path::Path;

use super::finding::{Code, Finding};
use super::last_resort::{passing, Passing, DROPPING};
use super::marks;
use super::stanza::{CheckedStanza, Policy};
use crate::netlink::{Kernel, KernelError};
use crate::routing::syntax::ListedRoute;
use crate::routing::{
    is_inside, Action, Family, InterfaceName, Kind, Prefix, Rule, State, Surroundings, TableId,
    TableName, PROTOCOL,
};
use crate::stanza::{remarks, unserved, Remark, Source, Stanza, Table};
use crate::system::{
    has_ipv6, installed_examples, ipv4_forwards, networkd_removes_rules, rp_filter_ignores_marks,
};
use crate::tables::{KnownNames, Registry};
use crate::text::chain;

/// This host, as far as a look at it tells.
pub struct ThisHost {
    kernel: Kernel,
    names: KnownNames,
    /// Families that the kernel was built without policy routing for.
    without_rules: Vec<Family>,
    /// Rules of others, and the addresses of this host.
    around: Surroundings,
    /// Rules of others that go by marks.
    by_mark: Vec<Rule>,
    /// Tables that rules of others look up.
    looked_up: HashSet<TableId>,
    /// Tables that stanzas name and whose names are in the files already.
    registered: BTreeMap<TableId, TableName>,
    /// Looks at tables that were held against their routes already.
    looked_at: HashSet<Passing>,
}

/// The routing protocol of routes that the kernel makes by itself, `RTPROT_KERNEL`.
const BY_KERNEL: u8 = 2;

impl ThisHost {
    /// Looks at the names and rules there are.
    pub fn open() -> Result<Self, String> {
        let root = Path::new("/");
        let mut kernel = Kernel::open().map_err(|error| chain(&error))?;
        let (mut without_rules, mut looked_up) = (Vec::new(), HashSet::new());
        let mut around = Surroundings::default();
        let mut by_mark = Vec::new();
        for family in Family::ALL {
            match kernel.required_rules(family) {
                Ok(rules) => {
                    around.note_rules(&rules);
                    let others = rules.iter().filter(|rule| rule.protocol != PROTOCOL);
                    by_mark.extend(others.clone().filter(|rule| rule.mark.is_some()).cloned());
                    looked_up.extend(others.filter_map(|rule| match rule.action {
                        Action::Lookup(table) => Some(table),
                        _ => None,
                    }));
                }
                Err(KernelError::NoRules(_)) => without_rules.push(family),
                Err(error) => return Err(chain(&error)),
            }
        }
        Ok(Self {
            kernel,
            names: Registry::below(root).names(),
            without_rules,
            around,
            by_mark,
            looked_up,
            registered: BTreeMap::new(),
            looked_at: HashSet::new(),
        })
    }

    /// The ID that a table's name has or would get.
    /// Errors: what the files of names have against it.
    pub fn id(&mut self, name: &TableName, fixed: Option<TableId>) -> Result<TableId, String> {
        let Self {
            kernel,
            names,
            looked_up,
            ..
        } = self;
        let occupied = |id| looked_up.contains(&id) || kernel.has_routes_of_others(id);
        let registered = names.id(name, fixed, occupied);
        let registered = registered.map_err(|error| chain(&error))?;
        names.warnings.extend(registered.warnings);
        if !registered.new {
            self.registered.insert(registered.id, name.clone());
        }
        Ok(registered.id)
    }

    /// What this host does to the stanzas of a file. Addresses of `refused` stanzas, of which it is
    /// told already what is wrong, need not be served.
    pub fn findings(
        &mut self,
        stanzas: &[CheckedStanza<'_>],
        refused: &HashSet<IpAddr>,
    ) -> Vec<Finding> {
        let mut findings = self.of_all(stanzas);
        findings.extend(marks::on_this_host(stanzas, &self.by_mark));
        findings.extend(self.remarked(stanzas, refused));
        for stanza in stanzas {
            let Some(policy) = &stanza.policy else {
                continue;
            };
            if matches!(policy.stanza.table, Some(Table::Named(_, _))) {
                findings.extend(self.foreign_routes(stanza, policy));
            }
            findings.extend(self.stopped(stanza, policy));
            let device = stanza.device();
            if self.kernel.has_device(&device) {
                findings.extend(self.reverse_path(stanza, policy));
            } else {
                let text = format!("there is no device {device} now");
                let place = stanza.written.head();
                findings.push(Finding::at(Code::NoDevice, place, text));
            }
        }
        findings
    }

    /// What concerns all stanzas with policy routing alike.
    fn of_all(&self, stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let policies = || stanzas.iter().filter_map(|stanza| stanza.policy.as_ref());
        if policies().next().is_none() {
            return findings;
        }
        for family in &self.without_rules {
            let asks = |policy: &Policy| {
                let mut objects = policy.state.objects();
                policy.stanza.family == *family || objects.any(|it| it.family() == *family)
            };
            let mut asking = stanzas.iter();
            let first = asking.find(|stanza| stanza.policy.as_ref().is_some_and(asks));
            findings.extend(first.map(|stanza| no_rules(*family, stanza)));
        }
        if networkd_removes_rules() {
            let text = "systemd-networkd is running, and removes the rules of others";
            findings.push(Finding::new(Code::Networkd, text).hint(
                "write ManageForeignRoutingPolicyRules=no into [Network] of networkd.conf(5), \
                 then restart it",
            ));
        }
        for example in installed_examples() {
            let text = format!(
                "{} is from the examples of version 0.1.0, and runs policy-table apply by itself; the \
                 keeper has replaced it",
                example.display()
            );
            findings.push(Finding::new(Code::Example, text).hint("remove it unless that is meant"));
        }
        let files = self.names.warnings.iter();
        findings.extend(files.map(|warning| Finding::new(Code::TableFile, warning)));
        findings
    }

    /// What this host makes of what the stanzas ask for.
    fn remarked(
        &mut self,
        stanzas: &[CheckedStanza<'_>],
        refused: &HashSet<IpAddr>,
    ) -> Vec<Finding> {
        let with_policy = stanzas
            .iter()
            .filter_map(|stanza| Some((stanza, stanza.policy.as_ref()?)));
        let with_policy: Vec<(&CheckedStanza<'_>, &Policy)> = with_policy.collect();
        // What cannot be asked has been told.
        if with_policy.is_empty() || self.kernel.look_around(&mut self.around).is_err() {
            return Vec::new();
        }
        let mut devices: BTreeMap<InterfaceName, Vec<(&CheckedStanza<'_>, &Policy, State)>> =
            BTreeMap::new();
        for (stanza, policy) in with_policy {
            let state = policy.with_addresses_of(&self.around);
            let of_device = devices.entry(stanza.device()).or_default();
            of_device.push((stanza, policy, state));
        }
        let all = devices.values().flatten();
        let rules = all.flat_map(|(_, _, state)| state.rules());
        let sources: BTreeSet<Prefix> = rules.filter_map(|rule| rule.from).collect();
        let is_known = |address: IpAddr| {
            refused.contains(&address)
                || is_inside(address, &sources)
                || self.around.others_have_rule_about(address)
        };
        let mut findings = Vec::new();
        for (device, of_device) in &devices {
            let is_there = self.kernel.has_device(device);
            let states = of_device
                .iter()
                .map(|(_, policy, state)| (&policy.stanza, state));
            let states: Vec<(&Stanza, &State)> = states.collect();
            let mut found = unserved(&states, &self.around, &is_known);
            for (n, (_, policy, state)) in of_device.iter().enumerate() {
                let all = remarks(
                    &policy.stanza,
                    state,
                    policy.table,
                    &self.around,
                    &mut self.kernel,
                );
                // What has no device cuts nothing off.
                let concerns = |remark: &Remark| is_there || remark.is_warning();
                let all = all.into_iter().filter(concerns);
                found.extend(all.map(|remark| (n, remark)));
            }
            for (n, remark) in found {
                let stanza = of_device.get(n).map(|(stanza, _, _)| stanza);
                findings.extend(stanza.map(|stanza| finding(stanza, &remark)));
            }
        }
        findings
    }

    /// A stanza's table that had its name before and holds what somebody else has put in. It is told
    /// once, for the first of its stanzas.
    fn foreign_routes(&mut self, stanza: &CheckedStanza<'_>, policy: &Policy) -> Option<Finding> {
        let table = policy.table?;
        let name = self.registered.remove(&table)?;
        let mut found = Vec::new();
        for family in Family::ALL {
            let routes = self.kernel.routes(family, table).unwrap_or_default();
            found.extend(routes.into_iter().filter(|route| {
                route.kind == Kind::UNICAST && ![PROTOCOL, BY_KERNEL].contains(&route.protocol)
            }));
        }
        let first = found.first()?;
        let text = format!(
            "table {name} (ID {table}) has routes that are not policy-table's: {first}{}",
            if found.len() > 1 { " and others" } else { "" }
        );
        Some(
            Finding::at(
                Code::ForeignRoutes,
                stanza.written.of_option("policy-table"),
                text,
            )
            .hint("choose another name, unless the table is meant to be shared"),
        )
    }

    /// A route of somebody else that drops packets, in a table whose shortest routes a rule of the
    /// stanza is to pass over. Each table is told of once.
    fn stopped(&mut self, stanza: &CheckedStanza<'_>, policy: &Policy) -> Option<Finding> {
        let looks = passing(policy).into_iter();
        let fresh: Vec<Passing> = looks.filter(|look| self.looked_at.insert(*look)).collect();
        let route = fresh.into_iter().find_map(|look| {
            let each = DROPPING.into_iter().flat_map(|kind| {
                let routes = self.kernel.routes_of_kind(look.family, look.table, kind);
                routes.unwrap_or_default()
            });
            let mut foreign = each.filter(|route| route.protocol != PROTOCOL);
            foreign.find(|route| look.is_stopped_by(route))
        })?;
        let text = format!(
            "\"{}\" is in table {}, and is taken by the rule with suppress_prefixlength on it, \
             which passes over no route that drops packets: it refuses what later rules know",
            ListedRoute {
                route: &route,
                sources: None
            },
            route.table
        );
        let place = stanza
            .written
            .of_first(&["policy-mode", "policy-rule", "policy-table"]);
        Some(Finding::at(Code::StoppedHere, place, text).hint(
            "take it out, or put it into a table of its own that a rule behind these looks up",
        ))
    }

    /// Rules that choose the table by mark, on an interface with a strict reverse path filter: it
    /// drops what comes in where the way back, looked up without the mark, is by another interface.
    /// With rules on the address replies to it are safe; what is forwarded for others is not
    /// (measured on 6.18). With `src_valid_mark` it depends on the mark that a firewall gives the
    /// replies, which is not seen here.
    fn reverse_path(&mut self, stanza: &CheckedStanza<'_>, policy: &Policy) -> Option<Finding> {
        let device = stanza.device();
        let leads_here = |table| Some(table) == policy.table;
        let mut rules = policy.state.rules().iter();
        let by_mark = rules.any(|rule| {
            rule.mark.is_some()
                && rule.family == Family::Inet
                && matches!(rule.action, Action::Lookup(table) if leads_here(table))
        });
        let settings_of = self.kernel.devices().told(&device);
        if !by_mark || !policy.stanza.derives() || !rp_filter_ignores_marks(&settings_of) {
            return None;
        }
        let unsafe_for_own = policy.stanza.source == Source::None;
        if !unsafe_for_own && !ipv4_forwards(&settings_of) {
            return None;
        }
        let main = self.kernel.routes_by(Family::Inet, TableId::MAIN, &device);
        let main = main.unwrap_or_default();
        if main.iter().any(|route| route.destination.is_any()) {
            return None;
        }
        let what = if unsafe_for_own {
            "replies to marked packets"
        } else {
            "replies to marked packets that this host forwards"
        };
        let text = format!(
            "rp_filter is 1 on {device}: {what} are dropped, because the way back is looked up \
             without the mark"
        );
        let names = ["policy-rule", "policy-connmark", "policy-table"];
        let place = stanza.written.of_first(&names);
        let hint = if policy.mark().is_some() {
            format!(
                "set one of the sysctls net.ipv4.conf.{settings_of}.src_valid_mark=1 and \
                 net.ipv4.conf.{settings_of}.rp_filter=2"
            )
        } else {
            format!("set the sysctl net.ipv4.conf.{settings_of}.rp_filter=2")
        };
        Some(Finding::at(Code::ReversePath, place, text).hint(hint))
    }
}

/// A remark as a finding.
fn finding(stanza: &CheckedStanza<'_>, remark: &Remark) -> Finding {
    let (code, option) = match remark {
        // Copies are told of by `status` alone.
        Remark::InFront { .. } | Remark::Copied { .. } => (Code::InFront, "policy-priority"),
        Remark::InFrontOfPart { .. } => (Code::InFrontOfPart, "policy-priority"),
        Remark::Unserved { .. } => (Code::Unserved, "policy-source"),
        Remark::CutOff(_) => (Code::CutOff, "policy-mode"),
    };
    let names = [option, "policy-table", "policy-rule", "policy-route"];
    let place = stanza.written.of_first(&names);
    Finding::at(code, place, remark.to_string()).hint(remark.hint())
}

/// Why the kernel has no rules of a family, told of the first stanza that needs some.
fn no_rules(family: Family, stanza: &CheckedStanza<'_>) -> Finding {
    let place = stanza.written.head();
    if family == Family::Inet6 && !has_ipv6() {
        let text = "IPv6 is switched off on this host, so the kernel refuses IPv6 routes and rules";
        return Finding::at(Code::NoRules, place, text)
            .hint("remove ipv6.disable=1 from the kernel's command line, or the IPv6 stanzas");
    }
    let text = format!("this kernel has no {} policy routing", family.name());
    let option = match family {
        Family::Inet => "CONFIG_IP_MULTIPLE_TABLES",
        Family::Inet6 => "CONFIG_IPV6_MULTIPLE_TABLES",
    };
    Finding::at(Code::NoRules, place, text).hint(format!("it was built without {option}"))
}
