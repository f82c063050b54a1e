//! Environments as real hooks got them, and what becomes of each: no kernel, no files.
//!
//! `env` is what `env` printed in a hook of ifupdown 0.8.41, ifupdown-ng 0.11.4 (`ng-`) or
//! ifupdown2 3.0.0, one variable a line; a line break within a value is written `\n`.
//! `observed`, which need not be there, is what the kernel answers where it is asked: addresses,
//! the default route in main, and behind `before` those that the stanza had.
//! `plan` is what follows: the objects as `ip` commands, notices, or the errors.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tree::top;
use policy_table::ifupdown::{Direction, HookCall};
use policy_table::routing::{parse_length, Family, InterfaceAddress, Object, TableId, TableName};
use policy_table::stanza::{wanted_state, Observed, Stanza, TableIds};
use policy_table::tables::derived_id;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn variables(text: &str) -> Vec<(OsString, OsString)> {
    let pairs = text.lines().map(|line| line.split_once('=').expect(line));
    pairs
        .map(|(name, value)| (name.into(), value.replace("\\n", "\n").into()))
        .collect()
}

/// Which hook it was: that of the folder in which each of them does our work.
fn direction(name: &str, variables: &[(OsString, OsString)]) -> Direction {
    let down = variables.contains(&("MODE".into(), "stop".into()));
    let is_debians = !name.contains("-ng-") && !name.contains("-ifupdown2-");
    match (is_debians, down) {
        (true, false) => Direction::Up,
        (true, true) => Direction::Down,
        (false, false) => Direction::PostUp,
        (false, true) => Direction::PreDown,
    }
}

/// What there is to find: what the stanza says, or else what the kernel does.
fn found(stanza: &Stanza, observed: &str) -> Observed {
    let mut found = Observed::default();
    for line in observed.lines() {
        if let Some(route) = line.strip_prefix("before route ") {
            found.before.push(route.parse().unwrap());
            continue;
        }
        match line
            .strip_prefix("address ")
            .and_then(|text| text.split_once('/'))
        {
            Some((address, length)) => {
                let address = address.parse().unwrap();
                let length = parse_length(length, Family::of(address)).unwrap();
                found
                    .addresses
                    .push(InterfaceAddress::new(address, length).unwrap());
            }
            None => match line.parse().unwrap() {
                Object::Route(route) => found.default = route.hops.into_iter().next(),
                Object::Rule(rule) => panic!("{rule}"),
            },
        }
    }
    assert_eq!(
        stanza.asks_address() || stanza.asks_all(),
        !found.addresses.is_empty(),
        "what the kernel is asked"
    );
    assert!(
        stanza.asks_gateway() || found.default.is_none(),
        "nobody asks for the gateway"
    );
    // The stanza's own comes first.
    let further = std::mem::take(&mut found.addresses);
    found.addresses = stanza.address.into_iter().chain(further).collect();
    found
}

fn plan(name: &str, environment: &str, observed: &str) -> Vec<String> {
    let variables = variables(environment);
    let direction = direction(name, &variables);
    let Some(call) = HookCall::read(direction, variables) else {
        return vec!["not for us".to_owned()];
    };
    let errors = |errors: Vec<_>| {
        errors
            .iter()
            .map(|error| format!("error: {error}"))
            .collect()
    };
    let stanza = match Stanza::parse(&call) {
        Ok(Some(stanza)) => stanza,
        Ok(None) => return vec!["no options".to_owned()],
        Err(faults) => return errors(faults),
    };
    let id = |name: &TableName, fixed: Option<TableId>| {
        Ok::<_, Infallible>(fixed.unwrap_or_else(|| derived_id(name)))
    };
    let Ok(tables) = TableIds::of(&stanza, id);
    let (wanted, notices) = match wanted_state(&stanza, &tables, &found(&stanza, observed)) {
        Ok(wanted) => wanted,
        Err(faults) => return errors(faults),
    };
    match direction {
        Direction::Up | Direction::PostUp => {
            let added = wanted.objects().map(|object| object.command("add"));
            let told = notices.iter().map(|notice| format!("notice: {notice}"));
            added.chain(told).collect()
        }
        Direction::Down | Direction::PreDown => wanted
            .objects()
            .rev()
            .map(|object| object.command("del"))
            .collect(),
    }
}

/// Both texts in one, the lines that only one of them has marked.
fn difference(expected: &[String], found: &[String]) -> String {
    let missing = expected
        .iter()
        .map(|line| (if found.contains(line) { ' ' } else { '-' }, line));
    let new = found
        .iter()
        .filter(|line| !expected.contains(line))
        .map(|line| ('+', line));
    if expected.len() == found.len() && found.iter().all(|line| expected.contains(line)) {
        return found
            .iter()
            .map(|line| format!("  another order: {line}\n"))
            .collect();
    }
    missing
        .chain(new)
        .map(|(mark, line)| format!("  {mark} {line}\n"))
        .collect()
}

#[test]
fn each_environment_leads_to_its_plan() {
    let folder = top().join("tests/pure/scenarios");
    let (mut wrong, mut cases) = (String::new(), 0);
    for case in entries(&folder) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let files = entries(&case);
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap()).collect();
        assert!(
            names == ["env", "plan"] || names == ["env", "observed", "plan"],
            "{name}: a file nobody reads, or one missing: {names:?}"
        );
        let read = |file: &str| fs::read_to_string(case.join(file)).unwrap_or_default();
        let expected: Vec<String> = read("plan").lines().map(str::to_owned).collect();
        let found = plan(&name, &read("env"), &read("observed"));
        if found != expected {
            wrong += &format!(
                "{name}: - expected, + found\n{}",
                difference(&expected, &found)
            );
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(cases >= 15, "only {cases} scenarios were found");
}
