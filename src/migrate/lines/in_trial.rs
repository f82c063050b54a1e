//! Which lines a trial may run: those of which every command was read as one of `ip` about routes,
//! rules, addresses or links, which reaches no further than the network namespace it is in.

use thiserror::Error;

use super::ip_command::{self, IpError};
use super::meaning::{commands, does_nothing, variable_of, LineCommand};
use super::shell::{ShellCommand, ShellError};
use crate::routing::syntax::TableNames;
use crate::text::Shown;

/// Why a line is not run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WhyNotRun {
    /// What it runs is not known to the end.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// It runs something that may reach further.
    #[error("it runs \"{}\"", Shown(.0))]
    Runs(String),
    /// An option's value that a shell would run.
    #[error("the value of {0} is more than plain text to the shell that ifupdown hands it to")]
    Value(String),
    /// The same of a stanza's name.
    #[error("the stanza's name is more than plain text to the shell that ifupdown hands it to")]
    Name,
}

/// Why a trial does not run a line, if it does not.
pub fn why_not_run(
    line: &LineCommand,
    variables: &[(String, String)],
    names: TableNames<'_>,
) -> Option<WhyNotRun> {
    let LineCommand::Shell(text) = line else {
        // Those of ifupdown-multi, whose program it is that runs them.
        return None;
    };
    match commands(text, &variable_of(variables)) {
        Err(error) => Some(error.into()),
        Ok((_, commands)) => {
            let mut commands = commands.iter();
            let other = commands.find(|command| !stays_inside(command, names));
            other.map(|command| WhyNotRun::Runs(told(&command.words)))
        }
    }
}

fn stays_inside(ShellCommand { words, .. }: &ShellCommand, names: TableNames<'_>) -> bool {
    match ip_command::read(words, names) {
        // What is said of the route or rule may be more than options can say: it is one still.
        Ok(Some(_)) | Err(IpError::Line(_) | IpError::Family) => true,
        Ok(None) => does_nothing(words) || ip_command::is_about_links(words),
        Err(IpError::Option(_) | IpError::Verb(..)) => false,
    }
}

/// The program; of `ip` with what it is to do, for that is what matters there.
fn told(words: &[String]) -> String {
    let program = words.first().map(String::as_str).unwrap_or_default();
    if program.rsplit('/').next() == Some("ip") {
        words.join(" ")
    } else {
        program.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(text: &str) -> String {
        let line = LineCommand::Shell(text.to_owned());
        let variables = [("IFACE".to_owned(), "eth1".to_owned())];
        let why = why_not_run(&line, &variables, &|_| None);
        why.map_or_else(String::new, |why| why.to_string())
    }

    #[test]
    fn commands_of_ip_that_stay_inside_run() {
        for line in [
            "ip route add default via 10.0.0.1 dev $IFACE table 5 || true",
            "ip -6 rule add from 2001:db8::1 lookup 5; ip rule del pref 9 2>/dev/null",
            "ip rule | grep -q 10.0.0.5 || ip rule add from 10.0.0.5 lookup 5",
            "ip route add default via 10.0.0.1 some words of tomorrow",
            "ip rule add from 10.0.0.5 lookup no-such-table",
            "ip link set $IFACE up mtu 1400 && ip a add 10.0.0.9/24 dev $IFACE",
            "/sbin/ip -o addr show; exit 0",
            "ip link show $IFACE >/dev/null",
            ":",
        ] {
            assert_eq!(told_of(line), "", "{line}");
        }
    }

    #[test]
    fn whatever_else_a_line_runs_it_does_not() {
        for (line, why) in [
            (
                "ip rule add from 10.0.0.5 lookup 5 && kill 9",
                "it runs \"kill\"",
            ),
            ("ip link show eth1; touch /x", "it runs \"touch\""),
            (
                "/opt/ip route add default dev eth1",
                "it runs \"/opt/ip route add default dev eth1\"",
            ),
            ("ip netns exec x id", "it runs \"ip netns exec x id\""),
            ("ip vrf exec x id", "it runs \"ip vrf exec x id\""),
            ("ip -n x route", "it runs \"ip -n x route\""),
            ("ip -batch /x", "it runs \"ip -batch /x\""),
            ("ip -a netns exec id", "it runs \"ip -a netns exec id\""),
            ("ip rule restore </dev/null", "it runs \"ip rule restore\""),
            (
                "ip link set eth1 netns 1",
                "it runs \"ip link set eth1 netns 1\"",
            ),
            (
                "ip link set eth1 xdp obj /x",
                "it runs \"ip link set eth1 xdp obj /x\"",
            ),
            (
                "ip link add x type veth",
                "it runs \"ip link add x type veth\"",
            ),
            ("ip link help; ip", "it runs \"ip link help\""),
            ("ip", "it runs \"ip\""),
            (
                "ip route add default dev $(id)",
                "it runs a command for its output",
            ),
            ("ip route show > /x", "it reads or writes \"/x\""),
            ("ip route show | tee /x", "it is a pipeline"),
            ("ip rule | grep -f /x a || true", "it is a pipeline"),
            (
                "ip route add default dev eth1 & id",
                "it runs a command in the background",
            ),
            (
                "PATH=/x ip route add default dev eth1",
                "it sets a variable (\"PATH=/x\")",
            ),
            ("ip route add 10/8 dev eth1\nid", "it runs \"id\""),
        ] {
            assert_eq!(told_of(line), why, "{line}");
        }
    }
}
