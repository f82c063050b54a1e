//! What must hold of any bytes at all, one function for each place where the program reads what
//! others wrote. libFuzzer calls them (`targets/`), and so does `tests/pure/fuzz_corpus.rs`. Each
//! panics where something does not hold.

// Each target calls one of them.
#![allow(dead_code)]

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;

use policy_table::ifupdown::interfaces::{Interfaces, Text};
use policy_table::ifupdown::{Caller, Direction, HookCall};
use policy_table::netlink::{
    decode_address, decode_route, decode_rule, encode_route, encode_rule, replies, request,
};
use policy_table::record::{Heading, Part, Record};
use policy_table::routing::{
    Hop, InterfaceAddress, InterfaceName, Object, Route, Rule, TableId, TableName, PROTOCOL,
};
use policy_table::stanza::{on_error, wanted_state, Observed, OptionError, Stanza, TableIds};
use policy_table::tables::{derived_id, rt_tables_line, Glance, Tables};
use policy_table::text::Shown;

/// From the environment of a hook to the wanted state: lines `NAME=value`, a newline in a value
/// written `\n`, as in `tests/pure/scenarios/*/env`.
pub fn environment(data: &[u8]) {
    let pairs = || data.split(|byte| *byte == b'\n').filter_map(pair);
    let down = HookCall::read(Direction::Down, pairs());
    let Some(call) = HookCall::read(Direction::Up, pairs()).or(down) else {
        return;
    };
    let _ = on_error(&call);
    match Stanza::parse(&call) {
        Err(errors) => says_why(&errors),
        Ok(None) => {}
        Ok(Some(stanza)) => {
            for found in conditions(&stanza) {
                wanted(&call, &stanza, &found);
            }
        }
    }
}

/// A file of interfaces(5), to each of the three: every byte is kept, each line is of one block, and
/// each call of a stanza is understood or not.
pub fn interfaces(data: &[u8]) {
    for caller in Caller::ALL {
        let text = Text::read_as(data, caller);
        assert_eq!(text.bytes(), data, "{caller}");
        let mut next = 0;
        for block in &text.blocks {
            assert_eq!(block.lines.start, next, "{caller}");
            next = block.lines.end;
        }
        assert_eq!(next, text.lines.len(), "{caller}");
        for (n, line) in text.lines.iter().enumerate() {
            assert!(line.number <= line.last, "{caller}, {n}");
            for at in 0..=line.text.len() {
                let (number, column) = line.place(at);
                assert!(
                    (line.number..=line.last).contains(&number) && column > 0,
                    "{caller}, {n}"
                );
            }
        }
        // What it sources is not fuzzed.
        if data.windows(6).any(|window| window == b"source") {
            continue;
        }
        let interfaces = Interfaces::of(Path::new("/nowhere"), data, caller);
        for stanza in interfaces.written() {
            for call in stanza.definition.calls("eth1") {
                assert_eq!(call.caller, caller);
                if let Err(errors) = Stanza::parse(&call) {
                    says_why(&errors);
                }
            }
        }
    }
}

fn pair(line: &[u8]) -> Option<(OsString, OsString)> {
    let sign = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = line.split_at(sign);
    let mut plain = Vec::new();
    let mut rest = &value[1..];
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after.first()) {
            (b'\\', Some(b'n')) => {
                plain.push(b'\n');
                rest = &after[1..];
            }
            _ => plain.push(*first),
        }
    }
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(plain)))
}

/// What the kernel may tell of a stanza's interface: what the stanza says and no more; nothing;
/// several addresses and a default route.
fn conditions(stanza: &Stanza) -> [Observed; 3] {
    let address = |text: &str, length| {
        let address = text.parse::<IpAddr>().unwrap();
        InterfaceAddress::new(address, length).unwrap()
    };
    let every = [
        address("10.10.0.10", 24),
        address("192.0.2.1", 31),
        address("192.0.2.8", 32),
        address("2001:db8::1", 64),
        address("2001:db8:1::", 0),
    ];
    let way = Hop {
        device: Some(stanza.interface.device()),
        gateway: Some(stanza.family.unspecified()),
        ..Hop::direct()
    };
    let own = stanza.address.into_iter();
    let of_family = every
        .into_iter()
        .filter(|own| own.family() == stanza.family);
    [
        Observed {
            addresses: own.clone().collect(),
            ..Observed::default()
        },
        Observed::default(),
        Observed {
            addresses: own.chain(of_family).collect(),
            default: Some(way),
            ..Observed::default()
        },
    ]
}

