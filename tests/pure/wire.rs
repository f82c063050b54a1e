//! Bytes that a kernel and this program, or `ip`, said to each other, and what is made of them.
//!
//! A file of `tests/pure/wire` is one conversation, as strace saw it: `>` is a message sent, `<`
//! one received, in hexadecimal; `=` below says what each message in it means. Fixtures are of a
//! little-endian machine, and turned for another one.

use std::fs;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;

use crate::byte_order::{turned, Order};
use crate::tree::top;
use policy_table::netlink::{
    decode_route, decode_rule, encode_route, encode_route_dump, encode_rule, encode_rule_dump,
    replies, request, Reply, WireError,
};
use policy_table::routing::{Family, InterfaceName, Object, TableId};

const DEVICES: [(u32, &str); 2] = [(1, "lo"), (3, "eth1")];

fn device(index: u32) -> Option<InterfaceName> {
    let (_, name) = DEVICES.iter().find(|(known, _)| *known == index)?;
    name.parse().ok()
}

fn index(device: Option<&InterfaceName>) -> Option<u32> {
    let (index, _) = DEVICES
        .iter()
        .find(|(_, name)| *name == device.unwrap().as_str())?;
    Some(*index)
}

/// The object that a notification or a part of a dump tells of.
fn object(reply: &Reply<'_>) -> Result<Option<Object>, WireError> {
    match Rtm::from(reply.kind) {
        Rtm::Newrule | Rtm::Delrule => Ok(decode_rule(reply.payload)?.map(Object::Rule)),
        _ => Ok(decode_route(reply.payload, device)?.map(Object::Route)),
    }
}

fn meaning(reply: &Reply<'_>) -> String {
    match reply.verdict() {
        Some(Ok(())) => (if reply.kind == 3 { "done" } else { "ack" }).to_owned(),
        Some(Err(refusal)) => {
            let text = refusal
                .text
                .map_or_else(String::new, |text| format!(" {text}"));
            format!("refused: {:?}{text}", refusal.errno)
        }
        None => object(reply).unwrap().unwrap().to_string(),
    }
}

/// The request that a line such as `add rule …` or `list -6 rules` stands for.
fn bytes(line: &str, sequence: u32) -> Vec<u8> {
    let (verb, line) = line.split_once(' ').unwrap();
    let adding = NlmF::ACK | NlmF::CREATE;
    let flags = match verb {
        "add" => adding | NlmF::EXCL,
        "append" => adding | NlmF::APPEND,
        "replace" => adding | NlmF::REPLACE,
        "del" => NlmF::ACK | NlmF::ECHO,
        "list" => return list(line, sequence),
        other => panic!("{other}"),
    };
    let (rule, route) = if verb == "del" {
        (Rtm::Delrule, Rtm::Delroute)
    } else {
        (Rtm::Newrule, Rtm::Newroute)
    };
    match line.parse().unwrap() {
        Object::Rule(object) => request(rule, flags, sequence, encode_rule(&object).unwrap()),
        Object::Route(object) => {
            let devices = object.hops.iter().map(|hop| index(hop.device.as_ref()));
            let payload = encode_route(&object, &devices.collect::<Vec<_>>()).unwrap();
            request(route, flags, sequence, payload)
        }
    }
    .unwrap()
}

fn list(line: &str, sequence: u32) -> Vec<u8> {
    let (family, what) = match line.strip_prefix("-6 ") {
        Some(what) => (Family::Inet6, what),
        None => (Family::Inet, line),
    };
    if let Some(table) = what.strip_prefix("routes of table ") {
        let table = TableId::numbered(table.parse().unwrap());
        let payload = encode_route_dump(family, table, None).unwrap();
        request(Rtm::Getroute, NlmF::DUMP, sequence, payload).unwrap()
    } else {
        let payload = encode_rule_dump(family).unwrap();
        request(Rtm::Getrule, NlmF::DUMP, sequence, payload).unwrap()
    }
}

/// One message, sent or received, with what it means.
#[derive(Default)]
struct Fixture {
    file: String,
    sent: bool,
    bytes: Vec<u8>,
    meanings: Vec<String>,
}

