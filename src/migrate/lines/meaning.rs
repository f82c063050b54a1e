//! What one line behind `post-up`, `down` and their like means for routes and rules.
//!
//! A line has nothing to do with them, or consists of commands about them and no others, or is
//! unclear: then it stays, and whether it has `ip route` or `ip rule` in it says which other lines
//! have to stay with it.

use super::guard::Guard;
use super::ip_command::{self, IpCommand, IpVerb};
use super::programs::{only_tells, stranger};
use super::shell::{self, Joint, ShellCommand, ShellError};
use super::why_it_stays::WhyItStays;
use crate::ifupdown::interfaces::{about, About, Phase};
use crate::ifupdown::HookCall;
use crate::routing::syntax::TableNames;

/// A line of a stanza that runs commands, or the options of ifupdown-multi, which do so together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Its number in the file, from 1.
    pub number: usize,
    /// Which lines of the file's text give way if it becomes options.
    pub text_lines: Vec<usize>,
    /// When it runs.
    pub phase: Phase,
    /// What it runs.
    pub command: LineCommand,
    /// Why it stays whatever it says, if so.
    pub stays: Option<WhyItStays>,
}

/// What a line runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineCommand {
    /// A line of shell, as it stands in the file.
    Shell(String),
    /// Commands of another program, which runs them without a shell.
    Words(Vec<ShellCommand>),
}

/// A stanza with its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptedStanza {
    /// Which file of the configuration it stands in.
    pub file: usize,
    /// Which block of that file it is.
    pub block: usize,
    /// Its place among all stanzas, as they are read.
    pub place: usize,
    /// What ifupdown tells a hook of it.
    pub call: HookCall,
    /// The variables its lines see.
    pub variables: Vec<(String, String)>,
    /// The lines, in the order of the file.
    pub lines: Vec<CommandLine>,
    /// Why all of its lines stay, if so.
    pub stays: Option<WhyItStays>,
    /// Whether a mapping may give it to interfaces of other names than its own.
    pub is_mapped: bool,
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing about routes or rules.
    Other,
    /// Commands about routes and rules, and no others.
    Routing(RoutingCommands),
    /// Something about routes or rules that cannot be taken apart.
    Unclear(WhyItStays, About),
}

/// The commands of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingCommands {
    /// They do not run if `ip rule` prints a line with this text.
    pub guard: Option<Guard>,
    /// Each with how it is joined to the one before it.
    pub list: Vec<(Joint, IpCommand)>,
}

/// Takes a line apart.
pub fn meaning(
    line: &LineCommand,
    variables: &[(String, String)],
    names: TableNames<'_>,
) -> Meaning {
    let value = variable_of(variables);
    let read = match line {
        LineCommand::Words(commands) => Ok((None, commands.clone())),
        LineCommand::Shell(text) => commands(text, &value),
    };
    let (guard, commands) = match read {
        Ok(read) => read,
        Err(error) => return unclear(line, error.into()),
    };
    match (guard, routing(&commands, names)) {
        (guard, Ok(Some(list))) => Meaning::Routing(RoutingCommands { guard, list }),
        (None, Ok(None)) => other(line),
        // Behind a guard nothing else is understood.
        (Some(_), _) => unclear(line, ShellError::Pipeline.into()),
        (None, Err(reason)) => unclear(line, reason),
    }
}

/// What is not about routes or rules; a name for a table may be, or a mark that a rule goes by.
fn other(line: &LineCommand) -> Meaning {
    let LineCommand::Shell(text) = line else {
        return Meaning::Other;
    };
    if text.contains("/rt_tables") && text.contains('>') {
        return Meaning::Unclear(WhyItStays::NamesTable, About::default());
    }
    if ["CONNMARK", "ct mark"]
        .iter()
        .any(|word| text.contains(word))
    {
        return Meaning::Unclear(WhyItStays::MarksConnections, About::default());
    }
    // A program that runs what it is told, a shell perhaps.
    match stranger(text) {
        Some(program) if program != "ip" && line.about() != About::default() => {
            Meaning::Unclear(WhyItStays::Also(program), line.about())
        }
        _ => Meaning::Other,
    }
}

/// What a command that is run for its output is most likely to find, where it stands for an
/// address or a router.
fn finds(text: &str) -> Option<WhyItStays> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_found = |word: &str| {
        let word = word.trim_start_matches('"');
        word.starts_with("$(") || word.starts_with('`') || word.starts_with('$')
    };
    let behind = |keywords: &[&str]| {
        let mut pairs = words.iter().zip(words.iter().skip(1));
        pairs.any(|(keyword, value)| keywords.contains(keyword) && is_found(value))
    };
    let inside = text.split_once("$(").or_else(|| text.split_once('`'))?.1;
    let inside = inside.split([')', '`']).next().unwrap_or_default();
    let has = |hints: &[&str]| hints.iter().any(|hint| inside.contains(hint));
    if behind(&["via"]) && has(&["ip r", "route", "lease", "dhclient", "dhcp", "netstat"]) {
        Some(WhyItStays::FindsRouter)
    } else if behind(&["from", "src", "to"])
        && has(&[
            "ip a", " addr", "ifconfig", "hostname", "lease", "dhclient", "dhcp",
        ])
    {
        Some(WhyItStays::FindsAddress)
    } else {
        None
    }
}

/// What knows the values of some variables.
pub(super) fn variable_of(variables: &[(String, String)]) -> impl Fn(&str) -> Option<String> + '_ {
    |name| {
        let mut found = variables.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.clone())
    }
}

