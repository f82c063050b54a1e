//! What is said of a bad `policy-rule` or `policy-route`, keyword by keyword: the option as
//! written, the line, the word and its value, and what is expected.

use policy_table::ifupdown::HookCall;
use policy_table::routing::Family;
use policy_table::stanza::Stanza;

/// The faults of a stanza for eth1 with `policy-table rt2` and these options.
fn faults(family: Family, options: &[(&str, String)]) -> Vec<String> {
    let (address, netmask) = match family {
        Family::Inet => ("10.10.0.10", "255.255.255.0"),
        Family::Inet6 => ("2001:db8:1::10", "64"),
    };
    let option = |(name, value): &(&str, String)| ((*name).to_owned(), value.into());
    let call = HookCall {
        interface: "eth1".to_owned(),
        logical: "eth1".to_owned(),
        family: Some(family),
        method: "static".to_owned(),
        address: Some(address.to_owned()),
        netmask: Some(netmask.to_owned()),
        options: options.iter().map(option).collect(),
        ..HookCall::default()
    };
    let errors = Stanza::parse(&call).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// Holds each line, the one value of its option, against what is to be said of it.
fn check(option: &str, family: Family, table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (line, message) in table {
        let expected = match *message {
            "" => Vec::new(),
            message => vec![format!("{option} \"{line}\": {message}")],
        };
        let options = [
            ("policy-table", "rt2".to_owned()),
            (option, (*line).to_owned()),
        ];
        let said = faults(family, &options);
        if said != expected {
            wrong.push(format!("expected {expected:#?}\nsaid {said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PREFIX: &str = "expected a prefix such as 192.0.2.0/24 or 2001:db8::/32";

#[test]
fn each_keyword_of_a_rule_says_what_it_expects() {
    let prefix = |text: &str| format!("\"{text}\": {PREFIX}");
    check(
        "policy-rule",
        Family::Inet,
        &[
            ("from", "\"from\" needs a value"),
            ("from nonsense", &prefix("from nonsense")),
            ("from 10", &prefix("from 10")),
            (
                "from 10.0.0.0/33",
                "\"from 10.0.0.0/33\": expected a prefix length of 0 to 32, or a netmask without holes",
            ),
            (
                "from 192.0.2.5/24",
                "\"from 192.0.2.5/24\": it has host bits set; write 192.0.2.0/24 for the network, \
                 or 192.0.2.5 for one address",
            ),
            (
                "from 10.0.0.1 to 2001:db8::1",
                "\"to 2001:db8::1\": expected an IPv4 address here",
            ),
            ("to", "\"to\" needs a value"),
            ("to nonsense", &prefix("to nonsense")),
            (
                "to 2001:db8::1/64",
                "\"to 2001:db8::1/64\": it has host bits set; write 2001:db8::/64 for the network, \
                 or 2001:db8::1 for one address",
            ),
            ("-6 to 10.0.0.0/8", "\"to 10.0.0.0/8\": expected an IPv6 address here"),
            ("tos", "\"tos\" needs a value"),
            ("tos 100", "\"tos 100\": expected a DS field: two hexadecimal digits, or a name"),
            (
                "dsfield AF99",
                "\"dsfield AF99\": expected a DS field: two hexadecimal digits, or a name",
            ),
            ("dscp", "\"dscp\" needs a value"),
            (
                "dscp 64",
                "\"dscp 64\": expected a DSCP of 0 to 63 or its name, \
                 or DSCP/MASK with no bit beyond MASK",
            ),
            (
                "dscp 46/0x30",
                "\"dscp 46/0x30\": expected a DSCP of 0 to 63 or its name, \
                 or DSCP/MASK with no bit beyond MASK",
            ),
            ("flowlabel", "\"flowlabel\" needs a value"),
            (
                "-6 flowlabel 0x100000",
                "\"flowlabel 0x100000\": expected a flow label of 20 bits, \
                 or LABEL/MASK with no bit beyond MASK",
            ),
            ("fwmark", "\"fwmark\" needs a value"),
            (
                "fwmark x",
                "\"fwmark x\": expected MARK or MARK/MASK, numbers of 32 bits",
            ),
            (
                "fwmark 4294967296",
                "\"fwmark 4294967296\": expected MARK or MARK/MASK, numbers of 32 bits",
            ),
            (
                "fwmark 5/",
                "\"fwmark 5/\": expected MARK or MARK/MASK, numbers of 32 bits",
            ),
            ("iif", "\"iif\" needs a value"),
            (
                "iif sixteen-bytes-xx",
                "\"iif sixteen-bytes-xx\": expected an interface name of 1 to 15 characters",
            ),
            ("dev", "\"dev\" needs a value"),
            ("oif", "\"oif\" needs a value"),
            (
                "oif a/b",
                "\"oif a/b\": expected an interface name of 1 to 15 characters",
            ),
            ("ipproto", "\"ipproto\" needs a value"),
            (
                "ipproto tpc",
                "\"ipproto tpc\": expected a protocol such as tcp, or its number",
            ),
            (
                "ipproto 256",
                "\"ipproto 256\": expected a protocol such as tcp, or its number",
            ),
            ("sport", "\"sport\" needs a value"),
            (
                "sport 65536",
                "\"sport 65536\": expected PORT, FIRST-LAST or PORT/MASK, ports of 1 to 65534 \
                 with no bit beyond MASK",
            ),
            ("dport", "\"dport\" needs a value"),
            (
                "dport 2000-1000",
                "\"dport 2000-1000\": expected PORT, FIRST-LAST or PORT/MASK, ports of 1 to 65534 \
                 with no bit beyond MASK",
            ),
            (
                "dport https",
                "\"dport https\": expected PORT, FIRST-LAST or PORT/MASK, ports of 1 to 65534 \
                 with no bit beyond MASK",
            ),
            ("uidrange", "\"uidrange\" needs a value"),
            (
                "uidrange 1000",
                "\"uidrange 1000\": expected FIRST-LAST, user IDs of 0 to 4294967294 in order",
            ),
            (
                "uidrange 9-5",
                "\"uidrange 9-5\": expected FIRST-LAST, user IDs of 0 to 4294967294 in order",
            ),
            ("tun_id", "\"tun_id\" needs a value"),
            ("tun_id x", "\"tun_id x\": expected a tunnel key of 64 bits"),
            (
                "tun_id 18446744073709551616",
                "\"tun_id 18446744073709551616\": expected a tunnel key of 64 bits",
            ),
            ("suppress_prefixlength", "\"suppress_prefixlength\" needs a value"),
            (
                "suppress_prefixlength 129",
                "\"suppress_prefixlength 129\": expected a prefix length of 0 to 128",
            ),
            ("suppress_ifgroup", "\"suppress_ifgroup\" needs a value"),
            (
                "suppress_ifgroup lan",
                "\"suppress_ifgroup lan\": expected a device group's number, or default",
            ),
            (
                "blackhole suppress_prefixlength 0",
                "suppress_prefixlength and suppress_ifgroup need a table to look up",
            ),
            ("realms", "\"realms\" needs a value"),
            (
                "realms 1/256",
                "\"realms 1/256\": expected REALM or FROM/TO, of 0 to 255",
            ),
            (
                "-6 realms 5",
                "\"realms\": IPv6 rules have none; the kernel would ignore them",
            ),
            ("priority", "\"priority\" needs a value"),
            (
                "priority high",
                "\"priority high\": expected a number of 0 to 4294967295",
            ),
            ("pref -1", "\"pref -1\": expected a number of 0 to 4294967295"),
            (
                "preference 4294967296",
                "\"preference 4294967296\": expected a number of 0 to 4294967295",
            ),
            ("order", "\"order\" needs a value"),
            ("protocol", "\"protocol\" needs a value"),
            (
                "proto 256",
                "\"proto 256\": expected a routing protocol's number of 0 to 255, or its name",
            ),
            ("table", "\"table\" needs a value"),
            ("lookup", "\"lookup\" needs a value"),
            (
                "lookup 0",
                "\"lookup 0\": expected a table name that is known, or an ID of 1 to 4294967295",
            ),
            (
                "table all",
                "\"table all\": expected a table name that is known, or an ID of 1 to 4294967295",
            ),
            ("goto", "\"goto\" needs a value"),
            ("goto x", "\"goto x\": expected a number of 0 to 4294967295"),
            (
                "goto 20000",
                "\"goto 20000\": expected a priority above the rule's own, 20701",
            ),
            (
                "priority 9 goto 9",
                "\"goto 9\": expected a priority above the rule's own, 9",
            ),
            (
                "l3mdev lookup 7",
                "\"l3mdev\" names the table itself; remove \"lookup\"",
            ),
            (
                "table 7 l3mdev",
                "\"l3mdev\" names the table itself; remove \"lookup\"",
            ),
            ("blackhole lookup 7", "\"lookup\": the rule has an action already"),
            ("nop prohibit", "\"prohibit\": the rule has an action already"),
            ("lookup 7 unreachable", "\"unreachable\": the rule has an action already"),
            ("lookup 7 goto 30000", "\"goto\": the rule has an action already"),
            ("form 10.0.0.1", "unknown word \"form\"; did you mean \"from\"?"),
            ("fwmrk 5", "unknown word \"fwmrk\"; did you mean \"fwmark\"?"),
            ("lokup 7", "unknown word \"lokup\"; did you mean \"lookup\"?"),
            ("l3mdv", "unknown word \"l3mdv\"; did you mean \"l3mdev\"?"),
            ("blackhoel", "unknown word \"blackhoel\"; did you mean \"blackhole\"?"),
            (
                "suppress_prefixlenght 0",
                "unknown word \"suppress_prefixlenght\"; did you mean \"suppress_prefixlength\"?",
            ),
            ("via 10.0.0.1", "unknown word \"via\""),
            ("nonsense", "unknown word \"nonsense\""),
        ],
    );
}

#[test]
fn each_keyword_of_a_route_says_what_it_expects() {
    const ADDRESS: &str = "expected an address";
    let address = |text: &str| format!("\"{text}\": {ADDRESS}");
    check(
        "policy-route",
        Family::Inet,
        &[
            (
                "dev eth1",
                "a route needs a destination: a prefix, or default",
            ),
            (
                "10.0.0.1/8",
                "\"10.0.0.1/8\": it has host bits set; write 10.0.0.0/8 for the network, \
                 or 10.0.0.1 for one address",
            ),
            (
                "10.0.0.0/40",
                "\"10.0.0.0/40\": expected a prefix length of 0 to 32, or a netmask without holes",
            ),
            ("to", "\"to\" needs a value"),
            ("default via", "\"via\" needs a value"),
            ("default via 10.0.0.300", &address("via 10.0.0.300")),
            (
                "default via inet6 10.0.0.1",
                "\"via 10.0.0.1\": expected an IPv6 address here",
            ),
            (
                "10.0.0.0/8 via fe80::1",
                "\"via fe80::1\": expected an IPv4 address here",
            ),
            ("default dev", "\"dev\" needs a value"),
            (
                "default dev a/b",
                "\"dev a/b\": expected an interface name of 1 to 127 characters",
            ),
            ("default src", "\"src\" needs a value"),
            ("default src 10.0.0.0/8", &address("src 10.0.0.0/8")),
            ("default metric", "\"metric\" needs a value"),
            (
                "default metric low",
                "\"metric low\": expected a number of 0 to 4294967295",
            ),
            (
                "default preference x",
                "\"preference x\": expected a number of 0 to 4294967295",
            ),
            ("default scope", "\"scope\" needs a value"),
            (
                "default scope world",
                "\"scope world\": expected a scope such as global, link or host",
            ),
            (
                "default scope 256",
                "\"scope 256\": expected a scope such as global, link or host",
            ),
            ("default tos", "\"tos\" needs a value"),
            (
                "default tos x",
                "\"tos x\": expected a DS field: two hexadecimal digits, or a name",
            ),
            ("default mtu", "\"mtu\" needs a value"),
            ("default mtu lock", "\"mtu\" needs a value"),
            (
                "default mtu 65521",
                "\"mtu 65521\": expected a number of 0 to 65520",
            ),
            (
                "default advmss 65496",
                "\"advmss 65496\": expected a number of 0 to 65495",
            ),
            (
                "default initcwnd x",
                "\"initcwnd x\": expected a number of 0 to 4294967295",
            ),
            ("default initrwnd", "\"initrwnd\" needs a value"),
            ("default quickack 2", "\"quickack 2\": expected 0 or 1"),
            (
                "default quickack lock 1",
                "\"quickack lock\": expected 0 or 1",
            ),
            (
                "default hoplimit 256",
                "\"hoplimit 256\": expected a number of 0 to 255",
            ),
            ("default congctl", "\"congctl\" needs a value"),
            (
                "default congctl lock sixteen-letters-",
                "\"congctl sixteen-letters-\": expected an algorithm's name of 1 to 15 characters",
            ),
            ("default realms", "\"realms\" needs a value"),
            (
                "default realms x",
                "\"realms x\": expected REALM or FROM/TO, of 0 to 255",
            ),
            ("default pref", "\"pref\" needs a value"),
            (
                "default pref urgent",
                "\"pref urgent\": expected low, medium or high",
            ),
            (
                "default pref high",
                "\"pref\": IPv4 routes have none; the kernel would ignore it",
            ),
            (
                "-6 default realms 5",
                "\"realms\": IPv6 routes have none; the kernel would ignore them",
            ),
            ("default protocol", "\"protocol\" needs a value"),
            (
                "default proto 256",
                "\"proto 256\": expected a routing protocol's number of 0 to 255, or its name",
            ),
            ("default table", "\"table\" needs a value"),
            (
                "default table 0",
                "\"table 0\": expected a table name that is known, or an ID of 1 to 4294967295",
            ),
            (
                "default via 10.0.0.1 nexthop via 10.0.0.2",
                "\"nexthop\" cannot stand beside \"via\" or \"dev\"; give each its own nexthop",
            ),
            (
                "default nexthop via 10.0.0.1 weight 257",
                "\"weight 257\": expected a weight of 1 to 256",
            ),
            (
                "default nexthop via 10.0.0.1 weight",
                "\"weight\" needs a value",
            ),
            ("default nexthop via", "\"via\" needs a value"),
            (
                "default realms 5 nexthop dev eth1",
                "\"realms\" cannot stand beside \"nexthop\"; give each its own realms",
            ),
            (
                "blackhole default via 10.0.0.1",
                "a route that drops or throws packets has no \"via\"",
            ),
            (
                "throw default dev eth1",
                "a route that drops or throws packets has no \"dev\"",
            ),
            (
                "prohibit default nexthop via 10.0.0.1",
                "a route that drops or throws packets has no \"nexthop\"",
            ),
            (
                "unreachable default onlink",
                "a route that drops or throws packets has no \"onlink\"",
            ),
            (
                "default vai 10.0.0.1",
                "unknown word \"vai\"; did you mean \"via\"?",
            ),
            (
                "default metrics 5",
                "unknown word \"metrics\"; did you mean \"metric\"?",
            ),
            (
                "default onlnik",
                "unknown word \"onlnik\"; did you mean \"onlink\"?",
            ),
            (
                "defualt dev eth1",
                "unknown word \"defualt\"; did you mean \"default\"?",
            ),
            (
                "blackhoel default",
                "unknown word \"blackhoel\"; did you mean \"blackhole\"?",
            ),
            ("default 10.0.0.0/8", "unknown word \"10.0.0.0/8\""),
        ],
    );
}

#[test]
fn each_line_is_judged_by_its_stanzas_family_only_where_no_address_says_another() {
    check(
        "policy-rule",
        Family::Inet6,
        &[
            ("from 2001:db8::/32", ""),
            ("from 10.0.0.0/8", ""),
            (
                "realms 5",
                "\"realms\": IPv6 rules have none; the kernel would ignore them",
            ),
            ("from 10.0.0.0/8 realms 5", ""),
        ],
    );
    check(
        "policy-route",
        Family::Inet6,
        &[
            ("default pref high", ""),
            (
                "10.0.0.0/8 pref high",
                "\"pref\": IPv4 routes have none; the kernel would ignore it",
            ),
        ],
    );
}

#[test]
fn a_line_that_needs_a_table_says_so_where_the_stanza_has_none() {
    let one = |option: &'static str, line: &str| faults(Family::Inet, &[(option, line.to_owned())]);
    assert_eq!(
        one("policy-rule", "from 10.0.0.1"),
        [
            "policy-rule \"from 10.0.0.1\": it needs an action such as \"lookup TABLE\", \
          or policy-table in the same stanza"
        ]
    );
    assert_eq!(
        one("policy-route", "default via 10.10.0.1"),
        [
            "policy-route \"default via 10.10.0.1\": \"table\" is needed: \
          the stanza has no policy-table to stand in for it"
        ]
    );
    assert!(one("policy-rule", "from 10.0.0.1 lookup 7").is_empty());
}

#[test]
fn numbered_options_are_named_as_written_and_every_fault_is_told() {
    let options = [
        ("policy-rule-1", "form 10.0.0.1; from".to_owned()),
        ("policy-rule-2", "goto 5\ntos x".to_owned()),
        ("policy-route-1", "default metric".to_owned()),
        ("policy-table", "rt2".to_owned()),
    ];
    assert_eq!(
        faults(Family::Inet, &options),
        [
            "policy-rule-1 \"form 10.0.0.1\": unknown word \"form\"; did you mean \"from\"?",
            "policy-rule-1 \"from\": \"from\" needs a value",
            "policy-rule-2 \"goto 5\": \"goto 5\": expected a priority above the rule's own, 20703",
            "policy-rule-2 \"tos x\": \"tos x\": expected a DS field: two hexadecimal digits, or a name",
            "policy-route-1 \"default metric\": \"metric\" needs a value",
        ]
    );
}

#[test]
fn a_hundredth_rule_without_a_priority_is_one_too_many() {
    let rules = |lines: Vec<String>| {
        let options = [
            ("policy-rule", lines.join("\n")),
            ("policy-table", "rt2".to_owned()),
        ];
        faults(Family::Inet, &options)
    };
    let numbered = |n: usize| {
        (1..=n)
            .map(|n| format!("from 10.0.0.{n}"))
            .collect::<Vec<_>>()
    };
    assert!(rules(numbered(99)).is_empty());
    assert_eq!(
        rules(numbered(100)),
        ["policy-rule \"from 10.0.0.100\": more than 99 rules without a priority in one stanza; \
          give them priorities"]
    );
    let mut lines = numbered(99);
    lines.push("from 10.0.0.100 priority 900".to_owned());
    assert!(rules(lines).is_empty());
}
