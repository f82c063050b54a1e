//! What the lines behind `post-up`, `down` and their like say of routes and rules, one line at a
//! time.

use thiserror::Error;

use super::ip_command::{IpCommand, IpError};
use super::shell::{Joint, ShellCommand, ShellError};
use super::{ip_command, shell};
use crate::ifupdown::interfaces::{about, About, Phase};
use crate::ifupdown::HookCall;
use crate::routing::syntax::TableNames;
use crate::routing::Family;
use crate::text::Shown;

/// A line of a stanza that runs a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Its number in the file, from 1.
    pub number: usize,
    /// When it runs.
    pub phase: Phase,
    /// The command.
    pub text: String,
    /// Why it stays whatever it says, if so.
    pub stays: Option<WhyItStays>,
}

/// A stanza with its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptedStanza {
    /// What ifupdown tells a hook of it.
    pub call: HookCall,
    /// The variables its lines see.
    pub variables: Vec<(String, String)>,
    /// The lines, in the order of the file.
    pub lines: Vec<CommandLine>,
    /// Why none of its lines may be replaced, if so.
    pub bound: Option<WhyItStays>,
}

/// Why a line stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WhyItStays {
    /// It is more than plain commands.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// Its command is not understood.
    #[error(transparent)]
    Ip(#[from] IpError),
    /// Something else is done in the same line.
    #[error("it also runs \"{}\"", Shown(.0))]
    Also(String),
    /// The options act later.
    #[error("at pre-up the interface is not up, and the options act when it is")]
    TooEarly,
    /// Nobody can tell which interface it is about.
    #[error("it names no device, and which one it uses is not certain; add dev NAME")]
    NoDevice,
    /// Which of two routes is used depends on more than these lines.
    #[error("what else stands in its place is not certain")]
    Place,
    /// It takes out what it has not put in.
    #[error("nothing in this file puts in what it takes out")]
    NotOurs,
    /// The line that goes with it stays, too.
    #[error("a line that stays may put in what it takes out")]
    Pair,
    /// Another interface may be down, and the line does not mind.
    #[error("it is about {0}, which may not be up, and options mind")]
    Elsewhere(String),
    /// The guard would keep it out.
    #[error("another rule matches the pattern in front of it")]
    Guarded,
    /// It takes out what another stanza has put in.
    #[error("it is about what the stanza of {0} puts in")]
    OtherStanza(String),
    /// `ifup` would stop there.
    #[error("it fails when the interface comes up for the first time")]
    Fails,
    /// Options are in force while the interface is up.
    #[error("it puts something in when the interface goes down")]
    AddsAtDown,
    /// Its rule has no priority of its own.
    #[error("line {0}, which stays, puts in a rule too, and the order of the two would change")]
    Beside(usize),
    /// What stays runs before the options act.
    #[error("line {0}, which stays, may need it")]
    NeededBy(usize),
    /// What stays would find nothing to take out.
    #[error("line {0}, which stays, takes it out")]
    Undone(usize),
    /// ifupdown-multi's way of sharing.
    #[error("with several interfaces ifupdown-multi shares a default route among them, which no option says")]
    SharedDefault,
    /// A stanza of which more is not known.
    #[error("{0}")]
    Bound(&'static str),
    /// The options cannot say it.
    #[error("no options have exactly its effect")]
    Inexpressible,
    /// Rules of several stanzas.
    #[error("its order among the rules of {0} cannot be kept")]
    Order(String),
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing about routes or rules.
    Other,
    /// These commands and no others.
    Routing(Vec<(Joint, IpCommand)>),
    /// These commands, unless `ip rule` shows a line with this text.
    Guarded(Guard, Vec<(Joint, IpCommand)>),
    /// Something about routes or rules that cannot be taken apart.
    Unclear(WhyItStays, About),
}

/// Takes a line apart.
pub fn meaning(
    line: &CommandLine,
    variables: &[(String, String)],
    names: TableNames<'_>,
) -> Meaning {
    let value = |name: &str| {
        let mut found = variables.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.clone())
    };
    let commands = match shell::read(&line.text, &value) {
        Ok(commands) => commands,
        Err(ShellError::Pipeline) => {
            let guarded = guard(&line.text, &value).map(|(guard, rest)| {
                let rest = CommandLine {
                    text: rest,
                    ..line.clone()
                };
                (guard, meaning(&rest, variables, names))
            });
            return match guarded {
                Some((guard, Meaning::Routing(commands))) => Meaning::Guarded(guard, commands),
                _ => unclear(line, ShellError::Pipeline.into()),
            };
        }
        Err(error) => return unclear(line, error.into()),
    };
    let mut routing = Vec::new();
    let mut other = None;
    for ShellCommand { joint, words } in &commands {
        match ip_command::read(words, names) {
            Err(error) => return unclear(line, error.into()),
            Ok(Some(command)) => routing.push((*joint, command)),
            Ok(None) if does_nothing(words) => routing.push((*joint, IpCommand::Nothing)),
            Ok(None) => other = other.or(words.first()),
        }
    }
    let plain = |(_, command): &(Joint, IpCommand)| *command == IpCommand::Nothing;
    match other {
        _ if routing.iter().all(plain) && !flushes_cache(&commands) => Meaning::Other,
        Some(command) => unclear(line, WhyItStays::Also(command.clone())),
        None => Meaning::Routing(routing),
    }
}

