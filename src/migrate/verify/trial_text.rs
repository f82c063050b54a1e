//! A stanza for a trial: without the lines that a trial does not run, and as `manual` where its method would wait for somebody to configure the interface.

use crate::ifupdown::interfaces::{IfaceStanza, OptionLine, Phase, Text};
use crate::migrate::rewrite::Change;

/// The methods that need nobody else to bring an interface up.
const ALONE: [&str; 3] = ["static", "manual", "loopback"];

/// A stanza of a file with a change, as it is tried; `runs` says of the lines of the file which
/// ones are run.
pub fn trial_text(
    stanza: &IfaceStanza,
    file: &Text,
    change: &Change,
    runs: impl Fn(usize) -> bool,
) -> Vec<u8> {
    let is_tried = |option: &&OptionLine| Phase::of(&option.name).is_none() || runs(option.line);
    let mut text = header(stanza).into_bytes();
    for option in stanza.options.iter().filter(is_tried) {
        if change.is_first(option.line) {
            for option in &change.options {
                text.extend(format!("    {option}\n").into_bytes());
            }
        }
        if !change.lines.contains(&option.line) {
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
