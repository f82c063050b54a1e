//! A connection as `policy-table explain --reply` prints it: both halves, and a last line.

use std::fmt;

use super::packet::Packet;
use super::reply::{Answered, Connection, Half, OtherWay};
use super::report::{disagree, Report};
use super::source_check::{BadSource, SourceCheck};
use super::walk::End;
use crate::routing::InterfaceName;

impl Report<'_> {
    /// Both halves, and in the last line what comes of them.
    pub fn connection(&self, f: &mut impl fmt::Write, connection: &Connection) -> fmt::Result {
        let Connection {
            first,
            reply,
            answered,
        } = connection;
        self.half(f, "The packet that comes in", first)?;
        writeln!(f)?;
        let who = match &reply.walk.packet.iif {
            Some(device) => format!("The answer of who is behind {device}"),
            None => "The answer".to_owned(),
        };
        self.half(f, &who, reply)?;
        writeln!(f, "\n{}", self.answered(answered))
    }

    fn half(&self, f: &mut impl fmt::Write, what: &str, half: &Half) -> fmt::Result {
        writeln!(f, "{what}, {}:", marked(&half.walk.packet))?;
        self.walk(f, &half.walk)?;
        if let Some(source) = &half.source {
            writeln!(f, "By the source: {}", self.source(source))?;
        }
        self.kernel_says(f, &half.answer)?;
        if half.agrees() {
            writeln!(f, "They agree.")
        } else {
            disagree(f, &half.walk, &half.answer)
        }
    }

    /// What the check of a source comes to.
    fn source(&self, source: &SourceCheck) -> String {
        let (device, filter) = (&source.device, source.settings.rp_filter);
        let back = match &source.back.end {
            end @ (End::Route(..) | End::DroppedByRoute(..)) => {
                let rule = source.back.tried.last();
                let rule = rule.map(|tried| format!(" by rule {}", tried.rule.priority));
                format!("{}{}", self.end(end), rule.unwrap_or_default())
            }
            end => self.end(end),
        };
        let verdict = if source.refused.is_some() {
            "dropped"
        } else {
            "let in"
        };
        let mark = match (source.settings.with_mark, source.back.packet.mark) {
            (true, mark @ 1..) => format!(" with mark {mark:#x}"),
            _ => String::new(),
        };
        format!("{verdict}: rp_filter is {filter} on {device}, the way back{mark} is {back}")
    }

    fn answered(&self, answered: &Answered) -> String {
        match answered {
            Answered::Here(device) => format!("answered by {device}"),
            Answered::Elsewhere(way) => format!("leaves by {}", other_way(way)),
            Answered::BadSource(device, why, back) => {
                format!("not answered: {}", bad_source(device, *why, back.as_ref()))
            }
            Answered::Ends(end) => format!("not answered: {}", self.end(end)),
            Answered::NotForwarded(device) => format!(
                "not answered: packets from {device} are not forwarded \
                 (net.ipv6.conf.all.forwarding is 0)"
            ),
            Answered::Unknown => {
                "not known: the kernel does not agree with what rules and tables say".to_owned()
            }
        }
    }
}

/// The mark, of which rules in front of a connection's own may make much.
fn marked(packet: &Packet) -> String {
    match packet.mark {
        0 => "without a mark".to_owned(),
        mark => format!("with mark {mark:#x}"),
    }
}

fn other_way(way: &OtherWay) -> String {
    let devices: Vec<&str> = way.devices.iter().map(InterfaceName::as_str).collect();
    let devices = devices.join(" or ");
    match way.rule {
        Some(rule) if way.comes_first => format!("{devices}: rule {rule} comes first"),
        Some(rule) => format!(
            "{devices}: rule {rule}, and none behind it leads to {}",
            way.wanted
        ),
        None => devices,
    }
}

fn bad_source(device: &InterfaceName, why: BadSource, back: Option<&OtherWay>) -> String {
    let dropped = format!("{device} takes no packet from there");
    match (why, back) {
        (BadSource::Own, _) => format!("{dropped}: it is an address of this host"),
        (BadSource::NoHost, _) => format!("{dropped}: it is no host's address"),
        (BadSource::NoWay, _) => format!("{dropped} (rp_filter): there is no way back"),
        (BadSource::OtherDevice, Some(back)) => {
            format!(
                "{dropped} (rp_filter): the way back is by {}",
                other_way(back)
            )
        }
        (BadSource::OtherDevice, None) => {
            format!("{dropped} (rp_filter): the way back is by another device")
        }
    }
}
