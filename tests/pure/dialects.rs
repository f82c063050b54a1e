//! Files of ifupdown2 and ifupdown-ng beside what they would be on Debian's ifupdown: the calls of a
//! hook are the same.

use std::fs;
use std::path::Path;

use policy_table::ifupdown::interfaces::Interfaces;
use policy_table::ifupdown::{Caller, HookCall};
use policy_table::stanza::Stanza;

use Caller::{Ifupdown2, IfupdownNg};

fn read(name: &str, text: &str, caller: Caller) -> Interfaces {
    let file = format!("dialect-{name}-{caller}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    fs::write(&file, text).unwrap();
    Interfaces::read_as(&file, caller)
}

/// The calls for some interfaces, without whose they are.
fn calls(interfaces: &Interfaces, names: &[&str]) -> Vec<HookCall> {
    let calls = names.iter().flat_map(|name| interfaces.calls(name));
    let calls = calls.map(|call| HookCall {
        caller: Caller::Ifupdown,
        ..call
    });
    calls.collect()
}

/// Who reads a file, the file, and what it says in the words of Debian's ifupdown.
type Case = (&'static [Caller], &'static str, &'static str);

const BOTH: &[Caller] = &[Ifupdown2, IfupdownNg];

const CASES: &[(&str, Case)] = &[
    (
        "the usual stanza",
        (
            BOTH,
            "auto eth1\niface eth1 inet static\n address 10.0.0.1/24\n gateway 10.0.0.2\n \
             policy-table a\n policy-rule to 192.0.2.0/24\n policy-rule to 198.51.100.0/24\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n gateway 10.0.0.2\n policy-table a\n \
             policy-rule to 192.0.2.0/24\n policy-rule to 198.51.100.0/24\n",
        ),
    ),
    (
        "no family, both families",
        (
            BOTH,
            "iface eth1\n address 10.0.0.1/24\n address 2001:db8::1/64\n policy-table a\n \
             policy_gateway 10.0.0.2\n policy-gateway 2001:db8::2\n policy-mode main\n \
             policy-rule from 10.0.0.0/8\n policy-rule from 2001:db8::/32; iif lo\n \
             policy-route 192.0.2.0/24 via 10.0.0.3\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n policy-gateway 10.0.0.2\n \
             policy-mode main\n policy-rule from 10.0.0.0/8\n policy-rule iif lo\n \
             policy-route 192.0.2.0/24 via 10.0.0.3\n\
             iface eth1 inet6 static\n address 2001:db8::1/64\n policy-table a\n \
             policy-gateway 2001:db8::2\n policy-mode main\n policy-rule from 2001:db8::/32; iif lo\n",
        ),
    ),
    (
        "gateway once a family, and the family of the line is not that of the address",
        (
            BOTH,
            "iface eth1 inet static\n address 2001:db8::1/64\n address 10.0.0.1/24\n \
             gateway 10.0.0.2\n gateway 2001:db8::2\n policy-table a\n",
            "iface eth1 inet6 static\n address 2001:db8::1/64\n gateway 2001:db8::2\n policy-table a\n\
             iface eth1 inet static\n address 10.0.0.1/24\n gateway 10.0.0.2\n policy-table a\n",
        ),
    ),
    (
        "several addresses of one family",
        (
            BOTH,
            "iface eth1\n address 10.0.0.1/24\n address 10.1.0.1/24\n address 10.1.0.1/24\n \
             policy-table a\n policy-gateway 10.1.0.2\n policy-source all\n policy-rule iif lo\n \
             policy-route unreachable default metric 9\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n policy-source all\n \
             policy-rule iif lo\n policy-route unreachable default metric 9\n\
             iface eth1 inet static\n address 10.1.0.1/24\n policy-table a\n policy-gateway 10.1.0.2\n \
             policy-route unreachable default metric 9\n",
        ),
    ),
    (
        "the default route is the first address's",
        (
            BOTH,
            "iface eth1\n address 10.0.0.1/24\n address 10.0.1.1/24\n policy-table a\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n\
             iface eth1 inet static\n address 10.0.1.1/24\n policy-table a\n policy-gateway none\n",
        ),
    ),
    (
        "lengths of ifupdown2",
        (
            &[Ifupdown2],
            "iface eth1\n address 10.0.0.1\n address 2001:db8::1\n address 10.0.1.1\n netmask 24\n \
             address 10.0.2.1\n netmask 255.255.0.0\n policy-table a\n",
            "iface eth1 inet static\n address 10.0.0.1/32\n policy-table a\n\
             iface eth1 inet6 static\n address 2001:db8::1/128\n policy-table a\n\
             iface eth1 inet static\n address 10.0.1.1/24\n policy-table a\n policy-gateway none\n\
             iface eth1 inet static\n address 10.0.2.1/16\n policy-table a\n policy-gateway none\n",
        ),
    ),
    (
        "lengths of ifupdown-ng",
        (
            &[IfupdownNg],
            "iface eth1\n address 10.0.0.1\n address 2001:db8::1\n policy-table a\n\
             iface eth2\n netmask 255.255.0.0\n address 10.2.0.1\n policy-table a\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n\
             iface eth1 inet6 static\n address 2001:db8::1/64\n policy-table a\n\
             iface eth2 inet static\n address 10.2.0.1/16\n policy-table a\n",
        ),
    ),
    (
        "point to point",
        (
            BOTH,
            "iface eth1\n address 10.0.0.1/32\n pointopoint 10.9.0.1\n policy-table a\n",
            "iface eth1 inet static\n address 10.0.0.1/32\n pointopoint 10.9.0.1\n policy-table a\n",
        ),
    ),
    (
        "nothing but lines",
        (
            BOTH,
            "iface eth1\n address 10.0.0.1/24\n address 2001:db8::1/64\n policy-priority 900\n \
             policy-rule from 10.0.0.0/8 lookup 7\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-priority 900\n \
             policy-rule from 10.0.0.0/8 lookup 7\n\
             iface eth1 inet6 static\n address 2001:db8::1/64\n",
        ),
    ),
    (
        "leases, and no address",
        (
            BOTH,
            "iface eth1 inet dhcp\n policy-table a\niface eth2\n policy-table b\n \
             policy-gateway 2001:db8::1\niface eth3 inet6 dhcp\n policy-table c\n",
            "iface eth1 inet dhcp\n policy-table a\niface eth2 inet6 manual\n policy-table b\n \
             policy-gateway 2001:db8::1\niface eth3 inet6 dhcp\n policy-table c\n",
        ),
    ),
    (
        "the loopback interface",
        (
            BOTH,
            "iface lo inet loopback\n address 10.0.0.1/32\n address 10.0.0.2/32\n \
             policy-rule from 10.0.0.0/8 lookup 7\n",
            "iface lo inet loopback\n address 10.0.0.1\n netmask 255.255.255.255\n \
             policy-rule from 10.0.0.0/8 lookup 7\n",
        ),
    ),
    (
        "two stanzas",
        (
            BOTH,
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n\
             iface eth1 inet6 static\n address 2001:db8::1/64\n policy-table a6\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n\
             iface eth1 inet6 static\n address 2001:db8::1/64\n policy-table a6\n",
        ),
    ),
    (
        "ranges and continuations of ifupdown2",
        (
            &[Ifupdown2],
            "iface eth[1-2]\n policy-table a\n policy-rule from \\ 10.0.0.0/8 \\\n\\\n lookup 7\n\
             vlan eth-9\n policy-table none\nnonsense\n",
            "iface eth1 inet manual\n policy-table a\n policy-rule from 10.0.0.0/8 lookup 7\n\
             iface eth2 inet manual\n policy-table a\n policy-rule from 10.0.0.0/8 lookup 7\n",
        ),
    ),
    (
        "templates and comments of ifupdown-ng",
        (
            &[IfupdownNg],
            "template t # one\n policy-table a # two\n policy-mode main\n\
             interface eth1 inherits t\n address 10.0.0.1/24\n\
             iface eth2 # three\n use dhcp\n requires eth1\n inherit t\n\
             defaults nobody\nauto eth3 eth4\n policy-table c\n",
            "iface eth1 inet static\n address 10.0.0.1/24\n policy-table a\n policy-mode main\n\
             iface eth2 inet dhcp\n policy-table a\n policy-mode main\n\
             iface eth3 inet manual\n policy-table c\n",
        ),
    ),
];

#[test]
fn a_stanza_of_the_others_is_as_many_of_debians() {
    let names = ["lo", "eth1", "eth2", "eth3", "eth4"];
    for (name, (callers, text, debians)) in CASES {
        let plain = name.replace(' ', "-");
        let wanted = calls(&read(&plain, debians, Caller::Ifupdown), &names);
        assert!(!wanted.is_empty(), "{name}");
        for call in &wanted {
            Stanza::parse(call).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        }
        for caller in *callers {
            let interfaces = read(&plain, text, *caller);
            assert!(interfaces.refused().is_none(), "{name}");
            assert_eq!(calls(&interfaces, &names), wanted, "{name}, {caller}");
        }
    }
}

#[test]
fn an_alias_of_ifupdown2_is_its_device() {
    let text = "iface eth1\n address 10.0.0.1/24\niface eth1:1 inet static\n address 10.0.0.2/24\n";
    let found = read("alias", text, Ifupdown2);
    let addresses = found.calls("eth1").into_iter().map(|call| call.address);
    assert_eq!(
        addresses.flatten().collect::<Vec<_>>(),
        ["10.0.0.1", "10.0.0.2"]
    );
    let calls = found.calls("eth1");
    assert!(calls
        .iter()
        .all(|call| call.interface == "eth1" && call.caller == Ifupdown2));
}

#[test]
fn a_template_of_ifupdown2_is_not_read() {
    for (text, is_read) in [
        ("%for n in (1, 2):\niface eth${n}\n%endfor\n", false),
        ("iface eth1\n up echo 5%\n", true),
        ("iface eth1\n up echo $%{HOME}\n", true),
        ("iface eth1 # <% x %>\n", false),
    ] {
        let found = read("template", text, Ifupdown2);
        assert_eq!(found.templated.is_empty(), is_read, "{text}");
        assert!(
            found.unread.is_empty() && found.refused().is_none(),
            "{text}"
        );
        assert!(read("template", text, IfupdownNg).templated.is_empty());
    }
}
