//! `policy-table explain`: the way of a packet through rules and tables, and whether the kernel
//! says the same.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::unistd::getuid;

use super::command::{Arguments, Command, Opt, Trouble, Verdict};
use crate::converge::Failure;
use crate::explain::{follow, walk_and_ask, Answered, Packet, Report};
use crate::marks::DeviceMarks;
use crate::netlink::{Kernel, KernelError};
use crate::record::Store;
use crate::routing::syntax::{dsfield, ip_protocol};
use crate::routing::{parse_number, Family, InterfaceName, Mark, TableId};
use crate::tables::Registry;

pub const COMMAND: Command = Command {
    name: "explain",
    operands: "DESTINATION",
    summary: "tell which rule and route a packet takes, and why",
    about: "\
Walks the rules of the kernel for a packet to the address DESTINATION: each
rule that is tried, whether it matches or the selector that does not, the
table it looks up and the route there. Then asks the kernel, and says whether
the two agree. Changes nothing, sends nothing, and needs no root.

With --reply it tells both halves of a connection that comes in by --iif from
the client --from to DESTINATION, or DESTINATION:PORT: the packet that comes
in, what rp_filter makes of it, and the answer. The last line says which
interface that leaves by.

Exit status: 0 if they agree, also that there is no way, 1 if they do not, 2
in trouble. With --reply, 0 if the connection is answered by the interface
that it comes in by, 1 if it is not.",
    options: &[
        Opt::flag("reply", "how a connection is answered (--iif, --from)"),
        Opt::value("from", "ADDRESS", "the source, if it is chosen already"),
        Opt::value("iif", "IFACE", "a packet that came in by IFACE"),
        Opt::value("oif", "IFACE", "of a socket that is bound to IFACE"),
        Opt::value("mark", "MARK", "with this mark (fwmark)"),
        Opt::value("tos", "TOS", "with this DS field, as in ip-rule(8)"),
        Opt::value("ipproto", "PROTOCOL", "udp (if not said), tcp or icmp"),
        Opt::value("sport", "PORT", "from this port"),
        Opt::value("dport", "PORT", "to this port"),
        Opt::value("uid", "UID", "sent by this user instead of you"),
        Opt::flag("all", "tell each of many rules that do not match"),
    ],
    example: "policy-table explain --from 10.10.0.10 192.0.2.1",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let reply = arguments.has("reply");
    let packet = if reply {
        incoming(arguments)?
    } else {
        packet(arguments)?
    };
    let mut packet = by_kernels_names(packet)?;
    if reply && arguments.value("mark").is_none() {
        packet.mark = mark_of_connection(&packet).unwrap_or(0);
    }
    let mut kernel = Kernel::open().map_err(trouble)?;
    let devices = [&packet.iif, &packet.oif];
    for device in devices.into_iter().flatten() {
        if kernel.index(device).map_err(trouble)?.is_none() {
            return Err(Trouble::Failed(format!("there is no device {device}")));
        }
    }
    let names = Registry::below("/".as_ref()).names();
    let table = |id: TableId| name(names.name(id), id);
    let report = Report {
        table: &table,
        all: arguments.has("all"),
    };
    let mut text = String::new();
    // Writing to a text does not fail.
    let is_good = if let Some(device) = packet.iif.clone().filter(|_| reply) {
        let connection = follow(&mut kernel, &device, packet).map_err(trouble)?;
        let _ = report.connection(&mut text, &connection);
        matches!(connection.answered, Answered::Here(_))
    } else {
        let (walk, answer) = walk_and_ask(&mut kernel, packet).map_err(trouble)?;
        let _ = report.walk(&mut text, &walk);
        let _ = report.kernel(&mut text, &walk, &answer);
        answer.agrees(&walk)
    };
    out.write_all(text.as_bytes())?;
    Ok(if is_good {
        Verdict::Good
    } else {
        Verdict::Differs
    })
}

/// The mark that `policy-connmark` gives a connection, and so both its packets.
fn mark_of_connection(first: &Packet) -> Option<u32> {
    let device = first.iif.as_ref()?;
    let marks = DeviceMarks::of(&Store::peek(&device.device()));
    let marks = marks.iter().find(|marks| marks.device() == device)?;
    marks.mark(first.to).map(Mark::value)
}

/// `ip` knows three names without any file.
fn name(registered: Option<&str>, id: TableId) -> String {
    match (registered, id) {
        (Some(name), _) => name.to_owned(),
        (None, TableId::DEFAULT) => "default".to_owned(),
        (None, TableId::MAIN) => "main".to_owned(),
        (None, TableId::LOCAL) => "local".to_owned(),
        (None, id) => id.to_string(),
    }
}

fn trouble(error: KernelError) -> Trouble {
    Trouble::Failed(Failure::from(error).lines().join("\n"))
}

fn packet(arguments: &Arguments) -> Result<Packet, Trouble> {
    let to = destination(arguments)?;
    let to = address(to).ok_or_else(|| wrong("DESTINATION", to, "an address"))?;
    let mut packet = Packet::to(to, getuid().as_raw());
    let user = said(&mut packet, arguments)?;
    if packet.iif.is_some() {
        came_in(&mut packet, user)?;
    }
    Ok(packet)
}

