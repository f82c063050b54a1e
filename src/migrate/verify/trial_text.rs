//! A stanza for a trial: without commands about anything but interfaces, addresses and routes,
//! and as `manual` where its method would wait for somebody to configure the interface.

use crate::ifupdown::interfaces::{about, About, IfaceStanza, OptionLine, Phase, Text};
use crate::migrate::rewrite::Change;

/// The methods that need nobody else to bring an interface up.
const ALONE: [&str; 3] = ["static", "manual", "loopback"];

/// A stanza of a file with a change, as it is tried.
pub fn trial_text(stanza: &IfaceStanza, file: &Text, change: &Change) -> Vec<u8> {
    let mut text = header(stanza).into_bytes();
    for option in stanza.options.iter().filter(|option| is_for_trial(option)) {
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

fn is_for_trial(option: &OptionLine) -> bool {
    if Phase::of(&option.name).is_none() {
        return true;
    }
    let command = option.value.to_string_lossy();
    let first = command.split_whitespace().next().unwrap_or_default();
    about(&command) != About::default() || first.rsplit('/').next() == Some("ip")
}
