//! A change that goes back unless somebody confirms it in time: what `apply --confirm` and
//! `migrate --write --now` have in common.
//!
//! Whoever dies on the way, the change does not stay: a second process, the guard (`guard.rs`), knows
//! the way back, too, and takes it where the run that asks is killed; and where the guard is, that
//! run does not wait any longer.

use std::io::{self, Write};
use std::time::Duration;

use log::warn;

use super::command::{Arguments, Opt, Trouble, Verdict};
use super::cut_short;
use super::guard::TrialGuard;
use super::question::{Confirmed, Outputs, Question};
use crate::converge::{self, ByHand, Former, Snapshot};
use crate::keep::Truce;
use crate::netlink::Kernel;
use crate::routing::InterfaceName;
use crate::system::{hold_messages, Yes};

/// `--confirm SECONDS`.
pub const CONFIRM: Opt = Opt::value(
    "confirm",
    "SECONDS",
    "go back unless it is confirmed in time",
);

/// Longest time to wait for a confirmation, in seconds: a day.
const LONGEST: u64 = 86_400;

/// How long is waited for a confirmation, where one is asked for.
/// Errors: no number of seconds, or too many.
pub fn patience(arguments: &Arguments) -> Result<Option<Duration>, Trouble> {
    let value = arguments.value(CONFIRM.long).map(seconds);
    value.transpose()
}

fn seconds(text: &str) -> Result<Duration, Trouble> {
    match text.parse() {
        Ok(seconds @ 1..=LONGEST) => Ok(Duration::from_secs(seconds)),
        _ => Err(Trouble::Usage(format!(
            "--confirm {text:?}: expected seconds, from 1 to {LONGEST}"
        ))),
    }
}

/// What goes back besides the package's own routes and rules.
#[derive(Debug, Default)]
pub struct GoesBack {
    /// What hand-written lines have put in, and the change takes out.
    pub by_hand: Vec<ByHand>,
    /// What the guard is told, to know the same.
    pub guard: Vec<String>,
}

impl GoesBack {
    /// Nothing but the package's own.
    pub fn of_apply() -> Self {
        Self {
            by_hand: Vec::new(),
            guard: vec!["apply".to_owned()],
        }
    }

    /// What is in force now.
    pub fn snapshot(&self) -> Result<Snapshot, Trouble> {
        let mut kernel = Kernel::open()?;
        let former = Former::find(&mut kernel, &self.by_hand)?;
        Ok(Snapshot::take(&mut kernel, former)?)
    }
}

/// A change that goes back unless somebody confirms it in time.
pub struct Trial {
    patience: Duration,
    outputs: Outputs,
    /// What the keeper lets be meanwhile; `None` stands for all interfaces.
    interfaces: Vec<Option<InterfaceName>>,
}

impl Trial {
    /// Makes ready for it, with all rights that the run has.
    pub fn prepare(patience: Duration) -> io::Result<Self> {
        let outputs = Outputs::prepare()?;
        Ok(Self {
            patience,
            outputs,
            interfaces: vec![None],
        })
    }

    /// The same of a change to some interfaces.
    pub fn of(self, interfaces: impl Iterator<Item = InterfaceName>) -> Self {
        Self {
            interfaces: interfaces.map(Some).collect(),
            ..self
        }
    }

    /// Makes the change, asks, and then has it stay by `keep`, or goes back. Nothing that is said from
    /// the change until then is waited for: who does not take it may be the one whom the change has
    /// cut off.
    pub fn run(
        mut self,
        goes_back: &GoesBack,
        change: impl FnOnce(&Snapshot, &mut Vec<u8>) -> Result<Verdict, Trouble>,
        keep: impl FnOnce(&Snapshot) -> Result<(), Trouble>,
        out: &mut dyn Write,
    ) -> Result<Verdict, Trouble> {
        let question = Question::prepare()?;
        let mut guard = TrialGuard::start(&goes_back.guard, |start| question.handed_down(start))?;
        let truce = Truce::of(&self.interfaces, self.patience);
        let mut before = goes_back.snapshot()?;
        if let Err(error) = cut_short::note(before.former()) {
            guard.dismiss();
            return Err(Trouble::Failed(format!("{error}; nothing was done")));
        }
        let messages = hold_messages();
        let mut said = Vec::new();
        let applied = change(&before, &mut said);
        before.note_change();
        guard.tell_changed();
        self.outputs.say(&said);
        self.outputs.warn(&messages.take());
        let asked = applied.and_then(|verdict| {
            let answer = if before.is_still_so(&mut Kernel::open()?)? {
                Confirmed::Keep(None)
            } else {
                question.ask(self.patience, &mut self.outputs, &guard)?
            };
            Ok((verdict, answer))
        });
        // Who could not be asked has not agreed.
        let done = match asked {
            Ok((verdict, Confirmed::Keep(who))) => {
                guard.tell_confirmed();
                let kept = keep(&before);
                // Whoever said yes in another session hears of what came of it, or of nothing.
                if kept.is_ok() {
                    who.into_iter().for_each(Yes::tell);
                    question.tell_all();
                }
                match kept {
                    Ok(()) => Ok(verdict),
                    Err(trouble) => Err(go_back(&before, &trouble.to_string())),
                }
            }
            Ok((_, Confirmed::GoBack(why))) => Err(go_back(&before, why)),
            Err(trouble) => Err(go_back(&before, &trouble.to_string())),
        };
        cut_short::forget();
        guard.dismiss();
        drop(truce);
        // From here on it may wait: others can ask again, and a signal ends it.
        drop(question);
        let told = self.outputs.finish(out);
        drop(messages);
        let verdict = done?;
        told?;
        Ok(verdict)
    }
}

/// Goes back to what was before.
pub fn go_back(before: &Snapshot, why: &str) -> Trouble {
    let restored = before.restore();
    for (device, failure) in &restored.failures {
        converge::tell(device.as_str(), failure);
    }
    for warning in &restored.warnings {
        warn!("{warning}");
    }
    let how = if restored.failures.is_empty() && restored.warnings.is_empty() {
        "gone back to what was before"
    } else {
        "gone back, but not to all that was before, as said above"
    };
    Trouble::Failed(format!("{why}: {how}"))
}
