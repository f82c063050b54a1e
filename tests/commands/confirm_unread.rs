//! `apply --confirm` where nobody takes its output, as behind Ctrl-S, a pager, or a connection that
//! the change itself has cut: it goes back in time all the same, and says so once it is read.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::lab::{lab, Lab};
use crate::support::terminal::InTerminal;

const PLAIN: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
";

/// The same route that ours is, but somebody else's: there is something to warn of.
const SERVES: &str = "\
ip route add default via 10.10.0.1 dev eth1 table 99";

/// Never taken: what it is waited for comes, or the test fails.
const NEVER: Duration = Duration::from_secs(120);

fn edited(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        lab.interfaces(&PLAIN.replace("rt2", "99"));
        lab.ok(SERVES);
        test(lab);
    });
}

/// What the kernel tells of rules, as long as it is listened to.
struct Monitor {
    child: Child,
    file: &'static str,
}

impl Monitor {
    fn start(lab: &Lab) -> Self {
        let shell = "exec ip monitor rule >>/run/monitor";
        let child = Command::new("/bin/sh").args(["-c", shell]).spawn().unwrap();
        let monitor = Self {
            child,
            file: "/run/monitor",
        };
        // It listens once it tells of something.
        monitor.forget(lab);
        monitor
    }

    /// Forgets what was changed up to now, which it may not have told yet.
    fn forget(&self, lab: &Lab) {
        lab.write(self.file, "");
        self.until(lab, "lookup 77", || {
            lab.ok("ip rule add pref 9999 lookup 77; ip rule del pref 9999");
        });
        lab.write(self.file, "");
    }

