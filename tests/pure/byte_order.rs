//! The bytes of a message in the other byte order: what a kernel of the other kind would have said.
//! The fixtures of `wire` are of a little-endian machine; by this they are judges on both.

/// The order that numbers are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    fn number(self, bytes: &[u8]) -> usize {
        let add = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        }
    }
}

/// What an attribute holds: numbers of so many bytes; bytes, names and what is in network order on
/// any machine are numbers of one. Or attributes, routers of several ways, a router's family.
enum Form {
    Numbers(usize),
    Attributes(fn(usize) -> Form),
    Hops,
    Via,
}

const CAPPED: usize = 0x100;

/// `RTA_*` of `linux/rtnetlink.h`.
fn of_route(kind: usize) -> Form {
    match kind {
        3 | 4 | 6 | 11 | 12 | 15 | 16 | 25 | 30 => Form::Numbers(4),
        8 => Form::Attributes(|metric| Form::Numbers(if metric == 16 { 1 } else { 4 })),
        9 => Form::Hops,
        18 => Form::Via,
        21 => Form::Numbers(2),
        _ => Form::Numbers(1),
    }
}

/// `FRA_*` of `linux/fib_rules.h`.
fn of_rule(kind: usize) -> Form {
    Form::Numbers(match kind {
        4 | 6 | 10 | 11 | 13 | 14 | 15 | 16 | 20 => 4,
        23 | 24 | 28 | 29 => 2,
        _ => 1,
    })
}

/// `IFA_*` of `linux/if_addr.h`.
fn of_address(kind: usize) -> Form {
    Form::Numbers(if matches!(kind, 6 | 8 | 9) { 4 } else { 1 })
}

/// `NLMSGERR_ATTR_*` of `linux/netlink.h`.
fn of_refusal(kind: usize) -> Form {
    Form::Numbers(if kind == 2 { 4 } else { 1 })
}

fn turn(bytes: &mut [u8], width: usize) {
    bytes.chunks_mut(width).for_each(<[u8]>::reverse);
}

/// Whole messages, from one order into the other.
pub fn turned(bytes: &[u8], from: Order) -> Vec<u8> {
    let mut turned = bytes.to_vec();
    let mut rest = turned.as_mut_slice();
    while !rest.is_empty() {
        let length = from.number(&rest[..4]).next_multiple_of(4);
        let (message, behind) = rest.split_at_mut(length.min(rest.len()));
        turn_message(message, from);
        rest = behind;
    }
    turned
}

fn turn_message(message: &mut [u8], from: Order) {
    let (kind, flags) = (from.number(&message[4..6]), from.number(&message[6..8]));
    let (header, body) = message.split_at_mut(16);
    turn_header(header);
    match kind {
        2 => {
            let inner = from.number(&body[4..8]).next_multiple_of(4);
            let inner = if flags & CAPPED == 0 { inner } else { 16 };
            let (code, rest) = body.split_at_mut(4);
            turn(code, 4);
            let (request, attributes) = rest.split_at_mut(inner);
            if flags & CAPPED == 0 {
                turn_message(request, from);
            } else {
                turn_header(request);
            }
            turn_attributes(attributes, from, of_refusal);
        }
        3 => {
            let (code, attributes) = body.split_at_mut(4);
            turn(code, 4);
            turn_attributes(attributes, from, of_refusal);
        }
        20..=22 => {
            turn(&mut body[4..8], 4);
            turn_attributes(&mut body[8..], from, of_address);
        }
        24..=26 => {
            turn(&mut body[8..12], 4);
            turn_attributes(&mut body[12..], from, of_route);
        }
        32..=34 => {
            turn(&mut body[8..12], 4);
            turn_attributes(&mut body[12..], from, of_rule);
        }
        other => panic!("message {other}"),
    }
}

fn turn_header(header: &mut [u8]) {
    turn(&mut header[..4], 4);
    turn(&mut header[4..8], 2);
    turn(&mut header[8..], 4);
}

fn turn_attributes(mut rest: &mut [u8], from: Order, form: fn(usize) -> Form) {
    while !rest.is_empty() {
        let length = from.number(&rest[..2]);
        let kind = from.number(&rest[2..4]) & 0x3fff; // without NLA_F_NESTED and its like
        let (attribute, behind) = rest.split_at_mut(length.next_multiple_of(4).min(rest.len()));
        turn(&mut attribute[..4], 2);
        let value = &mut attribute[4..length];
        match form(kind) {
            Form::Numbers(width) => turn(value, width),
            Form::Attributes(form) => turn_attributes(value, from, form),
            Form::Hops => turn_hops(value, from),
            Form::Via => turn(&mut value[..2], 2),
        }
        rest = behind;
    }
}

fn turn_hops(mut rest: &mut [u8], from: Order) {
    while !rest.is_empty() {
        let length = from.number(&rest[..2]);
        let (hop, behind) = rest.split_at_mut(length.next_multiple_of(4));
        turn(&mut hop[..2], 2);
        turn(&mut hop[4..8], 4);
        turn_attributes(&mut hop[8..length], from, of_route);
        rest = behind;
    }
}
