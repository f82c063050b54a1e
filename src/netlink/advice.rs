//! What an administrator can do about a refusal of the kernel's.
//!
//! The errors and texts are those of `net/ipv4/fib_semantics.c` and `net/ipv6/route.c`, measured on
//! 6.18; a kernel without extended acks gives none of the texts.

use nix::errno::Errno;

use super::message::Refusal;
use crate::routing::{InterfaceName, Object, Step};

/// What kind of object was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Any,
    Route,
    /// A route whose gateway is not taken to be on the link anyway.
    RouteNotOnlink,
    Rule,
}

/// A refusal whose cause is known.
struct KnownRefusal {
    errnos: &'static [Errno],
    of: Of,
    /// A part of the kernel's text, in small letters.
    text: &'static str,
    /// What can be done, where `DEV` stands for the route's device.
    advice: &'static str,
}

/// The first that fits counts.
const KNOWN: [KnownRefusal; 13] = [
    KnownRefusal {
        errnos: &[Errno::EPERM],
        of: Of::Any,
        text: "",
        advice: "this needs root (CAP_NET_ADMIN)",
    },
    KnownRefusal {
        errnos: &[Errno::EACCES],
        of: Of::Route,
        text: "invalid gateway",
        advice: "a rule or a route prohibits packets to the gateway: see policy-table explain GATEWAY",
    },
    KnownRefusal {
        errnos: &[Errno::EACCES],
        of: Of::Route,
        text: "",
        advice: "IPv6 is switched off on DEV: set net.ipv6.conf.DEV.disable_ipv6 to 0",
    },
    KnownRefusal {
        errnos: &[Errno::ENODEV],
        of: Of::Route,
        text: "",
        advice: "there is no device DEV now: is the name right, and does something make the device first?",
    },
    KnownRefusal {
        errnos: &[Errno::ENETDOWN],
        of: Of::Route,
        text: "",
        advice: "the device is down; ip link set DEV up takes it up",
    },
    KnownRefusal {
        errnos: &[Errno::EINVAL],
        of: Of::Route,
        text: "local address",
        advice: "the gateway is this host's own address: write the router's",
    },
    KnownRefusal {
        errnos: &[Errno::EINVAL],
        of: Of::Route,
        text: "invalid gateway",
        advice: "the gateway is no address that a router can have here: is it this host's own, or a \
         broadcast or multicast address?",
    },
    KnownRefusal {
        errnos: &[Errno::ENETUNREACH, Errno::EHOSTUNREACH],
        of: Of::RouteNotOnlink,
        text: "",
        advice: "the gateway is not reached through this device: correct its address, or add onlink",
    },
    KnownRefusal {
        errnos: &[Errno::EINVAL],
        of: Of::Route,
        text: "source address",
        advice: "the address is not on this host, or not yet",
    },
    KnownRefusal {
        errnos: &[Errno::EINVAL],
        of: Of::Route,
        text: "prefsrc",
        advice: "the address is not on this host, or not yet",
    },
    KnownRefusal {
        errnos: &[Errno::EINVAL],
        of: Of::Route,
        text: "congestion",
        advice: "net.ipv4.tcp_available_congestion_control lists those that are loaded",
    },
    KnownRefusal {
        errnos: &[Errno::EOPNOTSUPP, Errno::EAFNOSUPPORT],
        of: Of::Route,
        text: "",
        advice: "this kernel has the address family switched off",
    },
    KnownRefusal {
        errnos: &[Errno::EOPNOTSUPP, Errno::EAFNOSUPPORT],
        of: Of::Rule,
        text: "",
        advice: "this kernel has no policy routing (CONFIG_IP_MULTIPLE_TABLES) or the address family \
         switched off",
    },
];

/// What can be done about a refusal, to stand behind it; empty where nothing is known.
pub fn advice(step: &Step, refusal: &Refusal) -> String {
    let text = refusal.text.as_deref().unwrap_or_default().to_lowercase();
    let known = KNOWN.iter().find(|known| {
        known.errnos.contains(&refusal.errno)
            && applies(known.of, &step.object)
            && text.contains(known.text)
    });
    match known {
        Some(known) => {
            let advice = known.advice.replace("DEV", &devices(&step.object));
            format!("; {advice}")
        }
        None => String::new(),
    }
}

