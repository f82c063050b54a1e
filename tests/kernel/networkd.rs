//! systemd-networkd beside ifupdown: what it takes out of the kernel and when, what the remedy in
//! the documents is worth, and the way back. A real one, with no bus, in a lab.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::lab::{lab, Lab};
use crate::support::needs::or_skip;
use crate::support::tree::text;

const PROGRAM: &str = "/lib/systemd/systemd-networkd";
const READY: &str = "/run/networkd.ready";
const LONGEST: Duration = Duration::from_secs(20);
const LOG: &str = "/run/networkd.log";
const SETTINGS: &str = "/etc/systemd/networkd.conf.d/policy-table.conf";

/// One route of ours that is no device's, too: those are all alike to networkd.
const STANZA: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table 200
    policy-route unreachable default metric 4294967295
";

const RULES: [&str; 2] = [
    "21000: from 10.10.0.10 lookup 200 proto policy-table",
    "21000: from all to 10.10.0.10 lookup 200 proto policy-table",
];
const OF_DEVICE: [&str; 2] = [
    "default via 10.10.0.1 dev eth1 proto policy-table",
    "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
];

/// A running networkd; it ends with the value.
struct Networkd(Child);

impl Drop for Networkd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Networkd {
    /// Starts it, and waits until it says that it is ready: it has seen then what is there.
    fn start() -> Self {
        let log = File::create(LOG).unwrap();
        let _ = fs::remove_file(READY);
        let ready = UnixDatagram::bind(READY).unwrap();
        // It runs as a user of its own.
        fs::set_permissions(READY, fs::Permissions::from_mode(0o666)).unwrap();
        ready.set_read_timeout(Some(LONGEST)).unwrap();
        let started = Command::new(PROGRAM)
            .env_clear()
            .env("SYSTEMD_LOG_TARGET", "console")
            .env("NOTIFY_SOCKET", READY)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let running = Self(started.unwrap());
        let mut said = [0; 4096];
        loop {
            let length = ready.recv(&mut said).unwrap();
            if String::from_utf8_lossy(&said[..length]).contains("READY=1") {
                return running;
            }
        }
    }
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        let log = fs::read_to_string(LOG).unwrap_or_default();
        assert!(started.elapsed() < LONGEST, "no {what}: {log}");
        sleep(Duration::from_millis(20));
    }
}

