//! explain

pub mod packet;
pub mod best_route;
pub mod walk;
pub mod report;
pub mod message;
pub mod agreement;
pub mod after_steps;
pub mod ask_kernel;
pub mod ssh_session;