/// All that is wanted is ours, has a line that reads back, and is a message that reads back.
fn wanted(call: &HookCall, stanza: &Stanza, found: &Observed) {
    let id = |name: &TableName, fixed: Option<TableId>| {
        Ok::<_, Infallible>(fixed.unwrap_or_else(|| derived_id(name)))
    };
    let Ok(ids) = TableIds::of(stanza, id);
    let (state, notices) = match wanted_state(stanza, &ids, found) {
        Ok(wanted) => wanted,
        Err(errors) => return says_why(&errors),
    };
    for notice in notices {
        is_printable(&notice.to_string());
    }
    for object in state.objects() {
        assert_eq!(object.protocol(), PROTOCOL, "{object}");
        reads_back(&object);
        is_told_as_it_is(&object);
    }
    let (mut record, is_empty) = (Record::default(), state.is_empty());
    let mut part = Part::of(Heading::of(call), call);
    part.state = state;
    record.put(part);
    let read = Record::read(&record.to_string());
    assert_eq!(read, record);
    let back = read.parts().first().and_then(Part::call);
    let recorded = HookCall {
        verbose: false,
        ..call.clone()
    };
    assert_eq!(back, (!is_empty).then_some(recorded));
}

fn says_why(errors: &[OptionError]) {
    assert!(!errors.is_empty());
    for error in errors {
        is_printable(&error.to_string());
    }
}

/// Nothing that a terminal or a log would take for more than text, and nothing endless.
fn is_printable(text: &str) {
    let shown = text.lines().all(|line| !line.contains(char::is_control));
    assert!(shown && text.len() < 4096, "{}", Shown(text));
}

fn reads_back(object: &Object) {
    let line = object.to_string();
    is_printable(&line);
    match line.parse::<Object>() {
        Ok(read) => assert_eq!(read, *object, "{line}"),
        Err(error) => panic!("{line}: {error}"),
    }
}

/// The text of `rt_tables`: a line of ours below it is found, and each name it gives has an ID.
pub fn tables(data: &[u8]) {
    let file = Path::new("rt_tables");
    let mut tables = Tables::default();
    let malformed = tables.add(file, data);
    let lines = data.split(|byte| *byte == b'\n').count();
    assert!(malformed.iter().all(|number| (1..=lines).contains(number)));
    assert!(malformed.is_sorted());
    let text = String::from_utf8_lossy(data);
    for word in text.split_whitespace().take(64).chain([text.as_ref()]) {
        let Ok(name) = word.parse::<TableName>() else {
            continue;
        };
        let own = derived_id(&name);
        let id = tables.id(&name);
        assert_eq!(id.is_some(), tables.ids(&name).next().is_some());
        if let Some(id) = id {
            assert!(tables.names(id).any(|other| other == name.as_str()));
            assert_eq!(tables.file(&name, id), Some(file));
        }
        let clear = malformed.is_empty();
        let glance = glance(data, &name);
        let alone = |id: &TableId| {
            clear && tables.ids(&name).count() == 1 && tables.names(*id).count() == 1
        };
        assert_eq!(glance.known(), id.filter(alone), "{name}");
        assert_eq!(glance.is_new(), clear && id.is_none(), "{name}");
        let mut more = tables.clone();
        let below = rt_tables_line(own, &name);
        assert!(more.add(Path::new("more"), below.as_bytes()).is_empty());
        assert!(more.ids(&name).any(|id| id == own), "{below}");
    }
}

