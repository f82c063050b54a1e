//! This host, as far as files of its own and system calls tell of it or change it; what goes
//! through netlink is `netlink/`.
//!
//! - `privileges.rs`: giving up every right but `CAP_NET_ADMIN`, and what to do about a file that
//!   cannot be opened for want of one.
//! - `limits.rs`: outliving a limit on the size of files.
//! - `journal.rs`: where messages go, standard error and syslog.
//! - `programs.rs`: the package's other programs, and becoming one.
//! - `processes.rs`: what proc(5) tells of other processes.
//! - `sysctl.rs`: the settings below `/proc/sys/net`; nothing else reads them.
//! - `lock.rs`: a lock that one run at a time can have, and who has it if waiting takes too long.
//! - `consent.rs`: a run that waits for a yes, and the yes that another session says to it.
//! - `unread_output.rs`: output that perhaps nobody reads, which is not waited for.
//! - `service.rs`: what systemd is told by a program that it runs.
//! - `signals.rs`: signals, waited for like anything else.
//! - `clock.rs`: time since the host was started.
//! - `folder_watch.rs`: hearing which files of some folders change.
//! - `networkd.rs`: whether systemd-networkd would take our rules out.
//! - `enabled.rs`: whether an administrator has switched the package off.
//! - `old_examples.rs`: examples of this package that somebody has installed.
//! - `nft.rs`: nft(8), run with a text, not for ever.
//! - `proxmox.rs`: whether Proxmox' web interface writes the file.
//!
//! The files that hold something of ours are not here: records are `record/store.rs`, names of
//! tables `tables/`. Nothing here knows of stanzas or decides what becomes of routes and rules.
//! What cannot be read counts as absent or unset, since it comes from the host and not from the
//! user; only the lock and the privileges can fail.

mod privileges;
mod limits;
mod journal;
mod programs;
mod processes;
mod sysctl;
mod lock;
mod consent;
mod unread_output;
mod service;
mod signals;
mod clock;
mod folder_watch;
mod networkd;
mod enabled;
mod old_examples;
mod nft;
mod proxmox;

pub(crate) use clock::{since_start, slept};
pub(crate) use consent::{nobody_asks, say_yes, Consent, Yes};
pub(crate) use enabled::{is_enabled, not_understood, DEFAULTS};
pub(crate) use folder_watch::{Changed, FolderWatch};
pub(crate) use journal::{
    hold_messages, start_logging, start_logging_beside, start_logging_of_service, OtherOutput, NAME,
};
pub(crate) use limits::outlive_limits;
pub(crate) use lock::Lock;
pub(crate) use networkd::networkd_removes_rules;
pub(crate) use nft::{has_nft, nft, NftError};
pub(crate) use old_examples::installed_examples;
pub(crate) use privileges::{keep_net_admin, permission_hint, NotPermitted};
pub(crate) use processes::{variable_above, Ancestor};
pub(crate) use programs::become_program;
pub(crate) use proxmox::has_proxmox;
pub(crate) use service::Service;
pub(crate) use signals::{SignalTold, Signals};
pub(crate) use sysctl::{
    arp_is_strict, has_ipv6, ipv4_forwards, ipv6_forwards, ipv6_forwards_from, rp_filter,
    rp_filter_ignores_marks, source_is_checked_with_mark, takes_own_sources,
};
pub(crate) use unread_output::UnreadOutput;