fn fixtures() -> Vec<Fixture> {
    let folder = top().join("tests/pure/wire");
    let mut found: Vec<Fixture> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(file.ends_with(".hex"), "{file}: a file nobody reads");
        let mut fresh = true;
        for line in fs::read_to_string(&path).unwrap().lines() {
            let (mark, rest) = line.split_at(1);
            match mark {
                "#" => continue,
                "=" => found
                    .last_mut()
                    .unwrap()
                    .meanings
                    .push(rest.trim().to_owned()),
                ">" | "<" => {
                    if fresh {
                        let (file, sent) = (file.clone(), mark == ">");
                        found.push(Fixture {
                            file,
                            sent,
                            ..Fixture::default()
                        });
                    }
                    found.last_mut().unwrap().bytes.extend(unhex(rest));
                }
                _ => panic!("{file}: {line}"),
            }
            fresh = mark == "=";
        }
    }
    assert!(found.len() > 30, "only {} messages were found", found.len());
    if cfg!(target_endian = "big") {
        for fixture in &mut found {
            fixture.bytes = turned(&fixture.bytes, Order::Little);
        }
    }
    found
}

#[test]
fn a_message_turned_twice_is_as_before() {
    let (own, other) = if cfg!(target_endian = "big") {
        (Order::Big, Order::Little)
    } else {
        (Order::Little, Order::Big)
    };
    for Fixture { file, bytes, .. } in fixtures() {
        let once = turned(&bytes, own);
        assert_ne!(once, bytes, "{file}");
        assert_eq!(turned(&once, other), bytes, "{file}");
    }
    // A rule whose numbers are of one, two and four bytes, as they are known to be.
    let line = "rule priority 258 from 10.0.0.0/8 dport 1-772 lookup 5 proto 157";
    let message = bytes(&format!("add {line}"), 1);
    let big = match own {
        Order::Little => turned(&message, own),
        Order::Big => message,
    };
    let has = |part: &[u8]| big.windows(part.len()).any(|bytes| bytes == part);
    for part in [
        &[0, 8, 0, 6, 0, 0, 1, 2][..],
        &[0, 8, 0, 2, 10, 0, 0, 0],
        &[0, 8, 0, 24, 0, 1, 3, 4],
        &[0, 5, 0, 21, 157],
    ] {
        assert!(has(part), "{part:?} in {big:?}");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs
        .map(|pair| u8::from_str_radix(&pair, 16).unwrap())
        .collect()
}

fn received() -> Vec<Fixture> {
    let mut fixtures = fixtures();
    fixtures.retain(|fixture| !fixture.sent);
    fixtures
}

#[test]
fn what_the_kernel_said_is_understood() {
    for Fixture {
        file,
        bytes,
        meanings,
        ..
    } in received()
    {
        let found: Vec<String> = replies(&bytes)
            .map(|reply| meaning(&reply.unwrap()))
            .collect();
        assert_eq!(found, meanings, "{file}");
    }
}

/// What another program put in can be put back as it was.
#[test]
fn what_the_kernel_listed_can_be_said_again() {
    let mut objects = 0;
    for Fixture { file, meanings, .. } in received() {
        for line in meanings.iter().filter(|line| line.contains(" proto ")) {
            let message = bytes(&format!("add {line}"), 1);
            let read = object(&replies(&message).next().unwrap().unwrap())
                .unwrap()
                .unwrap();
            assert_eq!(read.to_string(), *line, "{file}");
            objects += 1;
        }
    }
    assert!(objects > 30, "only {objects}");
}

#[test]
fn what_we_say_is_what_the_kernel_took() {
    for fixture in fixtures().iter().filter(|fixture| fixture.sent) {
        let [line] = fixture.meanings.as_slice() else {
            panic!("{}: one meaning", fixture.file)
        };
        let golden = replies(&fixture.bytes).next().unwrap().unwrap();
        assert_eq!(
            bytes(line, golden.sequence),
            fixture.bytes,
            "{}",
            fixture.file
        );
    }
}

/// Whatever a buffer is cut to, the whole messages in it are all that comes out.
#[test]
fn a_buffer_cut_short_gives_no_other_message() {
    for Fixture { file, bytes, .. } in received() {
        let whole: Vec<Reply<'_>> = replies(&bytes).map(Result::unwrap).collect();
        for length in 0..bytes.len() {
            let mut read = 0;
            for reply in replies(&bytes[..length]) {
                match reply {
                    Ok(reply) => assert_eq!(reply, whole[read], "{file} cut to {length}"),
                    Err(_) => break,
                }
                read += 1;
            }
            assert!(read < whole.len(), "{file} cut to {length}");
        }
    }
}

/// The framing of a payload that was cut is the outer header's; within it, only a cut between two
/// attributes can go unnoticed.
#[test]
fn a_payload_cut_within_an_attribute_is_no_object() {
    for Fixture { file, bytes, .. } in received() {
        for reply in replies(&bytes)
            .map(Result::unwrap)
            .filter(|reply| reply.verdict().is_none())
        {
            let borders = borders(reply.payload);
            for length in 0..reply.payload.len() {
                let cut = Reply {
                    payload: &reply.payload[..length],
                    ..reply
                };
                let read = object(&cut);
                let unnoticed = read.is_ok();
                assert!(
                    !unnoticed || borders.contains(&length),
                    "{file} {length}: {read:?}"
                );
            }
        }
    }
}

/// Where attributes end, with and without their padding.
fn borders(payload: &[u8]) -> Vec<usize> {
    let (mut at, mut borders) = (12, vec![12]);
    while let Some(length) = payload.get(at..at + 2) {
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        borders.extend(at + length..=at + length.next_multiple_of(4));
        at += length.next_multiple_of(4);
    }
    borders
}

#[test]
fn no_byte_makes_it_panic() {
    for Fixture { bytes, .. } in received() {
        for place in 0..bytes.len() {
            for value in [0, 1, 4, 0x7f, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] = value;
                for reply in replies(&damaged).flatten() {
                    let _ = reply.verdict();
                    let _ = decode_rule(reply.payload);
                    let _ = decode_route(reply.payload, device);
                }
            }
        }
    }
}

