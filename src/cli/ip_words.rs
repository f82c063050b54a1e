//! Words of a plan that the `ip` of this host does not know: whoever pastes the plan into a shell
//! would get an error for them, or, of a port's mask, a rule without it. The hooks need no `ip`.

use std::process::{Command, Stdio};

use crate::routing::{Family, Object, Ports, Rule};

/// A word that `ip` has not always had, and how to find out whether it has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NewerWord {
    /// As the plan has it.
    shown: String,
    /// What `ip rule show` is asked for, which changes nothing and takes the selectors of
    /// `ip rule add`.
    asked: [String; 2],
    /// Whether an `ip` that knows the word takes that.
    takes: bool,
}

/// Of the words of an object, those that the `ip` of this host does not know. Where there is no
/// `ip` to be asked, it is not told either.
pub fn unknown_words(object: &Object) -> Vec<String> {
    let Object::Rule(rule) = object else {
        return Vec::new();
    };
    let words = newer_words(rule).into_iter();
    let unknown = words.filter(|word| takes(rule.family, &word.asked) == Some(!word.takes));
    unknown.map(|word| word.shown).collect()
}

fn newer_words(rule: &Rule) -> Vec<NewerWord> {
    let mut words = Vec::new();
    let mut value = |keyword: &str, value: String| {
        words.push(NewerWord {
            shown: format!("{keyword} {value}"),
            asked: [keyword.to_owned(), value],
            takes: true,
        });
    };
    match rule.dscp {
        Some((dscp, Some(mask))) => value("dscp", format!("{dscp}/{mask:#04x}")),
        Some((dscp, None)) => value("dscp", dscp.to_string()),
        None => {}
    }
    if let Some((label, mask)) = rule.flow_label {
        value("flowlabel", format!("{label:#x}/{mask:#x}"));
    }
    for (keyword, ports) in [("sport", rule.sport), ("dport", rule.dport)] {
        if let Some(Ports {
            first,
            mask: Some(mask),
            ..
        }) = ports
        {
            words.push(NewerWord {
                shown: format!("{keyword} {first:#x}/{mask:#x}"),
                // One that knows no masks reads no further than to the number.
                asked: [keyword.to_owned(), "1/x".to_owned()],
                takes: false,
            });
        }
    }
    words
}

/// Whether `ip` takes a selector; `None` where it cannot be asked.
fn takes(family: Family, selector: &[String; 2]) -> Option<bool> {
    let flag = match family {
        Family::Inet => "-4",
        Family::Inet6 => "-6",
    };
    let mut ip = Command::new("ip");
    ip.args([flag, "rule", "show"]).args(selector);
    ip.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Some(ip.status().ok()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_words_of_a_rule_are_as_the_plan_has_them() {
        for (line, expected) in [
            (
                "priority 7 from all fwmark 5 sport 5-9 lookup 7 proto 157",
                "",
            ),
            ("priority 7 from all dscp 46 lookup 7 proto 157", "dscp 46"),
            (
                "priority 7 from all dscp 48/0x30 sport 0x10/0xf0 dport 80/0xff lookup 7 proto 157",
                "dscp 48/0x30, sport 0x10/0xf0, dport 0x50/0xff",
            ),
            (
                "-6 priority 7 from all flowlabel 5/0xff lookup 7 proto 157",
                "flowlabel 0x5/0xff",
            ),
        ] {
            let rule: Rule = line.parse().unwrap();
            let words = newer_words(&rule);
            let shown: Vec<&str> = words.iter().map(|word| word.shown.as_str()).collect();
            assert_eq!(shown.join(", "), expected, "{line}");
            assert!(
                shown.iter().all(|word| rule.to_string().contains(word)),
                "{rule}"
            );
        }
    }
}