    fn until(&self, lab: &Lab, text: &str, meanwhile: impl Fn()) {
        let started = Instant::now();
        while !lab.text(self.file).contains(text) {
            assert!(
                started.elapsed() < NEVER,
                "no {text:?}: {}",
                lab.ok("ip rule")
            );
            meanwhile();
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the change was made and has gone back.
    fn until_back(&self, lab: &Lab) {
        self.until(lab, "Deleted 21000:\tfrom 10.10.0.10 lookup 99", || {});
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rules(lab: &Lab) -> String {
    lab.ok("ip rule")
}

#[test]
fn a_terminal_that_was_stopped() {
    edited(|lab| {
        let (monitor, was) = (Monitor::start(lab), rules(lab));
        let mut run = InTerminal::start("sleep 0.5; exec policy-table apply --confirm 2 eth1");
        run.typed("\x13");
        monitor.until_back(lab);
        run.typed("\x11");
        let (code, said) = run.end();
        assert_eq!(code, Some(2), "{said}");
        for told in [
            "it serves",
            "otherwise it goes back.",
            "gone back to what was before",
        ] {
            assert!(said.contains(told), "{said}");
        }
        assert_eq!(rules(lab), was);
    });
}

#[test]
fn what_is_typed_into_a_stopped_terminal_is_no_answer() {
    edited(|lab| {
        let monitor = Monitor::start(lab);
        let mut run = InTerminal::start("sleep 0.5; exec policy-table apply --confirm 4 eth1");
        run.typed("\x13");
        monitor.until(lab, "from 10.10.0.10 lookup 99", || {});
        run.typed("\n\n");
        sleep(Duration::from_millis(500));
        run.typed("\x11");
        let (code, said) = run.end();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("no confirmation: gone back"), "{said}");
    });
}

#[test]
fn a_terminal_whose_other_end_reads_nothing() {
    edited(|lab| {
        let (monitor, was) = (Monitor::start(lab), rules(lab));
        // Others write there, too, and wait.
        let shell = "yes & sleep 0.5; policy-table apply --confirm 2 eth1; echo ended $?; kill $!";
        let mut run = InTerminal::start(shell);
        monitor.until_back(lab);
        let said = run.until("ended");
        assert!(said.contains("gone back to what was before"));
        assert_eq!(rules(lab), was);
        drop(run.end());
    });
}

#[test]
fn a_full_pipe() {
    edited(|lab| {
        let (monitor, was) = (Monitor::start(lab), rules(lab));
        lab.ok("mkfifo /run/full");
        let fill = "exec 3<>/run/full; dd if=/dev/zero of=/run/full oflag=nonblock status=none";
        for output in ["", "2>&1"] {
            monitor.forget(lab);
            let shell = format!(
                "{fill}; policy-table apply --confirm 2 eth1 </dev/null >/run/full {output}; \
                 echo ended $? >&2"
            );
            let shell = Command::new("/bin/sh")
                .args(["-c", &shell])
                .stdout(Stdio::null()) // if it is left over, tests/run waits for no more of it
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            monitor.until_back(lab);
            // Once it has gone back, which ends a moment after what the monitor tells, another one
            // may ask.
            let started = Instant::now();
            let next = loop {
                let next = lab.sh("policy-table apply --confirm 1 eth1 </dev/null");
                let waits = next.err.contains("waits for a confirmation");
                if !waits || started.elapsed() > NEVER {
                    break next;
                }
            };
            assert!(next.err.contains("no confirmation: gone back"), "{next:?}");
            let read = lab.ok("timeout 120 sed -n '/otherwise it goes back/{p;q}' /run/full");
            assert!(read.contains("Run 'policy-table confirm'"), "{read}");
            let said = shell.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.contains("ended 2"), "{said}");
            if output.is_empty() {
                assert!(said.contains("nobody took what is said here"), "{said}");
                assert!(said.contains("gone back to what was before"), "{said}");
            }
            assert_eq!(rules(lab), was);
        }
    });
}

/// Where what is wrong cannot be told, the question still can.
#[test]
fn standard_error_that_is_full() {
    edited(|lab| {
        let was = rules(lab);
        lab.ok("mkfifo /run/full");
        let run = |seconds: u8| {
            let fill = "exec 3<>/run/full; dd if=/dev/zero of=/run/full oflag=nonblock status=none";
            let apply = format!("policy-table apply --confirm {seconds} eth1");
            let shell = format!("{fill}; {apply} 2>/run/full; echo ended $?");
            InTerminal::start(&shell)
        };
        let mut goes_back = run(1);
        goes_back.until("otherwise it goes back.");
        let told = lab.ok("timeout 120 sed -n '/gone back/{p;q}' /run/full");
        assert!(told.contains("no confirmation: gone back to what was before"));
        goes_back.until("ended 2");
        assert_eq!(rules(lab), was);
        lab.ok("rm /run/full; mkfifo /run/full");
        let mut stays = run(60);
        stays.until("otherwise it goes back.");
        stays.typed("\n");
        let told = lab.ok("timeout 120 sed -n '/it serves/{p;q}' /run/full");
        assert!(told.contains("is there already and not ours"), "{told}");
        stays.until("ended 0");
        assert!(rules(lab).contains("lookup 99"));
    });
}

/// Ctrl-C, or the end of the session, ends the wait for an output that is taken by nobody.
#[test]
fn signals_before_and_after_it_has_gone_back() {
    edited(|lab| {
        let (monitor, was) = (Monitor::start(lab), rules(lab));
        let mut run = InTerminal::start("sleep 0.5; exec policy-table apply --confirm 80000 eth1");
        run.typed("\x13");
        monitor.until(lab, "from 10.10.0.10 lookup 99", || {});
        let pid = run.child.id();
        lab.ok(&format!("kill -HUP {pid}"));
        monitor.until_back(lab);
        let started = Instant::now();
        while run.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < NEVER);
            lab.sh(&format!("kill -TERM {pid}"));
            sleep(Duration::from_millis(20));
        }
        assert_eq!(rules(lab), was);
    });
}

/// Of a terminal that stops whoever writes to it from the background.
#[test]
fn in_the_background_of_a_terminal_that_is_particular() {
    edited(|lab| {
        let was = rules(lab);
        let shell = "stty tostop; set -m; policy-table apply --confirm 2 eth1 & wait $!; echo $?";
        let run = InTerminal::start(shell);
        let (_, said) = run.end();
        assert!(said.contains("no confirmation: gone back"), "{said}");
        assert_eq!(rules(lab), was);
    });
}

/// What cannot be told keeps no change from being made as a whole.
#[test]
fn apply_without_a_question_makes_the_whole_change() {
    edited(|lab| {
        lab.device("eth2");
        let second = "iface eth2 inet static\n    address 10.20.0.10/24\n    policy-table 98\n";
        lab.interfaces(&(PLAIN.replace("rt2", "99") + second));
        lab.ok("ifup eth2; ip rule del pref 21000 from 10.20.0.10");
        let monitor = Monitor::start(lab);
        lab.ok("mkfifo /run/full");
        let fill = "exec 3<>/run/full; dd if=/dev/zero of=/run/full oflag=nonblock status=none";
        let shell = format!("{fill}; policy-table apply eth1 eth2 2>/run/full");
        let mut shell = Command::new("/bin/sh")
            .args(["-c", &shell])
            .spawn()
            .unwrap();
        monitor.until(lab, "from 10.20.0.10 lookup 98", || {});
        lab.ok("timeout 120 sed -n '/it serves/{p;q}' /run/full");
        assert_eq!(shell.wait().unwrap().code(), Some(0));
    });
}