/// A message with one attribute more, as a newer kernel may send it.
fn with_attribute(message: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
    let mut longer = message.to_vec();
    longer.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
    longer.extend(kind.to_ne_bytes());
    longer.extend(value);
    longer.resize(longer.len().next_multiple_of(4), 0);
    let length = u32::try_from(longer.len()).unwrap().to_ne_bytes();
    longer[..4].copy_from_slice(&length);
    longer
}

#[test]
fn an_attribute_that_is_not_known_makes_another_object() {
    for line in [RULE, ROUTE] {
        let known = bytes(&format!("add {line}"), 1);
        let newer = with_attribute(&known, 99, &[1, 2, 3, 4]);
        let read = |bytes: &[u8]| object(&replies(bytes).next().unwrap().unwrap()).unwrap();
        let (known, newer) = (read(&known).unwrap(), read(&newer).unwrap());
        assert_eq!(known.to_string(), line);
        assert_ne!(known, newer);
        if let Object::Rule(rule) = newer {
            // Rules of others are put back whole when a deletion took the wrong one.
            let again = request(Rtm::Newrule, NlmF::ACK, 1, encode_rule(&rule).unwrap());
            assert_eq!(read(&again.unwrap()), Some(Object::Rule(rule)));
        }
    }
}

#[test]
fn an_attribute_of_a_wrong_size_is_not_taken_for_an_absent_one() {
    for (line, kinds) in [(RULE, [2_u16, 6, 15]), (ROUTE, [5, 4, 15])] {
        for kind in kinds {
            let message = bytes(&format!("add {line}"), 1);
            let longer = with_attribute(&message, kind, &[1, 2, 3]);
            let reply = replies(&longer).next().unwrap().unwrap();
            let read = object(&reply).map(|object| object.unwrap().to_string());
            assert!(read.is_err(), "attribute {kind} of 3 bytes: {read:?}");
        }
    }
}

const RULE: &str = "rule priority 21000 from 10.10.0.10 lookup 20611 proto 157";
const ROUTE: &str = "route default via 10.10.0.1 dev eth1 table 20611 proto 157";

#[test]
fn lines_at_the_borders_of_fields_come_back() {
    for line in [
        "rule priority 0 from all lookup 255 proto 0",
        "rule priority 4294967295 from all lookup 4294967295 proto 255",
        "rule priority 1 not from all lookup 256 proto 157",
        "rule priority 1 from 10.0.0.0/8 to 192.0.2.0/24 lookup 1 proto 157",
        "-6 rule priority 0 from 8000::/1 to 2001:db8::1 lookup 255 proto 157",
        "route default via 10.0.0.1 dev eth1 table 255 proto 157",
        "route default via 10.0.0.1 dev eth1 table 256 proto 157 onlink",
        "route 128.0.0.0/1 dev eth1 table 1 proto 0 scope link metric 4294967295",
        "route 10.0.0.5 dev eth1 table 4294967295 proto 255 scope global src 10.0.0.9",
        "-6 route default via fe80::1 dev eth1 table 255 proto 157 metric 1",
    ] {
        round_trip(line);
    }
}

