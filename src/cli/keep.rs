//! `policy-table keep`: what the last ifup or apply put in force stays in force.

use std::io::Write;

use super::command::{Arguments, Command, Opt, Trouble, Verdict};
use crate::keep::{become_keeper, keep_once, LookedOnce, Manner};
use crate::system::{keep_net_admin, start_logging_of_service};

pub const COMMAND: Command = Command {
    name: "keep",
    operands: "",
    summary: "keep in force what ifup or apply put in",
    about: "\
Stays and watches: when the kernel loses routes or rules of an interface that
is up, or a lease brings another address, it does for that interface what
apply does; but by what the last ifup or apply was told, never by the file,
which may be half edited. What others have, and what ifdown took out, it lets
be. It ends when it is told to, or, without --stay, when no interface has a
record any more. With --once it looks once at every interface, as for cron(8).
Exit status of that: 0 if all is in force, 1 if something waits or, with
--dry-run, would be put back, 2 in trouble.",
    options: &[DRY_RUN, ONCE, STAY],
    example: "policy-table keep --once",
    run,
};

const ONCE: Opt = Opt::flag("once", "look once at every interface, and end");
const STAY: Opt = Opt::flag("stay", "go on where no interface has a record");
const DRY_RUN: Opt = Opt::flag("dry-run", "only say what it would do");

fn run(arguments: &Arguments, _: &mut dyn Write) -> Result<Verdict, Trouble> {
    if let Some(more) = arguments.operands.first() {
        return Err(Trouble::Usage(format!("unexpected argument {more:?}")));
    }
    if arguments.has(ONCE.long) && arguments.has(STAY.long) {
        return Err(Trouble::Usage("--once ends, --stay does not".to_owned()));
    }
    let acts = !arguments.has(DRY_RUN.long);
    if !arguments.has(ONCE.long) {
        let stays = arguments.has(STAY.long);
        let failed = become_keeper(Manner { acts, stays });
        return Err(Trouble::Failed(failed.to_string()));
    }
    start_logging_of_service();
    keep_net_admin()?;
    Ok(match keep_once(acts) {
        LookedOnce::InForce => Verdict::Good,
        LookedOnce::Differs => Verdict::Differs,
        LookedOnce::Trouble => Verdict::Bad,
    })
}
