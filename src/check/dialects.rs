//! What bites with ifupdown2 or ifupdown-ng alone: an option and a line that do less there, and what
//! the web interface of Proxmox makes of a file when it writes it anew.
//!
//! Seen on `PVE::Network::Interfaces` of pve-common 9.2.1: options behind a blank line go to another
//! stanza, of several addresses of a family the last one stays, and two stanzas of a name and a family
//! are written twice with the options of the last. Files that are sourced it never reads or writes.

use std::collections::HashMap;

use super::finding::{Code, Finding, Span};
use crate::ifupdown::interfaces::{
    mangled, IfaceStanza, Interfaces, LogicalLine, OptionLine, Text,
};
use crate::ifupdown::Caller;
use crate::text::Shown;

/// What there is to say of a file's dialect. `web_interface`: Proxmox' may write it anew.
pub fn by_dialect(interfaces: &Interfaces, web_interface: bool) -> Vec<Finding> {
    let mut findings = templates(interfaces);
    for (n, file) in interfaces.files.iter().enumerate() {
        let file = File {
            path: &file.path,
            text: &file.text,
        };
        if interfaces.caller != Caller::Ifupdown {
            findings.extend(file.fails_nothing(interfaces.caller));
        }
        if interfaces.caller == Caller::IfupdownNg {
            findings.extend(file.selects_one());
        }
        if n == 0 && interfaces.caller == Caller::Ifupdown2 && web_interface {
            findings.extend(file.behind_blank_lines());
            findings.extend(file.lost_addresses());
        }
    }
    findings
}

fn templates(interfaces: &Interfaces) -> Vec<Finding> {
    let templates = interfaces.templated.iter().map(|path| {
        let text = format!(
            "{} is a template, which ifupdown2 makes another file of: it is not read here",
            Shown(&path.to_string_lossy())
        );
        Finding::new(Code::Templated, text)
    });
    templates.collect()
}

/// A file of the configuration.
struct File<'a> {
    path: &'a std::path::Path,
    text: &'a Text,
}

/// Whether an option is one of ours.
fn is_ours(option: &OptionLine) -> bool {
    mangled(&option.name).starts_with("POLICY_")
}

fn is_served(stanza: &IfaceStanza) -> bool {
    stanza.options.iter().any(is_ours)
}

impl<'a> File<'a> {
    /// The stanzas, each with the first and the last of its lines.
    fn stanzas(&self) -> impl Iterator<Item = (usize, usize, &'a IfaceStanza)> + '_ {
        let blocks = self.text.blocks.iter().enumerate();
        blocks.filter_map(|(n, block)| {
            let stanza = self.text.stanza(n)?;
            Some((block.lines.start, block.lines.end, stanza))
        })
    }

    fn line(&self, at: usize) -> Option<&'a LogicalLine> {
        self.text.lines.get(at)
    }

    fn place(&self, option: &OptionLine) -> Option<Span> {
        let line = self.line(option.line)?;
        Some(Span::of(self.path, line, option.at, option.value.len()))
    }

    /// The place of a stanza's name.
    fn head(&self, first: usize) -> Option<Span> {
        let line = self.line(first)?;
        let (at, name) = line.words(0).nth(1)?;
        Some(Span::of(self.path, line, at, name.len()))
    }

    fn fails_nothing(&self, caller: Caller) -> Vec<Finding> {
        let options = self.stanzas().flat_map(|(_, _, stanza)| &stanza.options);
        let fails = options.filter(|option| {
            mangled(&option.name) == "POLICY_ON_ERROR" && option.value.to_string_lossy() == "fail"
        });
        let finding = |option| {
            let text = format!("{caller} brings an interface up whatever a hook says");
            let finding = Finding::at(Code::NoFail, self.place(option)?, text);
            Some(finding.hint("leave it out; policy-table status tells what failed"))
        };
        fails.filter_map(finding).collect()
    }

    fn selects_one(&self) -> Vec<Finding> {
        let lines = self.text.lines.iter().filter(|line| !line.is_comment());
        let findings = lines.filter_map(|line| {
            let mut words = line.words(0);
            let is_auto = words.next().is_some_and(|(_, word)| word == "auto");
            let (at, second) = words.nth(1).filter(|_| is_auto)?;
            let text = format!(
                "ifupdown-ng takes the first name behind auto alone: '{}' is not brought up by it",
                Shown(&second)
            );
            let place = Span::of(self.path, line, at, second.len());
            Some(Finding::at(Code::AutoOne, place, text).hint("write a line for each"))
        });
        findings.collect()
    }

    fn behind_blank_lines(&self) -> Vec<Finding> {
        let findings = self.stanzas().filter_map(|(first, end, stanza)| {
            let is_blank = |at: &usize| {
                let line = self.line(*at);
                line.is_some_and(|line| line.text.is_empty() && !line.is_comment())
            };
            let blank = (first..end).find(is_blank)?;
            let mut behind = stanza.options.iter().filter(|option| option.line > blank);
            let option = behind.find(|option| is_ours(option))?;
            let line = self.line(option.line)?;
            let place = Span::of(self.path, line, 0, option.name.len());
            let text = "it stands behind a blank line: the web interface of Proxmox, when it \
                        writes the file anew, moves it to another stanza";
            let number = self.line(blank)?.number;
            let finding = Finding::at(Code::BlankLine, place, text);
            Some(finding.hint(format!("remove line {number}, which is blank")))
        });
        findings.collect()
    }

    fn lost_addresses(&self) -> Vec<Finding> {
        const WHAT: &str = "the web interface of Proxmox, when it writes the file anew";
        let mut findings = Vec::new();
        let mut lasts: HashMap<(&str, &str), (usize, bool)> = HashMap::new();
        for (first, _, stanza) in self.stanzas() {
            for is_ipv6 in [false, true] {
                let of_family = |option: &&OptionLine| {
                    let is_address = option.name == "address";
                    is_address && option.value.to_string_lossy().contains(':') == is_ipv6
                };
                let mut addresses = stanza.options.iter().filter(of_family);
                let lost = addresses.next().filter(|_| addresses.next().is_some());
                if let Some(place) = lost.and_then(|lost| self.place(lost)) {
                    if is_served(stanza) {
                        let family = if is_ipv6 { "IPv6" } else { "IPv4" };
                        let text =
                            format!("{WHAT}, keeps the last {family} address of a stanza alone");
                        findings.push(
                            Finding::at(Code::LostAddress, place, text)
                                .hint("write the interface into a file that is sourced"),
                        );
                    }
                }
            }
            let Some(family) = stanza.family.as_deref() else {
                continue;
            };
            let key = (stanza.name.as_str(), family);
            let served = is_served(stanza);
            if let Some((former, was_served)) = lasts.insert(key, (first, served)) {
                if let Some(place) = self.head(former).filter(|_| served || was_served) {
                    let text = format!(
                        "{WHAT}, gives this stanza the options of the later one of the same name \
                         and family"
                    );
                    findings.push(
                        Finding::at(Code::LostAddress, place, text)
                            .hint("write the interface into a file that is sourced"),
                    );
                }
            }
        }
        findings
    }
}