/// The commands of a line of shell, and the guard in front of them.
pub(super) fn commands(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(Option<Guard>, Vec<ShellCommand>), ShellError> {
    match shell::read(text, variable) {
        Err(ShellError::Pipeline) => {
            let guarded = Guard::split_off(text, variable).and_then(|(guard, rest)| {
                let rest = shell::read(rest, variable).ok()?;
                Some((Some(guard), rest))
            });
            guarded.ok_or(ShellError::Pipeline)
        }
        read => Ok((None, read?)),
    }
}

/// What commands do to routes and rules; `None` where that is nothing.
/// Errors: one is not understood, or something else is run between them.
fn routing(
    commands: &[ShellCommand],
    names: TableNames<'_>,
) -> Result<Option<Vec<(Joint, IpCommand)>>, WhyItStays> {
    let mut routing = Vec::new();
    let mut other = None;
    for ShellCommand { joint, words } in commands {
        match ip_command::read(words, names)? {
            Some(command) => routing.push((*joint, command)),
            None if does_nothing(words) => routing.push((*joint, IpCommand::Nothing)),
            None => other = other.or(words.first()),
        }
    }
    let changes_nothing = routing
        .iter()
        .all(|(_, command)| *command == IpCommand::Nothing);
    match other {
        _ if changes_nothing && !flushes_cache(commands) => Ok(None),
        Some(program) => Err(WhyItStays::Also(program.clone())),
        None => Ok(Some(routing)),
    }
}

/// `true` and its like.
pub(super) fn does_nothing(words: &[String]) -> bool {
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

fn unclear(line: &LineCommand, reason: WhyItStays) -> Meaning {
    let about = line.about();
    let found = match (line, &reason) {
        (LineCommand::Shell(text), WhyItStays::Shell(ShellError::Substitution)) => finds(text),
        _ => None,
    };
    if about == About::default() {
        other(line)
    } else {
        Meaning::Unclear(found.unwrap_or(reason), about)
    }
}

impl LineCommand {
    /// Its words, as far as white space tells them apart.
    pub fn words(&self) -> Vec<&str> {
        match self {
            Self::Shell(text) => text.split_whitespace().collect(),
            Self::Words(commands) => {
                let words = commands.iter().flat_map(|command| &command.words);
                words.map(String::as_str).collect()
            }
        }
    }

    /// The line of shell, if it is one.
    pub fn shell(&self) -> Option<&str> {
        match self {
            Self::Shell(text) => Some(text),
            Self::Words(_) => None,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::Shell(text) if only_tells(text) => About::default(),
            Self::Shell(text) => about(text),
            Self::Words(_) => {
                let has = |object: &str| self.words().contains(&object);
                About {
                    routes: has("route"),
                    rules: has("rule"),
                }
            }
        }
    }
}

impl Meaning {
    /// Whether the line may put in a rule or route.
    pub fn about(&self) -> About {
        match self {
            Self::Other => About::default(),
            Self::Unclear(_, about) => *about,
            Self::Routing(commands) => {
                let has = |is: fn(&IpCommand) -> bool| commands.list.iter().any(|(_, c)| is(c));
                About {
                    routes: has(|command| matches!(command, IpCommand::Route(..))),
                    rules: has(|command| matches!(command, IpCommand::Rule(IpVerb::Add, _))),
                }
            }
        }
    }

    /// The commands of a line that consists of such about routes and rules.
    pub fn commands(&self) -> &[(Joint, IpCommand)] {
        match self {
            Self::Routing(commands) => &commands.list,
            Self::Other | Self::Unclear(..) => &[],
        }
    }
}

#[cfg(test)]
impl ScriptedStanza {
    /// A stanza for tests; `lines` have their options in front, as in the file.
    pub fn of_lines(interface: &str, address: &str, lines: &[&str]) -> Self {
        use crate::routing::Family;
        let lines = lines.iter().enumerate().map(|(at, line)| {
            let (option, text) = line.split_once(' ').unwrap();
            CommandLine {
                number: at + 1,
                text_lines: vec![at],
                phase: Phase::of(option).unwrap(),
                command: LineCommand::Shell(text.to_owned()),
                stays: None,
            }
        });
        let family = if address.contains(':') {
            Family::Inet6
        } else {
            Family::Inet
        };
        let method = if address.is_empty() { "dhcp" } else { "static" };
        Self {
            call: HookCall {
                interface: interface.to_owned(),
                family: Some(family),
                method: method.to_owned(),
                address: Some(address.to_owned()).filter(|text| !text.is_empty()),
                ..HookCall::default()
            },
            variables: vec![("IFACE".to_owned(), interface.to_owned())],
            lines: lines.collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning_of(text: &str) -> Meaning {
        let line = LineCommand::Shell(text.to_owned());
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
        let guarded = |text: &str| match meaning_of(text) {
            Meaning::Routing(commands) => commands.guard.is_some(),
            other => panic!("{text}: {other:?}"),
        };
        for text in [
            "ip route add default dev $IFACE table 5",
            "ip route flush cache",
            "ip rule add from 10.0.0.5 lookup 5 2>/dev/null || true",
            "ip rule del pref 9; ip rule add pref 9 from 10.0.0.5 lookup 5",
        ] {
            assert!(!guarded(text), "{text}");
        }
        for text in [
            "ip rule show | grep -q 10.0.0.5 || ip rule add from 10.0.0.5 lookup 5",
            "/sbin/ip rule | grep 'from 10.0.0.5' >/dev/null || ip rule add from 10.0.0.5 || true",
        ] {
            assert!(guarded(text), "{text}");
        }
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