fn applies(of: Of, object: &Object) -> bool {
    match (of, object) {
        (Of::Any, _) | (Of::Route, Object::Route(_)) | (Of::Rule, Object::Rule(_)) => true,
        (Of::RouteNotOnlink, Object::Route(route)) => !route.hops.iter().any(|hop| hop.onlink),
        _ => false,
    }
}

/// The devices that a route names, as words.
fn devices(object: &Object) -> String {
    let Object::Route(route) = object else {
        return String::new();
    };
    let devices = route.hops.iter().filter_map(|hop| hop.device.as_ref());
    let mut names: Vec<&str> = devices.map(InterfaceName::as_str).collect();
    names.dedup();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "route default via 10.0.0.1 dev eth1 table 200 proto 157";
    const ONLINK: &str = "route default via 10.0.0.1 dev eth1 table 200 proto 157 onlink";
    const ROUTE6: &str = "-6 route default via fe80::1 dev eth1 table 200 proto 157";
    const RULE: &str = "rule priority 21000 from 10.0.0.9 lookup 200 proto 157";

    fn given(line: &str, errno: Errno, text: &str) -> String {
        let step = Step::add(line.parse().unwrap());
        let text = Some(text.to_owned()).filter(|text| !text.is_empty());
        advice(&step, &Refusal { errno, text })
    }

    #[test]
    fn each_refusal_that_is_known_has_its_advice() {
        for (line, errno, text, expected) in [
            (ROUTE, Errno::EPERM, "", "CAP_NET_ADMIN"),
            (RULE, Errno::EPERM, "", "CAP_NET_ADMIN"),
            (
                ROUTE6,
                Errno::EACCES,
                "IPv6 is disabled on nexthop device",
                "net.ipv6.conf.eth1.disable_ipv6 to 0",
            ),
            (
                ROUTE,
                Errno::EACCES,
                "Nexthop has invalid gateway",
                "prohibits packets to the gateway",
            ),
            (ROUTE, Errno::ENODEV, "", "no device eth1 now"),
            (ROUTE, Errno::ENETDOWN, "", "ip link set eth1 up"),
            (
                ROUTE6,
                Errno::EINVAL,
                "Gateway can not be a local address",
                "write the router's",
            ),
            (
                ROUTE6,
                Errno::EINVAL,
                "Invalid gateway address",
                "multicast address",
            ),
            (ROUTE, Errno::ENETUNREACH, "", "or add onlink"),
            (ROUTE6, Errno::EHOSTUNREACH, "", "or add onlink"),
            (ROUTE, Errno::EINVAL, "Invalid prefsrc address", "not yet"),
            (ROUTE6, Errno::EINVAL, "Invalid source address", "not yet"),
            (
                ROUTE,
                Errno::EINVAL,
                "Unknown tcp congestion algorithm",
                "tcp_available_congestion_control",
            ),
            (ROUTE6, Errno::EAFNOSUPPORT, "", "address family"),
            (RULE, Errno::EOPNOTSUPP, "", "CONFIG_IP_MULTIPLE_TABLES"),
            (RULE, Errno::EAFNOSUPPORT, "", "CONFIG_IP_MULTIPLE_TABLES"),
        ] {
            let advice = given(line, errno, text);
            assert!(
                advice.starts_with("; ") && advice.contains(expected),
                "{line} {errno}: {advice}"
            );
        }
    }

    #[test]
    fn where_nothing_is_known_nothing_is_said() {
        for (line, errno, text) in [
            (ONLINK, Errno::ENETUNREACH, "Nexthop has invalid gateway"),
            (ROUTE, Errno::EINVAL, ""),
            (
                ROUTE,
                Errno::EINVAL,
                "Route with host scope can not have a gateway",
            ),
            (RULE, Errno::EINVAL, "Invalid prefsrc address"),
            (RULE, Errno::EACCES, ""),
            (ROUTE, Errno::ENOMEM, ""),
        ] {
            assert_eq!(given(line, errno, text), "", "{line} {errno}");
        }
    }
}
