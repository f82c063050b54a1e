//! Pauses: for a while an interface, or all of them, are not repaired. As text a line each:
//! `eth1 until 5025.0 by root: the provider works on it`; the moment is one since the start of the
//! host, so that a pause ends with it, and no change of the clock moves it.

use std::fmt;
use std::time::Duration;

use crate::routing::InterfaceName;
use crate::text::counted;

/// A moment, as the time since the host was started, asleep or not.
pub type Moment = Duration;

/// A pause of the keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// None stands for all interfaces.
    pub interface: Option<InterfaceName>,
    /// When it ends.
    pub until: Moment,
    /// Who asked for it.
    pub who: String,
    /// Why, if that was said.
    pub reason: Option<String>,
}

/// What stands for all interfaces. No interface can have the name.
const ALL: &str = ":all";

impl Pause {
    /// Whether it is about a device.
    pub fn covers(&self, device: &InterfaceName) -> bool {
        let mut interface = self.interface.iter();
        interface.all(|interface| interface.device() == *device)
    }

    /// What it is about, as people say it.
    pub fn of(&self) -> String {
        let interface = self.interface.as_ref();
        interface.map_or_else(|| "all interfaces".to_owned(), ToString::to_string)
    }

    /// What there is to say of it.
    pub fn told(&self, now: Moment) -> String {
        let left = self.until.saturating_sub(now).as_secs_f64();
        let left = match left.ceil() {
            seconds if seconds < 120.0 => counted(seconds, "second", "seconds"),
            seconds => format!("{} minutes", (seconds / 60.0).round()),
        };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}"));
        let (of, who, reason) = (self.of(), &self.who, reason.unwrap_or_default());
        format!("{of}: paused for {left} by {who}{reason}")
    }

    fn read(line: &str) -> Option<Self> {
        let (head, reason) = match line.split_once(": ") {
            Some((head, reason)) => (head, Some(reason.to_owned())),
            None => (line, None),
        };
        let words: Vec<&str> = head.split(' ').collect();
        let [interface, "until", until, "by", who] = words.as_slice() else {
            return None;
        };
        let interface = match *interface {
            ALL => None,
            name => Some(name.parse().ok()?),
        };
        let until = until.parse().ok().map(Duration::try_from_secs_f64);
        Some(Self {
            interface,
            until: until?.ok()?,
            who: (*who).to_owned(),
            reason,
        })
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{interface}")?,
            None => f.write_str(ALL)?,
        }
        let (until, who) = (self.until.as_secs_f64(), word(&self.who));
        write!(f, " until {until} by {who}")?;
        match &self.reason {
            Some(reason) => write!(f, ": {}", reason.replace(char::is_control, " ")),
            None => Ok(()),
        }
    }
}

/// A text from outside as one word, and none that ends the head of a line.
fn word(text: &str) -> String {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    match text.replace(odd, "?") {
        word if word.is_empty() => "?".to_owned(),
        word => word,
    }
}

/// All pauses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses(Vec<Pause>);

impl Pauses {
    /// Reads their text. A line that cannot be read pauses nothing.
    pub fn read(text: &str) -> Self {
        Self(text.lines().filter_map(Pause::read).collect())
    }

    /// Adds one, in the place of that of the same interface.
    pub fn add(&mut self, pause: Pause) {
        self.0.retain(|old| old.interface != pause.interface);
        self.0.push(pause);
    }

    /// Ends that of an interface, or with `None` all of them; returns those that it ended.
    pub fn end(&mut self, interface: Option<&InterfaceName>) -> Vec<Pause> {
        let ends = |pause: &Pause| interface.is_none() || pause.interface.as_ref() == interface;
        let (ended, left) = self.0.drain(..).partition(ends);
        self.0 = left;
        ended
    }

    /// Takes out what somebody has put in for a reason.
    pub fn withdraw(&mut self, who: &str, reason: &str) {
        self.0
            .retain(|it| (it.who.as_str(), it.reason.as_deref()) != (who, Some(reason)));
    }

    /// Takes out those that are over; returns them.
    pub fn expire(&mut self, now: Moment) -> Vec<Pause> {
        let (over, left) = self.0.drain(..).partition(|pause| pause.until <= now);
        self.0 = left;
        over
    }

    /// The one that is about a device and ends last.
    pub fn of(&self, device: &InterfaceName, now: Moment) -> Option<&Pause> {
        let about = self.0.iter().filter(|pause| pause.covers(device));
        about
            .filter(|pause| pause.until > now)
            .max_by_key(|pause| pause.until)
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<Moment> {
        self.0.iter().map(|pause| pause.until).min()
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &Pause> {
        self.0.iter()
    }
}

impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|pause| writeln!(f, "{pause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(interface: Option<&str>, until: u64, reason: Option<&str>) -> Pause {
        Pause {
            interface: interface.map(|name| name.parse().unwrap()),
            until: Duration::from_secs(until),
            who: "root".to_owned(),
            reason: reason.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut pauses = Pauses::default();
        pauses.add(pause(None, 60, None));
        pauses.add(pause(Some("eth1"), 5025, Some("a: b: c")));
        pauses.add(pause(Some("all"), 1, Some("")));
        assert_eq!(Pauses::read(&pauses.to_string()), pauses);
        assert_eq!(
            pauses.to_string(),
            ":all until 60 by root\neth1 until 5025 by root: a: b: c\nall until 1 by root: \n"
        );
    }

    #[test]
    fn no_text_of_others_makes_another_pause() {
        let mut one = pause(Some("eth1"), 5, Some("x\n:all until 9 by root"));
        one.who = "a b: \n".to_owned();
        let mut pauses = Pauses::default();
        pauses.add(one);
        let read = Pauses::read(&pauses.to_string());
        assert_eq!(read.iter().count(), 1);
        assert!(read.iter().all(|pause| pause.interface.is_some()));
        for line in [
            "",
            "eth1",
            "eth1 until x by y",
            "eth1 until -1 by y",
            "a/b until 1 by y",
        ] {
            assert_eq!(Pauses::read(line), Pauses::default(), "{line}");
        }
    }

    #[test]
    fn a_device_is_paused_by_its_own_an_aliases_and_that_of_all() {
        let device = "eth1".parse().unwrap();
        let of = |pauses: &Pauses| pauses.of(&device, Duration::from_secs(7)).cloned();
        let mut pauses = Pauses::default();
        pauses.add(pause(Some("eth2"), 10, None));
        assert_eq!(of(&pauses), None);
        pauses.add(pause(Some("eth1"), 7, None));
        assert_eq!(of(&pauses), None, "over");
        pauses.add(pause(Some("eth1:1"), 8, None));
        assert_eq!(of(&pauses).unwrap().until.as_secs(), 8);
        pauses.add(pause(None, 9, None));
        assert_eq!(of(&pauses).unwrap().interface, None);
        assert_eq!(pauses.expire(Duration::from_secs(8)).len(), 2);
        assert_eq!(pauses.end(None).len(), 2);
        assert_eq!(pauses, Pauses::default());
    }
}