fn round_trip(line: &str) {
    let message = bytes(&format!("add {line}"), 7);
    assert_eq!(message.len() % 4, 0, "{line}");
    let read: Vec<Reply<'_>> = replies(&message).map(Result::unwrap).collect();
    assert_eq!(read.len(), 1, "{line}");
    let found = object(&read[0]).unwrap().unwrap();
    assert_eq!(found.to_string(), line);
    assert_eq!(found, line.parse().unwrap());
}

/// Numbers without end, the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Small and large ones alike.
    fn word(&mut self) -> u32 {
        let bits = self.below(33);
        u32::try_from(self.next() & ((1 << bits) - 1)).unwrap()
    }

    fn address(&mut self, family: Family) -> std::net::IpAddr {
        let bits = (u128::from(self.next()) << 80) | (u128::from(self.next()) << 40) | 1;
        match family {
            Family::Inet => std::net::Ipv4Addr::from((bits >> 64) as u32 | 1).into(),
            Family::Inet6 => std::net::Ipv6Addr::from(bits).into(),
        }
    }

    fn prefix(&mut self, family: Family) -> policy_table::routing::Prefix {
        let length = 1 + self.below(u64::from(family.bits())) as u8;
        policy_table::routing::Prefix::around(self.address(family), length)
    }

    fn rule(&mut self, family: Family) -> String {
        let not = if self.coin() { " not" } else { "" };
        let (from, to) = (self.prefix(family), self.prefix(family));
        let selector = match self.below(3) {
            0 => format!("from {from}"),
            1 => format!("to {to}"),
            _ => format!("from {from} to {to}"),
        };
        let tos = self.maybe(&[" tos 0x10", " tos 0x1c"]);
        let mark = self.maybe(&[" fwmark 0x7", " fwmark 0x10/0xff", " fwmark 0x0/0x1"]);
        let device = self.maybe(&[" iif eth9", " oif lo", " iif lo oif eth9"]);
        let users = self.maybe(&[" uidrange 0-0", " uidrange 1000-4294967294"]);
        let ports = self.maybe(&[
            " ipproto tcp sport 1-9 dport 443",
            " ipproto 254",
            " dport 1-65534",
        ]);
        let (priority, table) = (self.word() >> 1, self.word().max(1));
        let action = match self.below(4) {
            0 => format!("goto {}", priority + 1),
            1 => "blackhole".to_owned(),
            _ => format!(
                "lookup {table}{}",
                self.maybe(&[" suppress_prefixlength 1", " suppress_ifgroup 0"])
            ),
        };
        let protocol = self.below(256);
        // IPv6 has no realms, and the kernel would ignore them.
        let realms = self.maybe(match family {
            Family::Inet => &[" realms 3/4", " realms 255"],
            Family::Inet6 => &[],
        });
        format!(
            "rule priority {priority}{not} {selector}{tos}{mark}{device}{users}{ports} \
             {action}{realms} proto {protocol}"
        )
    }

    /// One of some words, or none.
    fn maybe<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let place = usize::try_from(self.below(2 * words.len().max(1) as u64)).unwrap();
        words.get(place).copied().unwrap_or_default()
    }

    fn route(&mut self, family: Family) -> String {
        let (to, gateway, source) = (
            self.prefix(family),
            self.address(family),
            self.address(family),
        );
        let (table, protocol) = (self.word().max(1), self.below(256));
        let has_gateway = self.coin();
        let mut line = format!("route {to}");
        if has_gateway {
            line += &format!(" via {gateway}");
        }
        line += &format!(" dev eth1 table {table} proto {protocol}");
        if family == Family::Inet && !has_gateway {
            line += if self.coin() {
                " scope link"
            } else {
                " scope global"
            };
        }
        if self.coin() {
            line += &format!(" src {source}");
        }
        line += &format!(" metric {}", self.word().max(1));
        if has_gateway {
            line += self.maybe(&[" onlink"]);
        }
        line + self.maybe(if family == Family::Inet {
            &[" realms 7"]
        } else {
            &[]
        }) + self.maybe(&[" mtu lock 1400 initcwnd 20", " congctl bbr"])
    }
}

#[test]
fn any_rule_and_route_comes_back_from_its_message() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2000 {
        for (family, flag) in [(Family::Inet, ""), (Family::Inet6, "-6 ")] {
            let (rule, route) = (numbers.rule(family), numbers.route(family));
            round_trip(&format!("{flag}{rule}"));
            round_trip(&format!("{flag}{route}"));
        }
    }
}
