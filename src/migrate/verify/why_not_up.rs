//! At which line `ifup` stopped, and why, from what `ifup -v` ran and said.

use thiserror::Error;

use crate::migrate::lines::ScriptedStanza;
use crate::text::Shown;

/// Why an interface did not come up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{said}{hint}", said = Shown(.said))]
pub struct WhyNotUp {
    /// The line at which it stopped: the place of its file among all, and its number.
    pub line: Option<(usize, usize)>,
    /// What was said there.
    pub said: String,
    /// What to do about it.
    pub hint: WayOut,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WayOut {
    /// Nothing is known.
    #[error("")]
    None,
    /// A name of a table.
    #[error(
        "; the table {0} is registered nowhere on this host: the old lines need it in rt_tables"
    )]
    Name(String),
    /// `gateway` in two stanzas.
    #[error(
        "; the main table has a default route already, that of {0}: only one stanza can have a \
         gateway without a metric, the others have policy-gateway"
    )]
    TwoGateways(String),
    /// A router that is on no network.
    #[error("; the router is on no network of an interface that is up then")]
    Router,
}

/// Why an interface did not come up with its old lines; `told` is what `ifup -v` printed.
pub fn why_not_up(stanzas: &[ScriptedStanza], interface: &str, told: &str) -> WhyNotUp {
    let own = stanzas
        .iter()
        .filter(|stanza| stanza.call.interface == interface);
    let lines = own.clone().flat_map(|stanza| {
        let lines = stanza.lines.iter();
        lines.filter_map(|line| Some((stanza.file, line.number, line.command.shell()?.trim())))
    });
    let lines: Vec<(usize, usize, &str)> = lines.collect();
    let mut last = None;
    let mut said: Vec<&str> = Vec::new();
    for printed in told.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = lines.iter().find(|(_, _, text)| *text == printed);
        let is_ifupdowns = printed.starts_with("ip ")
            || printed.starts_with("/sbin/ip ")
            || printed.starts_with("run-parts ");
        if line.is_some() || is_ifupdowns {
            last = line.map(|(file, number, _)| (*file, *number));
            said.clear();
        } else if !printed.starts_with("ifup: ") {
            said.push(printed);
        }
    }
    let said = said.join("; ");
    let has_gateway = own.clone().any(|stanza| stanza.call.gateway.is_some());
    let mut others = stanzas
        .iter()
        .filter(|stanza| stanza.call.interface != interface);
    let other = others.find(|stanza| stanza.call.gateway.is_some());
    let hint = match (table_name(&said), other) {
        (Some(name), _) => WayOut::Name(name),
        (None, Some(other)) if last.is_none() && has_gateway && said.contains("File exists") => {
            WayOut::TwoGateways(other.call.interface.clone())
        }
        _ if said.contains("invalid gateway") => WayOut::Router,
        _ => WayOut::None,
    };
    WhyNotUp {
        line: last,
        said,
        hint,
    }
}

/// The name of a table that `ip` does not know, in what it says.
fn table_name(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("argument \"")?;
    let (name, rest) = rest.split_once('"')?;
    rest.contains("table").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_that_ifup_stopped_at() {
        let stanza = ScriptedStanza::of_lines(
            "eth1",
            "10.0.0.5/24",
            &[
                "up ip route add default via 10.0.0.1 dev eth1 table 5",
                "up ip route add default via 10.0.0.1 dev eth1 table rt2",
            ],
        );
        let told = "ifup: configuring interface eth1=eth1 (inet)\n\
                    ip addr add 10.0.0.5/24 dev eth1\n\n\
                    ip route add default via 10.0.0.1 dev eth1 table 5\n\
                    ip route add default via 10.0.0.1 dev eth1 table rt2\n\
                    Error: argument \"rt2\" is wrong: \"table\" value is invalid\n\n\
                    ifup: failed to bring up eth1\n";
        let why = why_not_up(&[stanza], "eth1", told);
        assert_eq!(why.line, Some((0, 2)));
        assert_eq!(why.hint, WayOut::Name("rt2".to_owned()));
    }

    #[test]
    fn two_gateways_are_told() {
        let mut stanzas =
            ["eth0", "eth1"].map(|name| ScriptedStanza::of_lines(name, "10.0.0.5/24", &[]));
        for stanza in &mut stanzas {
            stanza.call.gateway = Some("10.0.0.1".to_owned());
        }
        let told = "ip addr add 10.0.0.5/24 dev eth1\nip route add default via 10.0.0.1 dev eth1\n\
                    RTNETLINK answers: File exists\nifup: failed to bring up eth1\n";
        let why = why_not_up(&stanzas, "eth1", told);
        assert_eq!(why.line, None);
        assert_eq!(why.hint, WayOut::TwoGateways("eth0".to_owned()));
    }
}
