//! What keeps a rule from being put in twice: `ip rule | grep -q TEXT || ip rule add …`, the one
//! pipeline that is understood.

use super::ip_command;
use super::shell::{self, ShellCommand};
use crate::routing::Family;

/// The part of a line in front of `||`: the rest runs unless `ip rule` prints a line with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Whose rules are looked at.
    pub family: Family,
    /// What is looked for, each `.` in it standing for any character.
    pub text: String,
}

impl Guard {
    /// The guard in front of a line, and what stands behind it.
    pub fn split_off<'a>(
        line: &'a str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<(Self, &'a str)> {
        let (pipeline, rest) = line.split_once("||")?;
        let (list, search) = pipeline.split_once('|')?;
        let one = |text: &str| match shell::read(text, variable).ok()?.as_slice() {
            [ShellCommand { words, .. }] => Some(words.clone()),
            _ => None,
        };
        let (list, search) = (one(list)?, one(search)?);
        let family = ip_command::lists_rules(&list)?;
        let text = pattern(&search)?.to_owned();
        Some((Self { family, text }, rest))
    }

    /// Whether a line of `ip rule` has the text in it.
    pub fn finds(&self, printed: &str) -> bool {
        let text: Vec<char> = self.text.chars().collect();
        if text.is_empty() {
            return true;
        }
        let printed: Vec<char> = printed.chars().collect();
        let is_alike = |(c, wanted): (&char, &char)| c == wanted || *wanted == '.';
        let mut places = printed.windows(text.len());
        places.any(|place| place.iter().zip(&text).all(is_alike))
    }
}

/// What a command with `grep` looks for, if it is no more than text and dots.
fn pattern(grep: &[String]) -> Option<&str> {
    let mut words = grep.iter().map(String::as_str);
    let program = words.next()?.rsplit('/').next()?;
    let mut patterns = words.filter(|word| !matches!(*word, "-q" | "-F" | "-qF" | "-Fq" | "--"));
    let (text, None) = (patterns.next()?, patterns.next()) else {
        return None;
    };
    // Anything but these could be more than itself in a pattern.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .:/_-".contains(c);
    let is_option_or_empty = text.starts_with('-') || text.is_empty();
    let is_grep = matches!(program, "grep" | "fgrep" | "egrep");
    (is_grep && text.chars().all(is_plain) && !is_option_or_empty).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_finds_what_grep_would() {
        let guard = Guard {
            family: Family::Inet,
            text: "from 10.0.0.5".to_owned(),
        };
        assert!(guard.finds("9: from 10.0.0.55 lookup 5") && guard.finds("from 10x0.0.5"));
        assert!(!guard.finds("9: from 10.0.0.6 lookup 5") && !guard.finds("9:"));
    }

    #[test]
    fn whose_rules_are_looked_at_is_said_as_ip_takes_it() {
        for (list, family) in [
            ("ip rule", Family::Inet),
            ("ip -4 rule", Family::Inet),
            ("ip -6 rule", Family::Inet6),
            ("ip -f inet6 rule", Family::Inet6),
            ("ip -family inet6 ru list", Family::Inet6),
            ("ip -6 -f inet rule", Family::Inet),
        ] {
            let line = format!("{list} | grep -q 5 || x");
            let guard = Guard::split_off(&line, &|_| None);
            assert!(
                guard.is_some_and(|(guard, _)| guard.family == family),
                "{list}"
            );
        }
    }

    #[test]
    fn only_a_search_among_rules_for_plain_text_is_a_guard() {
        let guard = |line| Guard::split_off(line, &|_| None);
        for line in [
            "ip rule show | grep -q 10.0.0.5 || x",
            "/sbin/ip ru | /bin/grep -qF -- 'from 10.0.0.5' >/dev/null || x",
            "ip -6 rule | egrep 2001:db8::1 || x",
        ] {
            assert!(guard(line).is_some_and(|(_, rest)| rest == " x"), "{line}");
        }
        for line in [
            "ip rule show | grep -q 10.0.0.5 && x",
            "ip route show | grep -q 10.0.0.5 || x",
            "ip rule add from 10.0.0.5 | grep -q 10.0.0.5 || x",
            "ip rule | grep -v 10.0.0.5 || x",
            "ip rule | grep '10*' || x",
            "ip rule | grep a b || x",
            "ip rule | grep '' || x",
            "ip rule | awk 10 || x",
        ] {
            assert_eq!(guard(line), None, "{line}");
        }
    }
}
