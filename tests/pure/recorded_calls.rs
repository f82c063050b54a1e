//! What a record says of a stanza: whatever the stanza was, the same comes back.
//!
//! The calls come from a seed that is printed; `RECORD_SEED` gives another one, and `RECORD_COUNT`
//! how many are tried.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use policy_table::ifupdown::{Caller, HookCall};
use policy_table::record::{Heading, Lack, Part, Record, Wait};
use policy_table::routing::{Family, Object, TableId};
use policy_table::stanza::Stanza;

use crate::random::{number_in, Random};

/// Bytes that mean something in a record's lines, and others.
const BYTES: &[u8] = b"  %%25:#-=/\n\r\t\0\"'az09.\xc3\xa4\xff\x7f";

fn bytes(random: &mut Random) -> Vec<u8> {
    let length = random.below(9);
    (0..length).map(|_| random.pick(BYTES)).collect()
}

fn value(random: &mut Random) -> OsString {
    OsString::from_vec(bytes(random))
}

/// As the environment's are: what is no text has been replaced.
fn text(random: &mut Random) -> String {
    let usual = [
        "eth1",
        "static",
        "10.0.0.9/24",
        "255.255.255.0",
        "2001:db8::1",
        "",
    ];
    if random.one_in(2) {
        return random.pick(&usual).to_owned();
    }
    String::from_utf8_lossy(&bytes(random)).into_owned()
}

fn maybe(random: &mut Random) -> Option<String> {
    random.one_in(2).then(|| text(random))
}

fn call(random: &mut Random) -> HookCall {
    let mut options: Vec<(String, OsString)> = (0..random.below(4))
        .map(|_| (format!("policy-{}", text(random)), value(random)))
        .collect();
    options.sort();
    HookCall {
        caller: random.pick(&Caller::ALL),
        interface: text(random),
        logical: text(random),
        family: random.pick(&[None, Some(Family::Inet), Some(Family::Inet6)]),
        method: text(random),
        address: maybe(random),
        netmask: maybe(random),
        peer: maybe(random),
        gateway: maybe(random),
        metric: maybe(random),
        options,
        verbose: false,
    }
}

/// How 0.1.0 reads a record: a heading, an object behind a tab, a comment, or damage.
fn is_read_by_0_1_0(line: &str) -> bool {
    line.starts_with('#')
        || line.starts_with("iface ")
        || line
            .strip_prefix('\t')
            .is_some_and(|object| object.parse::<Object>().is_ok())
}

#[test]
fn a_recorded_call_is_the_call_whatever_bytes_it_has() {
    let mut random = Random::seeded("RECORD_SEED", 20_261_128, 0);
    for _ in 0..number_in("RECORD_COUNT", 20_000) {
        let (mut record, mut calls) = (Record::default(), Vec::new());
        for n in 0..=random.below(2) {
            let call = call(&mut random);
            let rule = format!("rule priority 21000 from 10.0.0.{n} lookup 200 proto 157");
            let mut part = Part::of(Heading::of(&call), &call);
            part.state.insert(rule.parse().unwrap());
            let what = random.pick(&[Lack::Address, Lack::Link, Lack::Device]);
            let since = random.next();
            part.waiting = random.one_in(2).then_some(Wait { what, since });
            part.no_default_since = random.one_in(2).then_some(since);
            // Equal calls are one part.
            if !record.has(&part.heading) {
                record.put(part);
                calls.push(Some(call));
            }
        }
        let written = record.to_string();
        let read = Record::read(&written);
        assert_eq!(read, record, "{written}");
        assert_eq!(read.to_string(), written);
        let back: Vec<_> = read.parts().iter().map(Part::call).collect();
        assert_eq!(back, calls, "{written}");
        let odd = written.lines().find(|line| !is_read_by_0_1_0(line));
        assert_eq!(odd, None, "{written}");
    }
}

#[test]
fn the_numbers_of_the_tables_come_back() {
    let call = HookCall {
        interface: "eth1".to_owned(),
        method: "manual".to_owned(),
        options: [
            ("policy-rule", "fwmark 7 lookup b\u{fc}ro"),
            ("policy-table", "rt2"),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .to_vec(),
        ..HookCall::default()
    };
    let stanza = Stanza::parse(&call).unwrap().unwrap();
    let tables = [("rt2", 2000), ("b\u{fc}ro", 2001)];
    let tables = tables.map(|(name, id)| (name.parse().unwrap(), TableId::numbered(id)));
    let mut part = Part::of(Heading::of(&call), &call).with_tables(&tables);
    let since = 1_764_336_000;
    part.waiting = Some(Wait {
        what: Lack::Address,
        since,
    });
    let mut record = Record::default();
    record.put(part);
    let text = record.to_string();
    assert!(
        text.contains("\n#: table rt2 2000\n#: table b%c3%bcro 2001\n"),
        "{text}"
    );
    assert!(text.contains("\n#: waiting address 1764336000\n"), "{text}");
    let read = Record::read(&text);
    assert_eq!(read, record);
    let ids = read.parts()[0].table_ids(&stanza).unwrap();
    assert_eq!(ids.named(), tables);
    // A name that is not recorded: the record is no answer.
    let read = Record::read(&text.replace("#: table rt2 2000\n", ""));
    assert_eq!(read.parts()[0].table_ids(&stanza), None);
}

/// 0.1.0 noted no calls.
#[test]
fn a_part_of_0_1_0_has_no_call() {
    let text = "# what policy-table(8) put in for this interface; ifdown(8) goes by it\n\
        iface eth1 inet static 10.0.0.9\n\
        \troute default via 10.0.0.1 dev eth1 table 200 proto 157\n# end\n";
    let record = Record::read(text);
    assert_eq!(record.to_string(), text);
    assert_eq!(record.parts()[0].call(), None);
}
