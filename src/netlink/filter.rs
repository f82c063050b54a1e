//! Which messages the kernel passes on to a socket that hears of routes, as a program that runs
//! there (classic BPF). While a network converges, a full routing table changes a hundred thousand
//! times, and none of that is anybody's here; what is held back does not count against the receive
//! buffer.

use neli::consts::rtnl::Rtm;

use crate::routing::{TableId, PROTOCOL};

/// One instruction, as `struct sock_filter` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// How many instructions are skipped where the comparison holds, and where not.
    pub skip_if: u8,
    pub skip_else: u8,
    pub value: u32,
}

/// Above so many tables their numbers are not looked for: a jump reaches 255 instructions far.
const MOST: usize = 200;

/// `linux/bpf_common.h`: loads a byte, 16 or 32 bits, of a place, or of one behind X.
const LOAD_BYTE: u16 = 0x30;
const LOAD_SHORT: u16 = 0x28;
const LOAD_WORD: u16 = 0x20;
const LOAD_WORD_BEHIND_X: u16 = 0x40;
const LOAD_VALUE: u16 = 0x00;
const SET_X: u16 = 0x01;
const COPY_TO_X: u16 = 0x07;
const COMPARE: u16 = 0x15;
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_NLATTR` of `linux/filter.h`: finds the attribute whose number is in X, from
/// a place on; gives its place, or 0.
const FIND_ATTRIBUTE: u32 = 0xffff_f000 + 12;

/// Places in a message: the kind in its header, and what stands in `struct rtmsg` behind that.
const KIND: u32 = 4;
const DESTINATION_LENGTH: u32 = 17;
const ORIGIN: u32 = 21;
const ATTRIBUTES: u32 = 28;
/// `RTA_TABLE`.
const TABLE: u32 = 15;

/// Passes all that is no route; of routes those of ours, default routes, and those of some tables.
pub fn of_tables(tables: &[TableId]) -> Vec<Instruction> {
    let tables = if tables.len() > MOST { &[] } else { tables };
    let short = u8::try_from(tables.len()).unwrap_or_default();
    let simple = |code, value| Instruction {
        code,
        skip_if: 0,
        skip_else: 0,
        value,
    };
    let compare = |value, skip_if, skip_else| Instruction {
        code: COMPARE,
        skip_if,
        skip_else,
        value,
    };
    // The kernel loads a number as a network sends it; those of netlink are the host's own.
    let kind = |kind: Rtm| u32::from(u16::from(kind).to_be());
    let mut program = vec![
        simple(LOAD_SHORT, KIND),
        compare(kind(Rtm::Newroute), 1, 0),
        compare(kind(Rtm::Delroute), 0, 11 + short),
        simple(LOAD_BYTE, ORIGIN),
        compare(PROTOCOL.into(), 9 + short, 0),
        simple(LOAD_BYTE, DESTINATION_LENGTH),
        compare(0, 7 + short, 0),
        simple(SET_X, TABLE),
        simple(LOAD_VALUE, ATTRIBUTES),
        simple(LOAD_WORD, FIND_ATTRIBUTE),
        compare(0, 2 + short, 0),
        simple(COPY_TO_X, 0),
        simple(LOAD_WORD_BEHIND_X, 4),
    ];
    let places = tables.iter().zip((0..short).rev());
    program.extend(places.map(|(table, left)| compare(table.number().to_be(), left + 1, 0)));
    program.push(simple(RETURN, 0));
    program.push(simple(RETURN, u32::MAX));
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{attribute_bytes, nested};

    /// Does what the kernel does with the program; whether the message passes.
    fn passes(program: &[Instruction], message: &[u8]) -> bool {
        let byte = |at: u32| u32::from(message[at as usize]);
        let word = |at: u32| u32::from_be_bytes(message[at as usize..][..4].try_into().unwrap());
        let (mut a, mut x, mut at) = (0, 0, 0);
        loop {
            let it = program[at];
            at += 1;
            match it.code {
                LOAD_BYTE => a = byte(it.value),
                LOAD_SHORT => a = word(it.value) >> 16,
                LOAD_WORD if it.value == FIND_ATTRIBUTE => {
                    let mut place = a as usize;
                    let found = nested(&message[place..]).find_map(|(kind, value)| {
                        let here = place;
                        place += (4 + value.len()).next_multiple_of(4);
                        (u32::from(kind) == x).then_some(here)
                    });
                    a = found.unwrap_or_default().try_into().unwrap();
                }
                LOAD_WORD_BEHIND_X => a = word(x + it.value),
                LOAD_VALUE => a = it.value,
                SET_X => x = it.value,
                COPY_TO_X => x = a,
                COMPARE if a == it.value => at += usize::from(it.skip_if),
                COMPARE => at += usize::from(it.skip_else),
                RETURN => return it.value != 0,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn route(kind: Rtm, length: u8, protocol: u8, table: Option<u32>) -> Vec<u8> {
        let mut message = vec![0; 28];
        message[4..6].copy_from_slice(&u16::from(kind).to_ne_bytes());
        message[17] = length;
        message[21] = protocol;
        // Something before it.
        message.extend(attribute_bytes(1, &[0, 0, 0, 1]));
        message.extend(table.map_or(Vec::new(), |table| {
            attribute_bytes(15, &table.to_ne_bytes())
        }));
        message
    }

    #[test]
    fn of_routes_only_those_that_matter_pass() {
        let ids = |numbers: &[u32]| -> Vec<TableId> {
            numbers.iter().map(|id| TableId::numbered(*id)).collect()
        };
        let many: Vec<u32> = (20_000..20_200).collect();
        for (tables, in_some) in [(&[][..], false), (&[7, 200, 70_000], true), (&many, false)] {
            let program = of_tables(&ids(tables));
            for kind in [Rtm::Newroute, Rtm::Delroute] {
                let of = |length, protocol, table| {
                    passes(&program, &route(kind, length, protocol, table))
                };
                assert!(of(24, PROTOCOL, Some(254)) && of(0, 3, Some(254)) && of(0, 3, None));
                assert!(!of(24, 3, Some(254)) && !of(24, 3, None) && !of(24, 3, Some(70_001)));
                assert!(tables.iter().all(|table| of(24, 3, Some(*table))));
                assert_eq!(of(24, 3, Some(70_000)), in_some);
            }
            for kind in [Rtm::Newlink, Rtm::Delrule, Rtm::Newaddr] {
                assert!(passes(&program, &route(kind, 24, 3, Some(254))));
            }
        }
    }

    #[test]
    fn of_too_many_tables_none_is_looked_for() {
        let tables: Vec<TableId> = (1..=201).map(TableId::numbered).collect();
        assert_eq!(of_tables(&tables), of_tables(&[]));
        assert!(of_tables(&tables[..200]).len() < 256);
    }
}
