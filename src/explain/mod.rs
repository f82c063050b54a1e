//! explain

mod packet;
mod best_route;
mod walk;
mod report;
mod message;
mod agreement;
mod after_steps;
mod ask_kernel;
mod ssh_session;

pub use message::KernelAnswer;
pub use packet::{Match, Packet};
pub use report::Report;
pub(crate) use ssh_session::{answers as answers_to_ssh, moved as moved_way_back};
pub(crate) use walk::{walk, Settings};
pub use walk::{End, TableAnswer, Then, Walk};
