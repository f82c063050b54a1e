//! `policy-connmark` in packets: whoever answers behind a published port, the answer leaves by the
//! uplink that it was asked on, and nothing else goes another way than without.

mod beside;
mod courses;
mod ftp;
mod hairpin;
mod net;
mod others;
mod published;
mod refusals;
mod ways;
