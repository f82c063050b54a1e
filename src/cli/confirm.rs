//! `policy-table confirm`: says yes to a change that waits for it in another session.

use std::io::Write;

use super::command::{Arguments, Command, Trouble, Verdict};
use super::cut_short;
use crate::system::say_yes;

pub const COMMAND: Command = Command {
    name: "confirm",
    operands: "",
    summary: "keep a change that waits in another session",
    about: "\
Says yes to the policy-table apply --confirm, or migrate --write --now, that
waits in another session, so that its change stays.
Said through a connection that was made since, it proves that one can still be
made, which an answer in the session that waits does not.
Where nothing waits the exit status is 2.",
    options: &[],
    example: "policy-table confirm",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    if let Some(more) = arguments.operands.first() {
        return Err(Trouble::Usage(format!("unexpected argument {more:?}")));
    }
    let heard = say_yes().map_err(|error| Trouble::Failed(error.to_string()))?;
    let Some(waiting) = heard else {
        let why = "nothing waits for a confirmation";
        let told = cut_short::told().map(|told| format!("{why}: {told}"));
        return Err(Trouble::Failed(told.unwrap_or_else(|| why.to_owned())));
    };
    writeln!(out, "confirmed: {waiting} keeps its change")?;
    Ok(Verdict::Good)
}
