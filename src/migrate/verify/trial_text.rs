//! A stanza for a trial: without the lines that a trial does not run, and as `manual` where its
//! method would wait for somebody to configure the interface.
//!
//! ifupdown hands values of ordinary options to a shell, unquoted: `mtu 1400; touch /x` touches.
//! What is more than plain text is left out.

use crate::ifupdown::interfaces::{IfaceStanza, OptionLine, Phase, Text};
use crate::migrate::rewrite::Change;

/// The methods that need nobody else to bring an interface up.
const ALONE: [&str; 3] = ["static", "manual", "loopback"];

/// Whether a value is nothing but itself to a shell that it is handed to.
pub fn is_plain(value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " \t./:,_+@%=-".contains(c);
    value.chars().all(is_plain)
}

/// Whether a trial has an option as it stands, of those that are no commands. What a hook alone
/// is told no shell reads.
pub fn is_tried(option: &OptionLine) -> bool {
    let is_ours = option.name.starts_with("policy-") || option.name.starts_with("policy_");
    is_ours || is_plain(&option.name) && option.value.to_str().is_some_and(is_plain)
}

/// Whether a trial has a stanza at all.
pub fn is_tried_stanza(stanza: &IfaceStanza) -> bool {
    let words = [Some(&stanza.name), stanza.inherits.as_ref()];
    let words = words.into_iter().flatten();
    words.chain(&stanza.family).all(|word| is_plain(word))
}

/// A stanza of a file with a change, as it is tried; `runs` says of the lines of the file which
/// ones are run.
pub fn trial_text(
    stanza: &IfaceStanza,
    file: &Text,
    change: &Change,
    runs: impl Fn(usize) -> bool,
) -> Vec<u8> {
    let is_tried = |option: &&OptionLine| match Phase::of(&option.name) {
        Some(_) => runs(option.line),
        None => is_tried(option),
    };
    let mut text = header(stanza).into_bytes();
    for option in &stanza.options {
        if change.is_first(option.line) {
            for option in &change.options {
                text.extend(format!("    {option}\n").into_bytes());
            }
        }
        if is_tried(&option) && !change.lines.contains(&option.line) {
            let line = file.lines.get(option.line);
            text.extend(line.map(|line| line.raw.as_slice()).unwrap_or_default());
            if text.last() != Some(&b'\n') {
                text.push(b'\n');
            }
        }
    }
    text
}

fn header(stanza: &IfaceStanza) -> String {
    const FAMILIES: [&str; 5] = ["inet", "inet6", "can", "ipx", "meta"];
    let mut words = vec!["iface", &stanza.name];
    for word in [&stanza.family, &stanza.method].into_iter().flatten() {
        let is_kept = [FAMILIES.as_slice(), &ALONE]
            .concat()
            .contains(&word.as_str());
        words.push(if is_kept { word } else { "manual" });
    }
    if let Some(parent) = &stanza.inherits {
        words.extend(["inherits", parent]);
    }
    words.join(" ") + "\n"
}