/// What keeps a command from being run twice: `ip rule | grep -q TEXT || …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Whether `ip -6 rule` is looked at.
    pub family: Family,
    /// What is looked for, each `.` in it standing for any character.
    pub text: String,
}

/// The guard in front of a line, and what stands behind it.
fn guard(line: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<(Guard, String)> {
    let (pipeline, rest) = line.split_once("||")?;
    let (list, search) = pipeline.split_once('|')?;
    let one = |text: &str| match shell::read(text, value).ok()?.as_slice() {
        [ShellCommand { words, .. }] => Some(words.clone()),
        _ => None,
    };
    let (list, search) = (one(list)?, one(search)?);
    let is_listing = ip_command::read(&list, &|_| None) == Ok(Some(IpCommand::Nothing));
    let lists_rules = is_listing && about(&list.join(" ")).rules;
    let mut search = search.iter().map(String::as_str);
    let program = search.next()?.rsplit('/').next()?;
    let patterns: Vec<&str> = search
        .filter(|word| !matches!(*word, "-q" | "-F" | "-qF" | "-Fq" | "--"))
        .collect();
    let [text] = patterns.as_slice() else {
        return None;
    };
    // Anything but these could be more than itself in a pattern.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .:/_-".contains(c);
    let plain = matches!(program, "grep" | "fgrep" | "egrep") && text.chars().all(is_plain);
    let guard = Guard {
        family: if list.iter().any(|word| word == "-6") {
            Family::Inet6
        } else {
            Family::Inet
        },
        text: (*text).to_owned(),
    };
    let alike = lists_rules && plain && !text.starts_with('-') && !text.is_empty();
    alike.then(|| (guard, rest.to_owned()))
}

impl Guard {
    /// Whether a line of `ip rule` has the text in it.
    pub fn finds(&self, shown: &str) -> bool {
        let text: Vec<char> = self.text.chars().collect();
        if text.is_empty() {
            return true;
        }
        let shown: Vec<char> = shown.chars().collect();
        let mut places = shown.windows(text.len());
        places.any(|place| {
            place
                .iter()
                .zip(&text)
                .all(|(c, wanted)| c == wanted || *wanted == '.')
        })
    }
}

/// `true` and its like.
fn does_nothing(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["true" | ":" | "/bin/true"] | ["exit", "0"]
    )
}