/// Has networkd configure a device. It clears away before it gives an address.
fn managed(lab: &Lab, device: &str, address: &str) {
    lab.write(
        &format!("/etc/systemd/network/{device}.network"),
        &format!(
            "[Match]\nName={device}\n\
             [Network]\nAddress={address}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
    );
}

fn has_address(lab: &Lab, device: &str, address: &str) {
    wait_for(&format!("address of {device}"), || {
        let shown = lab.sh(&format!("ip -4 -o address show dev {device}")).out;
        shown.contains(address)
    });
}

/// Runs a test with ifupdown's eth1 up, and what networkd asks of a system: a place for its
/// state, and a udev that is done with every device.
fn beside(test: impl FnOnce(&Lab) + Send) {
    if !or_skip(Path::new(PROGRAM).exists(), &format!("no {PROGRAM}")) {
        return;
    }
    lab(|lab| {
        lab.ok("mount -t sysfs sysfs /sys && rm -rf /etc/systemd/network*");
        lab.ok("mkdir -p /etc/systemd/network /run/systemd/network");
        for folder in ["links", "leases", "lldp"] {
            lab.ok(&format!("mkdir -p /run/systemd/netif/{folder}"));
        }
        lab.ok("chown -R systemd-network: /run/systemd/netif");
        for device in 1..30 {
            lab.write(&format!("/run/udev/data/n{device}"), "I:1\n");
        }
        lab.write("/run/udev/control", "");
        lab.device("eth0");
        lab.device("eth1");
        lab.interfaces(STANZA);
        assert_eq!(lab.sh("ifup eth1").err, "");
        in_force(lab);
        test(lab);
    });
}

fn in_force(lab: &Lab) {
    let routes = lab.routes("-4", "200");
    assert_eq!(lab.rules("-4"), RULES, "{routes:?}");
    assert!(
        OF_DEVICE
            .iter()
            .all(|own| routes.contains(&(*own).to_owned())),
        "{routes:?}"
    );
    assert_eq!(routes.len(), 3, "{routes:?}");
}

/// The rules are gone, and the routes that no device of ours holds.
fn cleared(lab: &Lab) {
    assert_eq!(lab.rules("-4"), [""; 0], "{}", lab.text(LOG));
    assert_eq!(lab.routes("-4", "200"), OF_DEVICE);
}

/// Whether `check` warns of it.
fn is_told(lab: &Lab) -> bool {
    let said = lab.sh("policy-table check");
    assert_eq!(said.err, "");
    said.out.contains("[PT402]")
}

#[test]
fn the_first_device_that_networkd_configures_costs_all_rules() {
    beside(|lab| {
        let idle = Networkd::start();
        sleep(Duration::from_millis(200));
        in_force(lab);
        assert!(!is_told(lab));
        drop(idle);

        managed(lab, "eth0", "192.0.2.2");
        let _running = Networkd::start();
        has_address(lab, "eth0", "192.0.2.2");
        cleared(lab);
        assert!(is_told(lab));

        // The way back, while it runs; and what comes up while it runs stays as well.
        lab.sh("ifup --force --ignore-errors eth1");
        in_force(lab);
        sleep(Duration::from_millis(200));
        in_force(lab);
    });
}

#[test]
fn so_does_each_device_that_it_configures_later() {
    beside(|lab| {
        managed(lab, "eth2", "198.51.100.2");
        let _running = Networkd::start();
        in_force(lab);
        assert!(is_told(lab));
        lab.device("eth2");
        has_address(lab, "eth2", "198.51.100.2");
        cleared(lab);
        assert_eq!(lab.sh("ifdown eth1").code, 0);
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// A keeper beside it; it ends with the value.
struct Keeper(Child);

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_keeper_puts_back_what_networkd_takes_out_at_each_start() {
    beside(|lab| {
        let mut keep = Command::new("policy-table");
        keep.arg("keep")
            .stdin(Stdio::null())
            .stderr(File::create("/run/keep.log").unwrap());
        let _keeper = Keeper(keep.spawn().unwrap());
        wait_for("keeper", || {
            Path::new("/run/policy-table/.keeper:/stat").exists()
        });
        managed(lab, "eth0", "192.0.2.2");
        for n in 1..=3 {
            let running = Networkd::start();
            has_address(lab, "eth0", "192.0.2.2");
            let repairs = || fs::read_to_string("/run/policy-table-keep/repairs");
            wait_for("repair", || {
                repairs().is_ok_and(|text| text == format!("eth1 {n}\n"))
            });
            in_force(lab);
            drop(running);
            lab.ok("ip address flush dev eth0");
        }
        let log = lab.text("/run/keep.log");
        assert!(
            log.contains("eth1: systemd-networkd runs and takes out the rules of others"),
            "{log}"
        );
        assert_eq!(lab.sh("ifdown eth1").code, 0);
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// The lines that a document gives for networkd's settings.
fn remedy(path: &str) -> String {
    let text = text(path);
    let lines = text.lines().map(|line| line.trim().replace('\\', ""));
    let lines = lines.skip_while(|line| line != "[Network]");
    let lines = lines.take_while(|line| line == "[Network]" || line.starts_with("Manage"));
    lines.map(|line| line + "\n").collect()
}

#[test]
fn with_the_settings_of_the_documents_everything_stays() {
    let settings = remedy("README.md");
    assert_eq!(settings.lines().count(), 3, "{settings}");
    for path in [
        "man/policy-table.8",
        "debian/ifupdown-policy-table.README.Debian",
    ] {
        assert_eq!(remedy(path), settings, "{path}");
    }
    beside(|lab| {
        lab.write(SETTINGS, &settings);
        managed(lab, "eth0", "192.0.2.2");
        managed(lab, "eth2", "198.51.100.2");
        let _running = Networkd::start();
        has_address(lab, "eth0", "192.0.2.2");
        in_force(lab);
        lab.device("eth2");
        has_address(lab, "eth2", "198.51.100.2");
        in_force(lab);
        assert!(!is_told(lab));
    });
}

/// No setting helps an interface that both of them configure.
#[test]
fn an_interface_of_both_loses_its_address_and_its_routes() {
    beside(|lab| {
        lab.write(SETTINGS, &remedy("README.md"));
        managed(lab, "eth1", "192.0.2.2");
        let _running = Networkd::start();
        has_address(lab, "eth1", "192.0.2.2");
        let shown = lab.ok("ip -4 -o address show dev eth1");
        assert!(!shown.contains("10.10.0.10"), "{shown}");
        let left = ["unreachable default proto policy-table metric 4294967295"];
        assert_eq!(lab.routes("-4", "200"), left);
    });
}
