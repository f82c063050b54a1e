//! The keeper's program, as systemd, an init script or `policy-table keep` starts it.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use log::error;

use super::keeper::keep;
use super::manner::Manner;
use super::place::KeepError;
use crate::system::{become_program, keep_net_admin, outlive_limits, start_logging_of_service};

/// Its name.
const NAME: &str = "policy-table-keep";

/// Runs it; `words` are those behind its name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    outlive_limits();
    start_logging_of_service();
    match kept(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::from(2)
        }
    }
}

fn kept(words: impl IntoIterator<Item = OsString>) -> Result<(), KeepError> {
    let manner = Manner::read(words).map_err(KeepError::Word)?;
    keep_net_admin()?;
    keep(manner)
}

/// Has this process become a keeper: whatever keeps is the one program, however it was started.
/// Returns why it cannot.
pub fn become_keeper(manner: Manner) -> io::Error {
    become_program(NAME, manner.words())
}
