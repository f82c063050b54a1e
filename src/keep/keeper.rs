//! The loop: waits for what the kernel tells, for records that change, for signals and for the time
//! that the judgement names; then asks the judgement what to look at, and does.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use log::{info, warn};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

use super::folder::{note_repairs, pauses, PAUSES};
use super::interests::{DeviceSeen, Interests};
use super::judgement::{Judgement, LookResult};
use super::main_rules::MainRules;
use super::manner::Manner;
use super::marks_watch::MarksWatch;
use super::networks::Networks;
use super::pause::Moment;
use super::place::{KeepError, KeeperPlace};
use super::repair::{recorded, Looked, Looks};
use super::telling::{Mending, Telling};
use crate::netlink::{Heard, Kernel, KernelError, Watch};
use crate::record::Store;
use crate::routing::{Family, InterfaceName, TableId, PROTOCOL};
use crate::system::{
    is_enabled, networkd_removes_rules, since_start, slept, Changed, Service, SignalTold, Signals,
};

/// So many messages are read in a turn, so that records and signals are not forgotten over a storm.
const MESSAGES: usize = 1000;

/// Without a record there is nothing to keep. Who takes an interface down often takes it up again.
const LINGER: Duration = Duration::from_secs(10);

/// A host that slept for longer may be in another network.
const NAP: Duration = Duration::from_secs(2);

/// Keeps what the records hold until it is told to end; or, unless it stays, there has been no record
/// for a while. Where it does not act it only says what it would do.
/// Errors: another one does already; or the kernel or the records cannot be listened to.
pub fn keep(manner: Manner) -> Result<(), KeepError> {
    let Some(place) = KeeperPlace::take(manner)? else {
        return Ok(());
    };
    let now = since_start();
    let mut keeper = Keeper {
        place,
        // Before anything is looked at.
        watch: Watch::everything().map_err(KeepError::Changes)?,
        marks: MarksWatch::default(),
        signals: Signals::hold().map_err(KeepError::Signals)?,
        service: Service::find(),
        judgement: Judgement::new(seed(now), now),
        interests: Interests::default(),
        telling: Telling::default(),
        passed: BTreeSet::new(),
        slept: slept(),
        empty_since: None,
        has_more: false,
        main_rules: MainRules::default(),
        networks: Networks::default(),
        manner,
    };
    let everything = Changed {
        all: true,
        ..Changed::default()
    };
    if manner.acts {
        note_repairs(keeper.telling.repairs());
    }
    keeper.records_changed(&everything, now)?;
    keeper.service.tell("READY=1");
    info!("interfaces kept: {}", keeper.interests.devices().count());
    while keeper.turn()? {}
    keeper.service.tell("STOPPING=1");
    Ok(())
}

/// Hosts of a cluster start at the same time.
fn seed(now: Moment) -> u64 {
    let nanos = u64::from(now.subsec_nanos());
    (u64::from(std::process::id()) << 32) ^ nanos
}

struct Keeper {
    place: KeeperPlace,
    watch: Watch,
    marks: MarksWatch,
    signals: Signals,
    service: Service,
    judgement: Judgement,
    interests: Interests,
    telling: Telling,
    /// The tables whose routes the kernel tells of.
    passed: BTreeSet<TableId>,
    /// How long the host has slept, as far as that was noticed.
    slept: Duration,
    /// Since when there has been no record, unless it stays.
    empty_since: Option<Moment>,
    /// Whether the kernel has more to tell.
    has_more: bool,
    main_rules: MainRules,
    networks: Networks,
    manner: Manner,
}

impl Keeper {
    /// Waits for something and deals with it; returns whether to go on.
    fn turn(&mut self) -> Result<bool, KeepError> {
        self.wait().map_err(KeepError::Changes)?;
        let now = since_start();
        while let Some(told) = self.signals.next() {
            match told {
                SignalTold::End => return Ok(false),
                SignalTold::LookAgain => self.judgement.missed(now),
            }
        }
        if slept().saturating_sub(self.slept) > NAP {
            self.judgement.missed(now);
        }
        self.slept = slept();
        let changed = self.place.changed()?;
        if changed != Changed::default() {
            self.records_changed(&changed, now)?;
        }
        self.hear(now).map_err(KeepError::Changes)?;
        self.look(now);
        let is_over = |since: Moment| now.saturating_sub(since) >= LINGER;
        if self.empty_since.is_some_and(is_over) {
            info!("no interface has a record any more");
            return Ok(false);
        }
        Ok(true)
    }

