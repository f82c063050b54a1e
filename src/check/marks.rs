//! Marks of connections (`policy-connmark`): rules that take one for another, what they need, and
//! what they do not reach.

use super::finding::{Code, Finding};
use super::stanza::{CheckedStanza, Policy};
use crate::routing::{Mark, Rule};
use crate::stanza::Mode;
use crate::system::has_nft;

/// The stanzas with marks.
fn marked<'a>(
    stanzas: &'a [CheckedStanza<'a>],
) -> impl Iterator<Item = (&'a CheckedStanza<'a>, &'a Policy, Mark)> + Clone {
    stanzas.iter().filter_map(|stanza| {
        let policy = stanza.policy.as_ref()?;
        Some((stanza, policy, policy.mark()?))
    })
}

/// Rules of the file that take the mark of a stanza for another one, or for part of one; and what a
/// stanza's mark does not do.
pub fn findings(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (stanza, policy, mark) in marked(stanzas) {
        let all = stanzas
            .iter()
            .filter_map(|of| Some((of, of.policy.as_ref()?)));
        let mut mistaken = all.flat_map(|(of, other)| {
            let rules = other.state.rules().iter();
            rules
                .filter(move |rule| is_mistaken(mark, policy, rule))
                .map(move |rule| (of, rule))
        });
        if let Some((of, rule)) = mistaken.next() {
            let text = format!(
                "mark {mark} has bits that a rule of {} goes by: \"{rule}\"",
                of.named()
            );
            findings.push(clash(Code::MarkClash, stanza, text));
        }
        if policy.stanza.mode == Mode::Strict {
            let text = "with policy-mode strict the host itself does not reach ports that it \
                        publishes by this address";
            let place = stanza.written.of_option("policy-connmark");
            let finding = Finding::at(Code::NoHairpin, place, text);
            findings.push(finding.hint("policy-mode main lets it, where that is wanted"));
        }
    }
    findings
}

/// Rules of others on this host that do, and a program that is not there.
pub fn on_this_host(stanzas: &[CheckedStanza<'_>], others: &[Rule]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (stanza, policy, mark) in marked(stanzas) {
        let mut mistaken = others.iter().filter(|rule| is_mistaken(mark, policy, rule));
        if let Some(rule) = mistaken.next() {
            let text =
                format!("mark {mark} has bits that a rule of somebody else goes by: \"{rule}\"");
            findings.push(clash(Code::MarkClashHere, stanza, text));
        }
    }
    if let Some((stanza, ..)) = marked(stanzas).next().filter(|_| !has_nft()) {
        let place = stanza.written.of_option("policy-connmark");
        let text = "there is no nft(8) on this host, which loads the rules that mark connections";
        let finding = Finding::at(Code::NoNft, place, text);
        findings.push(finding.hint("install the package nftables"));
    }
    findings
}

/// Whether a rule takes the mark for another one: the rules that a stanza with this mark and this
/// table has do not.
fn is_mistaken(mark: Mark, policy: &Policy, rule: &Rule) -> bool {
    mark.is_mistaken_by(rule) && !policy.has_mark_rule(rule)
}

fn clash(code: Code, stanza: &CheckedStanza<'_>, text: String) -> Finding {
    let place = stanza.written.of_option("policy-connmark");
    Finding::at(code, place, text).hint(
        "write policy-connmark MARK/MASK with bits that nobody else uses, or give the rule's fwmark a \
         mask",
    )
}
