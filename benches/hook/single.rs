//! One interface: each way against an empty program, and the whole `ifup` with each.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;

use crate::report::Row;
use crate::support::lab::{Lab, HOOK};
use crate::ways::{run, shell, Interface, Steps, DOWN, MULTI, UP};
use crate::Build;

/// One of what is compared: what is measured, with what comes before and after it.
struct Contender<'a> {
    name: String,
    before: Box<dyn Fn() -> Steps + 'a>,
    measured: Box<dyn Fn() -> Steps + 'a>,
    after: Box<dyn Fn() -> Steps + 'a>,
}

fn contender<'a>(
    name: impl Into<String>,
    before: impl Fn() -> Steps + 'a,
    measured: impl Fn() -> Steps + 'a,
    after: impl Fn() -> Steps + 'a,
) -> Contender<'a> {
    Contender {
        name: name.into(),
        before: Box::new(before),
        measured: Box::new(measured),
        after: Box::new(after),
    }
}

/// The order of a round, another one each time: whoever comes behind a program that fills the
/// caches starts cold, and no one contender is to be that one each time.
fn order(round: usize, length: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by_key(|place| {
        BuildHasherDefault::<DefaultHasher>::default().hash_one((round, place))
    });
    order
}

/// Runs contenders in turn; the first is the measure of the rest. The first round counts for none.
fn compare(rounds: usize, contenders: &[Contender<'_>]) -> Vec<Row> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for place in order(round, contenders.len()) {
            let contender = &contenders[place];
            run((contender.before)());
            let time = run((contender.measured)()).as_secs_f64() * 1e6;
            run((contender.after)());
            if round > 0 {
                times[place].push(time);
            }
        }
    }
    let base = times[0].clone();
    let named = contenders.iter().zip(times);
    named
        .map(|(contender, times)| Row::new(&contender.name, &times, &base))
        .collect()
}

/// The hook of one build, and the other ways, beside empty programs.
pub fn hook(lab: &Lab, build: &Build, rounds: usize) -> Vec<Row> {
    let own = Interface(0);
    lab.ok("ip link add v0 type veth peer name v0p && ip link set v0 up && ip link set v0p up");
    lab.ok(&format!("ip address add {} dev v0", own.address()));
    let none = Steps::new;
    let ours = |hook: &'static str| move || vec![own.ours(&build.hook, hook, "rt2")];
    let mut contenders = Vec::new();
    for (name, program) in &build.empty {
        contenders.push(contender(
            name,
            none,
            move || vec![own.ours(program, UP, "rt2")],
            none,
        ));
    }
    contenders.push(contender("`policy-table` up", none, ours(UP), ours(DOWN)));
    contenders.push(contender("`policy-table` down", ours(UP), ours(DOWN), none));
    contenders.push(contender(
        "`policy-table`, a stanza without options",
        none,
        move || vec![own.not_ours(&build.hook)],
        none,
    ));
    let lines = |verb: &'static str| move || own.lines(verb);
    contenders.push(contender(
        "four `post-up` lines",
        none,
        lines("add"),
        lines("del"),
    ));
    contenders.push(contender(
        "`ip -batch`",
        none,
        move || own.batch(),
        lines("del"),
    ));
    if Path::new(MULTI).exists() {
        let multi = |hook: &'static str| move || own.multi(hook);
        contenders.push(contender("ifupdown-multi", none, multi(UP), multi(DOWN)));
    }
    let rows = compare(rounds, &contenders);
    lab.ok("ip link delete v0");
    rows
}

const LINES: &str = "
    post-up ip route add 10.15.0.0/24 dev w1 src 10.15.0.10 table 7
    post-up ip route add default via 10.15.0.1 dev w1 table 7
    post-up ip rule add from 10.15.0.10 lookup 7
    post-up ip rule add to 10.15.0.10 lookup 7
    pre-down ip rule del to 10.15.0.10 lookup 7
    pre-down ip rule del from 10.15.0.10 lookup 7
    pre-down ip route flush table 7
";

/// The options that do as [`LINES`] by one `ip` for each phase.
fn batch(lab: &Lab) -> String {
    let mut options = String::new();
    for phase in ["post-up", "pre-down"] {
        let start = format!("{phase} ip ");
        let lines = LINES.lines();
        let lines: Vec<&str> = lines
            .filter_map(|line| line.trim().strip_prefix(&start))
            .collect();
        lab.write(&format!("/run/{phase}.batch"), &lines.join("\n"));
        options += &format!("\n    {phase} ip -batch /run/{phase}.batch");
    }
    options
}

/// The real `ifup`, with each way in the stanza.
pub fn ifup(lab: &Lab, builds: &[Build], rounds: usize) -> Vec<Row> {
    lab.ok("ip link add w1 type veth peer name w1p && ip link set w1p up");
    // What another way has for a hook is not to burden this one.
    let clear = "rm -f /etc/network/if-*.d/*".to_owned();
    let with = |program: &str| {
        format!("{clear}; cp {program} {HOOK}; ln -s {HOOK} {UP}; ln -s {HOOK} {DOWN}")
    };
    let mut kinds = vec![(
        "`ifup` without policy routing".to_owned(),
        String::new(),
        clear.clone(),
    )];
    for build in builds {
        let options = "policy-table rt3".to_owned();
        for (name, program) in &build.empty {
            let name = format!("`ifup` with an {name}, as its hook");
            kinds.push((name, options.clone(), with(program)));
        }
        let name = format!("`ifup` with `policy-table`, {}", build.kind);
        kinds.push((name, options, with(&build.hook)));
    }
    let first = &builds[0];
    kinds.push((
        format!(
            "`ifup` with `policy-table`, {}, for a stanza without options",
            first.kind
        ),
        String::new(),
        with(&first.hook),
    ));
    kinds.push((
        "`ifup` with four `post-up` lines".to_owned(),
        LINES.to_owned(),
        clear.clone(),
    ));
    kinds.push((
        "`ifup` with `ip -batch`".to_owned(),
        batch(lab),
        clear.clone(),
    ));
    if Path::new(MULTI).exists() {
        kinds.push((
            "`ifup` with ifupdown-multi".to_owned(),
            "multi_table 7\n    multi_gateway 10.15.0.1".to_owned(),
            format!(
                "{clear}; ln -s {MULTI} /etc/network/if-up.d/; ln -s {MULTI} /etc/network/if-down.d/; \
                 cd /etc/network; for hook in if-*.d/*.py; do mv $hook ${{hook%.py}}; done"
            ),
        ));
    }
    let mut contenders = Vec::new();
    for (place, (name, options, hooks)) in kinds.into_iter().enumerate() {
        let file = format!("/run/interfaces.{place}");
        lab.write(
            &file,
            &format!("iface w1 inet static\n    address 10.15.0.10/24\n    {options}\n"),
        );
        let (up, down) = (
            format!("exec ifup -i {file} w1"),
            format!("exec ifdown -i {file} w1"),
        );
        contenders.push(contender(
            name,
            move || vec![shell(&hooks)],
            move || vec![shell(&up)],
            move || vec![shell(&down)],
        ));
    }
    let rows = compare(rounds, &contenders);
    lab.ok("ip link delete w1");
    rows
}