/// Since Linux 3.6 there is no cache, and the line is as needless as the others become.
fn flushes_cache(commands: &[ShellCommand]) -> bool {
    let last = |command: &ShellCommand| command.words.last().is_some_and(|word| word == "cache");
    commands.iter().any(last)
}

fn unclear(line: &CommandLine, reason: WhyItStays) -> Meaning {
    let about = about(&line.text);
    if about == About::default() {
        Meaning::Other
    } else {
        Meaning::Unclear(reason, about)
    }
}

impl Meaning {
    /// Whether the line may put in a rule or route.
    pub fn about(&self) -> About {
        match self {
            Self::Other => About::default(),
            Self::Unclear(_, about) => *about,
            Self::Routing(commands) | Self::Guarded(_, commands) => {
                let has = |is: fn(&IpCommand) -> bool| commands.iter().any(|(_, c)| is(c));
                About {
                    routes: has(|command| matches!(command, IpCommand::Route(..))),
                    rules: has(|command| {
                        matches!(command, IpCommand::Rule(ip_command::IpVerb::Add, _))
                    }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning_of(text: &str) -> Meaning {
        let line = CommandLine {
            number: 1,
            phase: Phase::Up,
            text: text.to_owned(),
            stays: None,
        };
        meaning(&line, &[("IFACE".to_owned(), "eth1".to_owned())], &|_| None)
    }

    #[test]
    fn a_line_is_about_routing_alone_or_not_at_all_or_unclear() {
        for text in [
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "ip link set $IFACE mtu 1400",
            "iptables -A INPUT -i $IFACE -j ACCEPT",
            "ip route show",
            "true",
            "for i in 1 2; do echo $i; done",
            "/usr/local/bin/ip-rule-setup | logger",
        ] {
            assert_eq!(meaning_of(text), Meaning::Other, "{text}");
        }
        for text in [
            "ip route add default dev $IFACE table 5",
            "ip route flush cache",
            "ip rule add from 10.0.0.5 lookup 5 2>/dev/null || true",
            "ip rule del pref 9; ip rule add pref 9 from 10.0.0.5 lookup 5",
        ] {
            assert!(matches!(meaning_of(text), Meaning::Routing(_)), "{text}");
        }
        for text in [
            "ip rule show | grep -q 10.0.0.5 || ip rule add from 10.0.0.5 lookup 5",
            "/sbin/ip rule | grep 'from 10.0.0.5' >/dev/null || ip rule add from 10.0.0.5 || true",
        ] {
            assert!(matches!(meaning_of(text), Meaning::Guarded(..)), "{text}");
        }
        let guard = Guard {
            family: Family::Inet,
            text: "from 10.0.0.5".to_owned(),
        };
        assert!(guard.finds("9: from 10.0.0.55 lookup 5") && guard.finds("from 10x0.0.5"));
        assert!(!guard.finds("9: from 10.0.0.6 lookup 5") && !guard.finds("9:"));
        let unclear = |text: &str| match meaning_of(text) {
            Meaning::Unclear(reason, about) => (reason.to_string(), about.routes, about.rules),
            other => panic!("{text}: {other:?}"),
        };
        for (text, reason, routes, rules) in [
            (
                "ip rule show | grep -q [0-9] || ip rule add from 10.0.0.5 lookup 5",
                "it is a pipeline",
                false,
                true,
            ),
            (
                "for n in 1 2; do ip -6 ro add default dev $IFACE metric $n; done",
                "it is a shell program (\"for\")",
                true,
                false,
            ),
            (
                "sysctl -w x=1 && ip route add default dev eth1",
                "it also runs \"sysctl\"",
                true,
                false,
            ),
            (
                "ip -batch /etc/routes",
                "no option says \"ip -batch\"",
                true,
                true,
            ),
            (
                "ip rule flush",
                "no option says \"ip rule flush\"",
                false,
                true,
            ),
        ] {
            assert_eq!(unclear(text), (reason.to_owned(), routes, rules), "{text}");
        }
    }
}