    fn wait(&self) -> io::Result<()> {
        let now = since_start();
        let wake = self.judgement.wake(now);
        let wake = self
            .empty_since
            .map_or(wake, |since| wake.min(since + LINGER));
        let longest = if self.has_more {
            Duration::ZERO
        } else {
            // Up to the next millisecond, or it would wake before its time.
            wake.saturating_sub(now) + Duration::from_millis(1)
        };
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        let of = |socket| PollFd::new(socket, PollFlags::POLLIN);
        let mut all = vec![
            of(self.watch.as_fd()),
            of(self.place.as_fd()),
            of(self.signals.as_fd()),
        ];
        all.extend(self.marks.socket().map(of));
        match poll(&mut all, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads what has changed of the records.
    fn records_changed(&mut self, changed: &Changed, now: Moment) -> Result<(), KeepError> {
        let is_pauses = |(folder, name): &(usize, String)| *folder == 1 && name == PAUSES;
        if changed.all || changed.files.iter().any(is_pauses) {
            self.judgement.pause(pauses(), now);
        }
        let mut devices: BTreeSet<InterfaceName> = if changed.all {
            let known = self.interests.devices().cloned();
            known.chain(Store::devices()).collect()
        } else {
            let records = changed.files.iter().filter(|(folder, _)| *folder == 0);
            records.filter_map(|(_, name)| name.parse().ok()).collect()
        };
        devices.retain(|device| device.device() == *device);
        for device in &devices {
            self.record_changed(device);
        }
        let kept: BTreeSet<InterfaceName> = self.interests.devices().cloned().collect();
        self.telling.keep(&kept);
        self.networks.keep(&kept);
        let may_end = kept.is_empty() && !self.manner.stays;
        self.empty_since = may_end.then(|| self.empty_since.unwrap_or(now));
        self.judgement.keep(kept, now);
        for device in &devices {
            // What it waits for may have come just before the record was there.
            self.judgement.heard(device, now);
        }
        self.marks.follow(self.interests.has_marks());
        let tables = self.interests.tables();
        if tables != self.passed {
            let list: Vec<TableId> = tables.iter().copied().collect();
            self.watch.only_of(&list).map_err(KeepError::Changes)?;
            self.passed = tables;
        }
        Ok(())
    }

    fn record_changed(&mut self, device: &InterfaceName) {
        let record = Store::peek(device);
        if record.is_empty() {
            self.interests.forget(device);
        } else if self.interests.record(device, recorded(&record)) {
            self.see(device);
        }
    }

    /// Asks how a device is.
    fn see(&mut self, device: &InterfaceName) {
        match seen(device) {
            Ok(seen) => self.interests.see(device, seen),
            Err(_) => self.judgement.missed(since_start()),
        }
    }

    fn hear(&mut self, now: Moment) -> io::Result<()> {
        self.has_more = self.hear_all(now, |_, _| true)?;
        if self.marks.hear()? {
            for device in self.interests.concerned(&Heard::Marks) {
                self.judgement.heard(&device, now);
            }
        }
        Ok(())
    }

    /// Looks at what is due.
    fn look(&mut self, now: Moment) {
        let look = self.judgement.look(now);
        if look.full {
            let devices: Vec<InterfaceName> = self.interests.devices().cloned().collect();
            for device in &devices {
                self.see(device);
            }
        }
        // Who switches it off while it runs need not stop it.
        let acts = self.manner.acts && (look.devices.is_empty() || is_enabled());
        let mut looks = Looks::new(acts);
        for device in &look.devices {
            let seen = looks.at(device);
            self.judgement.found(device, seen.finding, since_start());
            match seen.finding {
                LookResult::Refused => self.pass_over(device),
                // What has come while its packets went by main is cut off from now on.
                LookResult::Repaired if self.networks.matter() => {
                    self.judgement.network_came(now);
                }
                _ => {}
            }
            self.tell(device, seen, now);
        }
        let pauses = self.judgement.pauses();
        let is_paused = |device: &InterfaceName| pauses.of(device, now).is_some();
        self.networks.look(&look, &self.interests, &is_paused);
        if look.full || !look.devices.is_empty() {
            self.report();
        }
    }

    /// Hears what has come up to now; what of it counts for a device that it concerns, `counts` says.
    /// Returns whether there is more.
    fn hear_all(
        &mut self,
        now: Moment,
        counts: impl Fn(&Heard, &InterfaceName) -> bool,
    ) -> io::Result<bool> {
        let Self {
            watch,
            interests,
            judgement,
            main_rules,
            networks,
            ..
        } = self;
        let hearing = watch.hear(MESSAGES, |heard| {
            main_rules.note(&heard);
            if networks.is_new(&heard) {
                judgement.network_came(now);
            }
            for device in interests.concerned(&heard) {
                if counts(&heard, &device) {
                    judgement.heard(&device, now);
                }
            }
        })?;
        if hearing.missed {
            judgement.missed(now);
        }
        Ok(hearing.more)
    }

    /// What was refused was tried and undone: that is heard again, and would be tried for ever.
    fn pass_over(&mut self, device: &InterfaceName) {
        let is_ours = |heard: &Heard| match heard {
            Heard::Rule(rule) | Heard::RuleGone(rule) => rule.protocol == PROTOCOL,
            Heard::Route(route) => route.is_ours,
            _ => false,
        };
        // What could not be heard now is heard in its turn.
        let _ = self.hear_all(since_start(), |heard, concerned| {
            !is_ours(heard) || concerned != device
        });
    }

    fn tell(&mut self, device: &InterfaceName, seen: Looked, now: Moment) {
        for statement in self.telling.stands(device, seen.stands) {
            if statement.is_warning {
                warn!("{device}: {}", statement.text);
            } else {
                info!("{device}: {}", statement.text);
            }
        }
        if seen.mended.is_empty() {
            return;
        }
        let kinds: BTreeSet<Mending> = seen.mended.iter().map(|(mending, _)| *mending).collect();
        let told = self.telling.repaired(device, kinds, now);
        if self.manner.acts {
            note_repairs(self.telling.repairs());
        }
        for (mending, count) in &told {
            let times = match count {
                1 => String::new(),
                count => format!(" ({count} times)"),
            };
            let of_it = seen.mended.iter().filter(|(of, _)| of == mending);
            let lines: Vec<&str> = of_it.map(|(_, line)| line.as_str()).collect();
            let done = mending.done(self.manner.acts);
            info!("{device}: {done}{times}: {}", shown(&lines));
        }
        if told.contains(&(Mending::Lost, 1)) {
            let remover = if networkd_removes_rules() {
                "systemd-networkd runs and takes out the rules of others: see networkd.conf(5), \
                 ManageForeignRoutingPolicyRules; "
            } else {
                ""
            };
            info!("{device}: {remover}to stop this for a while: policy-table pause {device}");
        }
    }

    /// Tells the service manager that all is well.
    fn report(&self) {
        let devices = self.interests.devices().count();
        let repairs: u64 = self.telling.repairs().map(|(_, count)| count).sum();
        let paused = self.judgement.pauses().iter().count();
        let paused = match paused {
            0 => String::new(),
            count => format!("; pauses: {count}"),
        };
        self.service.tell(&format!(
            "WATCHDOG=1\nSTATUS=interfaces kept: {devices}; repairs: {repairs}{paused}"
        ));
    }
}

/// How many lines of what was done are told.
const SHOWN: usize = 3;

fn shown(lines: &[&str]) -> String {
    let first: Vec<&str> = lines.iter().take(SHOWN).copied().collect();
    let first = first.join("; ");
    match lines.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// How a device is now.
fn seen(device: &InterfaceName) -> Result<DeviceSeen, KernelError> {
    let mut kernel = Kernel::open()?;
    let Some(index) = kernel.index(device)? else {
        return Ok(DeviceSeen::default());
    };
    let mut seen = DeviceSeen {
        index: Some(index),
        is_up: kernel.is_up(device)?,
        ..DeviceSeen::default()
    };
    for family in Family::ALL {
        let addresses = kernel.addresses(device, family)?;
        for assigned in &addresses {
            seen.note(assigned);
        }
    }
    Ok(seen)
}
