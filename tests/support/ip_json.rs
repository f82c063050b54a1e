//! Routes and rules of others beside ours, and how to tell the two apart.

use super::lab::Lab;

/// Puts in what others may have: near-twins of our rules, the same selectors under another
/// protocol, and routes in our table by a device `other` of their own.
pub fn place(lab: &Lab) {
    // Or the table would count as others' and the name get another ID.
    lab.ok("echo '20611 rt2' >>/etc/iproute2/rt_tables");
    lab.device("other");
    lab.ok("ip link set other up; ip addr add 172.31.0.2/24 dev other");
    lab.ok("ip -6 addr add 2001:db8:31::2/64 dev other nodad");
    for rule in [
        "pref 21000 from 10.10.0.10 lookup 20611",
        "pref 21000 from 10.10.0.10 fwmark 7 lookup 20611 protocol static",
        "pref 21000 to 10.10.0.10 lookup 20612 protocol static",
        "pref 700 not from 192.0.2.0/24 iif other lookup 500",
    ] {
        lab.ok(&format!("ip rule add {rule}"));
    }
    lab.ok("ip -6 rule add pref 21000 from 2001:db8:10::10 lookup 20611 protocol static");
    for route in [
        "198.51.100.0/24 via 172.31.0.1 table 20611",
        "blackhole 203.0.113.0/24 table 20611 metric 9",
        "default via 172.31.0.1 metric 4000",
        "10.10.0.0/24 via 172.31.0.1 metric 4000 table 20611",
    ] {
        lab.ok(&format!("ip route add {route}"));
    }
    lab.ok("ip -6 route add 2001:db8:77::/48 via 2001:db8:31::1 table 20611 proto static");
}

/// What others have, as `ip -d -j` tells it, but for what leaves by a device that the test takes
/// down.
pub fn foreign(lab: &Lab, device: &str) -> Vec<String> {
    let mut entries = Vec::new();
    for family in ["-4", "-6"] {
        for list in ["rule", "route list table all"] {
            let json = lab.ok(&format!("ip {family} -d -j {list}"));
            let inside = json.trim().trim_start_matches("[{").trim_end_matches("}]");
            entries.extend(inside.split("},{").map(|entry| format!("{family} {entry}")));
        }
    }
    // The kernel's own for link-local and multicast addresses come when they please.
    let is_ipv6s =
        |entry: &str| entry.starts_with("-6") && entry.contains("\"protocol\":\"kernel\"");
    let device = format!("\"dev\":\"{device}\"");
    entries.retain(|entry| !(is_ours(entry) || is_ipv6s(entry) || entry.contains(&device)));
    assert!(entries.len() > 15, "{entries:#?}");
    entries
}

/// Nothing of others is gone, and nothing has come or changed.
pub fn assert_same(now: &[String], before: &[String]) {
    let not_in = |there: &[String], here: &[String]| {
        let missing = here.iter().filter(|entry| !there.contains(entry));
        missing.cloned().collect::<Vec<_>>()
    };
    let (gone, come) = (not_in(now, before), not_in(before, now));
    assert!(now == before, "gone: {gone:#?}\ncome: {come:#?}");
}

fn is_ours(entry: &str) -> bool {
    entry.contains("\"protocol\":\"policy-table\"")
}

/// What is ours, as `ip` prints it, but for the state of the carrier.
pub fn ours(lab: &Lab) -> Vec<String> {
    let mut lines = lab.tagged();
    lines.retain(|line| !line.contains("proto static"));
    let lines = lines.into_iter();
    lines.map(|line| line.replace(" linkdown", "")).collect()
}