/// The first packet of a connection. Its user is that of the answer.
fn incoming(arguments: &Arguments) -> Result<Packet, Trouble> {
    let usage = |text: &str| Err(Trouble::Usage(text.to_owned()));
    let to = destination(arguments)?;
    let expected = "an address of a host, or ADDRESS:PORT ([ADDRESS]:PORT for IPv6)";
    let read = local(to).filter(|(to, _)| is_a_hosts(*to));
    let (to, port) = read.ok_or_else(|| wrong("DESTINATION", to, expected))?;
    let mut packet = Packet::to(to, getuid().as_raw());
    // A connection to a port is TCP's, if nothing else is said.
    packet.ip_protocol = port.map_or(packet.ip_protocol, |_| TCP);
    said(&mut packet, arguments)?;
    if packet.iif.is_none() || packet.from.is_none() {
        return usage(
            "--reply needs --iif and --from: where the connection comes in, and from whom",
        );
    }
    if packet.oif.is_some() {
        return usage("--oif is for a packet that this host sends; --reply finds the way out");
    }
    if packet.dport != 0 {
        return usage("--dport: with --reply write DESTINATION:PORT");
    }
    packet.dport = port.unwrap_or(0);
    match packet.from {
        Some(from) if !is_a_hosts(from) => Err(wrong(
            "--from",
            &from.to_string(),
            "an address of another host",
        )),
        _ => Ok(packet),
    }
}

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

fn destination(arguments: &Arguments) -> Result<&str, Trouble> {
    let missing = || Trouble::Usage("expected an address: where the packet goes".to_owned());
    arguments.only()?.ok_or_else(missing)
}

/// An address and a port, if that is said.
fn local(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Some(address) = address(text) {
        return Some((address, None));
    }
    let with_port: SocketAddr = text.parse().ok()?;
    let port = Some(with_port.port()).filter(|port| *port != 0)?;
    Some((address(&with_port.ip().to_string())?, Some(port)))
}

/// Whether a packet over a wire can come from there, and go there.
fn is_a_hosts(address: IpAddr) -> bool {
    let other = match address {
        IpAddr::V4(address) => address.is_broadcast() || address.octets().starts_with(&[0]),
        IpAddr::V6(_) => false,
    };
    !(other || address.is_multicast() || address.is_loopback())
}

/// What the options say of a packet; the user, if one is named.
fn said(packet: &mut Packet, arguments: &Arguments) -> Result<Option<u32>, Trouble> {
    let family = packet.family();
    let icmp = match family {
        Family::Inet => 1,
        Family::Inet6 => 58,
    };
    let of_family = |text: &str| address(text).filter(|from| Family::of(*from) == family);
    let expected = format!("an {} address", family.name());
    packet.from = read(arguments, "from", &expected, of_family)?;
    packet.iif = device(arguments, "iif")?.filter(|iif| iif.as_str() != "lo");
    packet.oif = device(arguments, "oif")?;
    let mark = read(arguments, "mark", "a number of 32 bits", parse_number)?;
    packet.mark = mark.unwrap_or(0);
    let tos = read(
        arguments,
        "tos",
        "a DS field without its two lowest bits",
        |text| dsfield(text).filter(|tos| tos.trailing_zeros() >= 2),
    )?;
    packet.tos = tos.unwrap_or(0);
    let protocol = read(arguments, "ipproto", "udp, tcp or icmp", |text| {
        let number = ip_protocol(text)?;
        let number = if number == 1 { icmp } else { number };
        [6, 17, icmp].contains(&number).then_some(number)
    })?;
    packet.ip_protocol = protocol.unwrap_or(packet.ip_protocol);
    let port = |text: &str| parse_number(text).and_then(|port| u16::try_from(port).ok());
    let port = |option| read(arguments, option, "a port of 1 to 65535", port);
    packet.sport = port("sport")?.unwrap_or(0);
    packet.dport = port("dport")?.unwrap_or(0);
    let user = read(arguments, "uid", "a user ID", parse_number)?;
    packet.user = user.unwrap_or(packet.user);
    Ok(user)
}

/// What a packet that came in has, and what the kernel does not look up for one.
fn came_in(packet: &mut Packet, user: Option<u32>) -> Result<(), Trouble> {
    let usage = |text: &str| Err(Trouble::Usage(text.to_owned()));
    if user.is_some() || packet.oif.is_some() {
        return usage("--iif is for packets that came in; --uid and --oif are for this host's own");
    }
    packet.user = 0;
    if packet.family() == Family::Inet && packet.from.is_none() {
        return usage("--iif needs --from: a packet that came in has a source");
    }
    if packet.to.is_multicast() || packet.to == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return usage(
            "--iif: a packet to a group or to all hosts is not routed by the rules alone",
        );
    }
    Ok(())
}

/// An address that a packet can have.
fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    Some(address).filter(|address| !address.is_unspecified())
}

/// Devices by the names that the kernel itself has for them: its settings are found by these.
fn by_kernels_names(mut packet: Packet) -> Result<Packet, Trouble> {
    // One of its own: a device goes by the name that it is first heard of by.
    let mut kernel = Kernel::open().map_err(trouble)?;
    for device in [&mut packet.iif, &mut packet.oif].into_iter().flatten() {
        *device = kernel.devices().told(device);
    }
    Ok(packet)
}

fn device(arguments: &Arguments, option: &str) -> Result<Option<InterfaceName>, Trouble> {
    let found: Option<InterfaceName> = read(arguments, option, "the name of a device", |text| {
        text.parse().ok()
    })?;
    Ok(found.map(|alias| alias.device()))
}

/// An option's value, if there is one.
fn read<T>(
    arguments: &Arguments,
    option: &str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Trouble> {
    let Some(value) = arguments.value(option) else {
        return Ok(None);
    };
    let read = parse(value).ok_or_else(|| wrong(&format!("--{option}"), value, expected))?;
    Ok(Some(read))
}

fn wrong(what: &str, value: &str, expected: &str) -> Trouble {
    Trouble::Usage(format!("{what} {value:?}: expected {expected}"))
}
