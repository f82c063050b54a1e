//! The options of a stanza that run commands: when ifupdown runs them, and whether a command is
//! about routes or rules. `check` and `migrate` both ask.

use crate::routing::syntax::abbreviates;

/// When ifupdown runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the interface is configured.
    PreUp,
    /// When it is up; `up` and `post-up` are one.
    Up,
    /// Before it goes down; `down` and `pre-down` are one.
    Down,
    /// When it is down.
    PostDown,
}

impl Phase {
    /// The phase that an option of interfaces(5) names.
    pub fn of(option: &str) -> Option<Self> {
        match option {
            "pre-up" => Some(Self::PreUp),
            "up" | "post-up" => Some(Self::Up),
            "down" | "pre-down" => Some(Self::Down),
            "post-down" => Some(Self::PostDown),
            _ => None,
        }
    }

    /// The shorter of the option's names, under which ifupdown keeps its commands.
    pub fn option(self) -> &'static str {
        match self {
            Self::PreUp => "pre-up",
            Self::Up => "up",
            Self::Down => "down",
            Self::PostDown => "post-down",
        }
    }

    /// Whether it is part of `ifup`.
    pub fn is_up(self) -> bool {
        matches!(self, Self::PreUp | Self::Up)
    }
}

/// What a command is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    /// It has `ip route` in it.
    pub routes: bool,
    /// It has `ip rule` in it.
    pub rules: bool,
}

/// What a command is about, as far as its words tell: `ip` and what it is told to act on are found
/// in any shell program, also one that is not understood otherwise.
pub fn about(text: &str) -> About {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let words: Vec<&str> = text
        .split(|c| !part(c))
        .filter(|word| !word.is_empty())
        .collect();
    let mut about = About::default();
    for (at, word) in words.iter().enumerate() {
        if word.rsplit('/').next() != Some("ip") {
            continue;
        }
        // Some of ip's own options, which stand in front of the object, have values.
        let objects = words
            .iter()
            .skip(at + 1)
            .take(4)
            .filter(|word| word.len() > 1);
        let has = |full| objects.clone().any(|word| abbreviates(word, full));
        let batch = objects.clone().any(|word| word.starts_with("-b"));
        about.routes |= has("route") || batch;
        about.rules |= has("rule") || batch;
    }
    about
}
