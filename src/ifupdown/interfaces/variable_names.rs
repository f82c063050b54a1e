//! The variable of a hook's environment that an option becomes, and what it is for.

use super::commands::Phase;

/// What an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Which addresses and routers there are.
    Addresses,
    /// A command, which is in no environment.
    Command,
    /// All else.
    Other,
}

impl OptionKind {
    /// What an option of this name is for.
    pub fn of(name: &str) -> Self {
        if is_of_addresses(name) {
            Self::Addresses
        } else if Phase::of(name).is_some_and(|phase| phase.option() == name) {
            Self::Command
        } else {
            Self::Other
        }
    }
}

/// Whether a hook of ours looks at the variable that an option becomes.
pub fn matters(name: &str) -> bool {
    const OURS: &str = "POLICY_";
    is_of_addresses(name) || variable(name).take(OURS.len()).eq(OURS.chars())
}

fn is_of_addresses(name: &str) -> bool {
    // The other end has a name in each program; the routers of policy-gateway tell which family an
    // interface without addresses is for.
    const THOSE: [&str; 7] = [
        "ADDRESS",
        "NETMASK",
        "GATEWAY",
        "POINTOPOINT",
        "POINT_TO_POINT",
        "DSTADDR",
        "POLICY_GATEWAY",
    ];
    THOSE.iter().any(|known| variable(name).eq(known.chars()))
}

/// The name of its variable, without "IF_".
fn variable(name: &str) -> impl Iterator<Item = char> + '_ {
    letters(name.split('=').next().unwrap_or(name))
}

/// An option's name as the hooks' environment has it.
pub fn mangled(name: &str) -> String {
    letters(name).collect()
}

fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter_map(|c| match c {
        '-' => Some('_'),
        c if c.is_ascii_alphanumeric() || c == '_' => Some(c.to_ascii_uppercase()),
        _ => None,
    })
}
