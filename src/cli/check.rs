//! `policy-table check`: what is wrong with the file, before `ifup` finds it.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{json, Value};

use super::command::{coloured, Arguments, Command, Opt, Trouble, Verdict, AS, JSON};
use crate::check::{examine_beside, summary, Code, Finding, Severity, ThisHost};
use crate::ifupdown::interfaces::{main_file, Interfaces};
use crate::system::has_proxmox;

const OFFLINE: Opt = Opt::flag("offline", "look at the file alone, not at this host");

pub const COMMAND: Command = Command {
    name: "check",
    operands: "[FILE]",
    summary: "find what is wrong in the file, and between it and this host",
    about: "\
Reads FILE, or /etc/network/interfaces, with all that it sources, and tells
every error in it with its place; then what stanzas do to each other, and what
this host does to them. FINDINGS in policy-table(8) explains the numbers. The
first line sums it up, as a plug-in for Nagios does. Needs no root.
Exit status: 0 if there is no error and no warning, 1 with warnings alone,
2 with errors or in trouble.",
    options: &[AS, JSON, OFFLINE],
    example: "policy-table check --offline interfaces",
    run,
};

/// Version of what `--json` prints; it changes when a reader would have to.
const SCHEMA: u32 = 1;

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let caller = arguments.caller()?;
    let file = arguments.only()?;
    let file = file.map_or_else(|| main_file(caller), PathBuf::from);
    let interfaces = Interfaces::read_as(&file, caller);
    let mut host = None;
    if !arguments.has(OFFLINE.long) {
        let opened = ThisHost::open();
        host = Some(opened.map_err(|error| {
            Trouble::Failed(format!("{error}; --offline looks at the file alone"))
        })?);
    }
    // Who names ifupdown2 may have the file of another host.
    let web_interface = arguments.said_caller()?.is_some() || has_proxmox();
    let findings = examine_beside(&interfaces, host.as_mut(), web_interface);
    if arguments.has(JSON.long) {
        print_json(&findings, out)?;
    } else {
        print(&findings, out)?;
    }
    let gravest = findings.iter().map(|finding| finding.code.severity()).max();
    Ok(match gravest {
        None | Some(Severity::Note) => Verdict::Good,
        Some(Severity::Warning) => Verdict::Differs,
        Some(Severity::Error) => Verdict::Bad,
    })
}

/// The summary comes first: Nagios shows the first line of a plug-in, and all of it if asked.
fn print(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let coloured = coloured();
    writeln!(out, "policy-table check: {}", summary(findings))?;
    for finding in findings {
        write!(out, "\n{}", finding.told(coloured))?;
    }
    Ok(())
}

fn print_json(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<Value> = findings.iter().map(json_of).collect();
    let answer = json!({
        "version": SCHEMA,
        "summary": summary(findings),
        "findings": all,
    });
    writeln!(out, "{answer:#}")
}

fn json_of(finding: &Finding) -> Value {
    let Finding {
        code,
        place,
        text,
        hint,
    } = finding;
    let place = place.as_ref();
    json!({
        "number": Code::to_string(code),
        "severity": code.severity().to_string(),
        "file": place.map(|place| place.path.to_string_lossy()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "text": text,
        "hint": hint,
    })
}
