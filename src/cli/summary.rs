//! The first line of `status`: how many there are of what.

use std::fmt;

use super::command::Verdict;
use crate::converge::{Orphans, StanzaStatus};
use crate::text::counted;

/// How many there are of what; the first line.
#[derive(Default)]
pub struct Summary {
    bad: usize,
    differ: usize,
    waiting: usize,
    good: usize,
    orphaned: usize,
    damaged: usize,
    warnings: usize,
}

impl Summary {
    pub fn count(&mut self, stanza: &StanzaStatus, verdict: Verdict) {
        match verdict {
            // Copies of a stanza's rules are none more.
            Verdict::Good if stanza.copies.is_some() => {}
            Verdict::Good => self.good += 1,
            Verdict::Differs if stanza.waiting().is_some() => self.waiting += 1,
            Verdict::Differs => self.differ += 1,
            Verdict::Bad => self.bad += 1,
        }
        let warnings = stanza.remarks.iter().filter(|remark| remark.is_warning());
        self.warnings += warnings.count();
    }

    pub fn count_rest(&mut self, orphans: &Orphans, warnings: usize) {
        self.orphaned = orphans.stanzas.len() + orphans.unclaimed.len() + orphans.chains.len();
        self.damaged = orphans.damaged.len();
        self.warnings += warnings;
    }
}

/// What is worst comes first.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = Vec::new();
        for (count, one, many) in [
            (self.bad, "stanza in trouble", "stanzas in trouble"),
            (self.differ, "stanza not in step", "stanzas not in step"),
            (self.waiting, "stanza waiting", "stanzas waiting"),
            (self.damaged, "record damaged", "records damaged"),
            (self.orphaned, "orphan", "orphans"),
            (self.warnings, "warning", "warnings"),
            (self.good, "stanza in step", "stanzas in step"),
        ] {
            if count > 0 {
                said.push(counted(count, one, many));
            }
        }
        if said.is_empty() {
            return f.write_str("no interface that is up has policy routing");
        }
        f.write_str(&said.join(", "))
    }
}