/// A glance at a text in pieces, as a file is read: what is not taken of one comes again.
fn glance<'a>(data: &[u8], name: &'a TableName) -> Glance<'a> {
    let mut glance = Glance::of(name);
    let mut left = Vec::new();
    for piece in data.chunks(1 + data.len() / 3).chain([b"\n".as_slice()]) {
        left.extend(piece);
        let taken = glance.see(&left);
        left.drain(..taken);
    }
    assert!(left.is_empty(), "a line that ends is taken");
    glance
}

/// The text of a record: what was read is written so that the same is read again.
pub fn record(data: &[u8]) {
    let mut record = Record::read(&String::from_utf8_lossy(data));
    record.damaged.clear();
    let text = record.to_string();
    assert_eq!(Record::read(&text), record, "{text}");
    for object in record.state().objects() {
        assert_eq!(object.protocol(), PROTOCOL, "{object}");
    }
    for interface in ["eth1", "eth1:1"] {
        let interface: InterfaceName = interface.parse().unwrap();
        let (going, staying) = record.clone().split(&interface);
        let both = going.state().with(&staying.state());
        assert!(record.state().without(&both).is_empty());
    }
}

/// Lines in `ip` syntax: an object that a line stands for has a line of its own, from which the
/// same object is read, and a message from which it is read too.
pub fn line(data: &[u8]) {
    for line in String::from_utf8_lossy(data).lines() {
        match line.parse::<Object>() {
            Err(error) => is_printable(&error.to_string()),
            Ok(object) => {
                reads_back(&object);
                is_told_as_it_is(&object);
            }
        }
    }
}

/// What goes to the kernel reads back as what was meant.
fn is_told_as_it_is(object: &Object) {
    let told = match object {
        Object::Rule(rule) => rule_in(&rule_bytes(rule)).map(Object::Rule),
        Object::Route(route) => {
            let devices: Vec<&InterfaceName> = devices(route).collect();
            let number = |device: &Option<InterfaceName>| {
                let device = device.as_ref()?;
                let place = devices.iter().position(|known| *known == device)?;
                u32::try_from(place + 1).ok()
            };
            let indexes: Vec<Option<u32>> =
                route.hops.iter().map(|hop| number(&hop.device)).collect();
            let payload = encode_route(route, &indexes).unwrap();
            let bytes = request(Rtm::Newroute, NlmF::ACK, 1, payload).unwrap();
            let reply = replies(&bytes).next().unwrap().unwrap();
            // No device has the number 0.
            let known = |number| {
                let place = usize::try_from(number).ok()?.checked_sub(1)?;
                devices.get(place).map(|device| (*device).clone())
            };
            let read = decode_route(reply.payload, known).unwrap();
            read.map(Object::Route)
        }
    };
    assert_eq!(told.as_ref(), Some(object), "{object}");
}

fn devices(route: &Route) -> impl Iterator<Item = &InterfaceName> {
    route.hops.iter().filter_map(|hop| hop.device.as_ref())
}

fn rule_bytes(rule: &Rule) -> Vec<u8> {
    let payload = encode_rule(rule).unwrap();
    request(Rtm::Newrule, NlmF::ACK, 1, payload).unwrap()
}

fn rule_in(message: &[u8]) -> Option<Rule> {
    let reply = replies(message).next().unwrap().unwrap();
    decode_rule(reply.payload).unwrap()
}

/// A buffer received from the kernel: each message in it is read as everything it may be, and a
/// rule of somebody else's can be put back as it was.
pub fn netlink(data: &[u8]) {
    let device = |index: u32| format!("eth{}", index % 4).parse().ok();
    for reply in replies(data).map_while(Result::ok) {
        if let Some(Err(refusal)) = reply.verdict() {
            let _ = refusal.to_string();
        }
        if let Ok(Some(rule)) = decode_rule(reply.payload) {
            let _ = Object::Rule(rule.clone()).to_string();
            assert_eq!(rule_in(&rule_bytes(&rule)), Some(rule));
        }
        if let Ok(Some(route)) = decode_route(reply.payload, device) {
            let _ = Object::Route(route).to_string();
        }
        for index in [0, 1, 3] {
            let _ = decode_address(reply.payload, index);
        }
    }
}
