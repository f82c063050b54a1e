//! The kernel's end: one rtnetlink socket, requests out, verdicts in. Does what a plan says and
//! reads what is there; decides nothing.

use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use thiserror::Error;

use super::message::{replies, request, Refusal, Reply, WireError};
use super::{route, rule};
use crate::routing::{InterfaceName, Object, Step, Verb};

/// Why the kernel could not be asked, or gave no answer that can be used.
#[derive(Debug, Error)]
pub enum KernelError {
    /// No rtnetlink socket, or it failed.
    #[error("cannot talk to the kernel over rtnetlink")]
    Socket(#[from] io::Error),
    /// A message that could not be written or read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A dump refused.
    #[error("the kernel does not list {what}: {}", explain(.refusal))]
    Dump {
        /// What was asked for.
        what: String,
        /// Its answer.
        refusal: Refusal,
    },
    /// Each of several dumps was overtaken by a change.
    #[error("the kernel's {0} keep changing while they are read")]
    Unsteady(String),
}

/// What the kernel said, with its own text in front where it gave one.
pub fn explain(refusal: &Refusal) -> String {
    let errno = refusal.errno;
    match &refusal.text {
        Some(text) => format!("{text} ({})", errno.desc()),
        None => errno.desc().to_owned(),
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done; of a deletion, what the kernel says it took out, and of a rule that it may not know
    /// whole, what it made.
    Done(Option<Object>),
    /// Refused, and nothing changed.
    Refused(Refusal),
}

/// An open rtnetlink socket.
pub struct Kernel {
    socket: NlSocket,
    sequence: u32,
    buffer: Vec<u8>,
    devices: Vec<(InterfaceName, u32)>,
}

/// The kernel fills at most this much of a receive buffer with a dump (`af_netlink.c`), and takes
/// the size of one for how long its next part may be.
const DUMP: usize = 32 * 1024;

/// Room for one verdict, or for the object that the kernel tells of with it. Either repeats
/// little more than the request; a run that takes no dump touches no memory beyond this.
const ANSWER: usize = 4 * 1024;

/// How many requests are sent before their answers are read: as many answers as a socket's
/// receive buffer of usual size holds (`net.core.rmem_default`), with room to spare.
const IN_FLIGHT: usize = 64;

/// How often a dump that was overtaken by a change is taken again.
const ATTEMPTS: usize = 5;

impl Kernel {
    /// Opens the socket.
    pub fn open() -> Result<Self, KernelError> {
        let socket = NlSocket::connect(NlFamily::Route, None, Groups::empty())?;
        socket.enable_ext_ack(true)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Vec::new(),
            devices: Vec::new(),
        })
    }

    /// Does steps one after another, many in flight at once, and gives an answer for each.
    /// Errors: the socket failed; which of the steps took place is then not known.
    pub fn execute(&mut self, steps: &[Step]) -> Result<Vec<Answer>, KernelError> {
        for step in steps {
            log::debug!("{step}");
        }
        self.repeat(steps)
    }

    /// As [`Kernel::execute`], of steps that the log has already.
    /// Errors: the socket failed; which of the steps took place is then not known.
    pub fn repeat(&mut self, steps: &[Step]) -> Result<Vec<Answer>, KernelError> {
        let mut answers = Vec::with_capacity(steps.len());
        for steps in steps.chunks(IN_FLIGHT) {
            answers.extend(self.execute_at_once(steps)?);
        }
        Ok(answers)
    }

    /// The kernel takes requests in their order and tells of every refusal, so that its word on
    /// the last one is the word on all before it that it was silent about.
    fn execute_at_once(&mut self, steps: &[Step]) -> Result<Vec<Answer>, KernelError> {
        let mut answers: Vec<Option<Answer>> = vec![None; steps.len()];
        let first = self.sequence + 1;
        let mut messages = Vec::with_capacity(steps.len());
        let mut last = None;
        for (step, (place, answer)) in steps.iter().zip(answers.iter_mut().enumerate()).rev() {
            let sequence = first + u32::try_from(place).unwrap_or_default();
            let wish = match last {
                None => NlmF::ACK,
                Some(_) => NlmF::empty(),
            };
            if let Some(message) = self.encode(step, sequence, wish)? {
                messages.push(message);
                last = last.or(Some(place));
            } else {
                let (errno, text) = (Errno::ENODEV, None);
                *answer = Some(Answer::Refused(Refusal { errno, text }));
            }
        }
        self.sequence += u32::try_from(steps.len()).unwrap_or_default();
        let Some(last) = last else {
            return Ok(answers.into_iter().flatten().collect());
        };
        messages.reverse();
        let bytes = messages.concat();
        self.make_room(ANSWER.max(4 * bytes.len()));
        self.socket.send(&bytes, Msg::empty())?;
        let mut removed: Vec<Option<Object>> = vec![None; steps.len()];
        while answers.get(last).is_some_and(Option::is_none) {
            let received = self.receive()?;
            for reply in replies(&received) {
                let reply = reply?;
                let place =
                    usize::try_from(reply.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let (Some(answer), Some(removed)) =
                    (answers.get_mut(place), removed.get_mut(place))
                else {
                    continue; // of another request
                };
                match reply.verdict() {
                    Some(Ok(())) => *answer = Some(Answer::Done(removed.take())),
                    Some(Err(refusal)) => *answer = Some(Answer::Refused(refusal)),
                    None => *removed = self.decode(&reply)?,
                }
            }
        }
        let answers = answers.into_iter().zip(removed);
        let told = answers.map(|(answer, removed)| answer.unwrap_or(Answer::Done(removed)));
        Ok(told.collect())
    }

    /// Has the kernel take what a request for a dump says as a filter, and refuse what it does
    /// not know.
    pub(crate) fn filter_dumps(&self) -> Result<(), KernelError> {
        Ok(self.socket.enable_strict_checking(true)?)
    }

    /// Takes a dump, again and again where a change overtakes it (`NLM_F_DUMP_INTR`).
    pub(crate) fn dump<T, P: neli::Size + neli::ToBytes>(
        &mut self,
        what: &str,
        kind: Rtm,
        encode: impl Fn() -> Result<P, WireError>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        self.make_room(DUMP);
        for _ in 0..ATTEMPTS {
            self.sequence += 1;
            let message = request(kind, NlmF::DUMP, self.sequence, encode()?)?;
            self.socket.send(&message, Msg::empty())?;
            if let Some(found) = self.read_dump(what, &decode)? {
                return Ok(found);
            }
        }
        Err(KernelError::Unsteady(what.to_owned()))
    }

    /// Asks what has one answer.
    pub(crate) fn ask<T, P: neli::Size + neli::ToBytes>(
        &mut self,
        what: &str,
        kind: Rtm,
        payload: P,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Option<T>, KernelError> {
        self.make_room(DUMP);
        self.sequence += 1;
        let message = request(kind, NlmF::ACK, self.sequence, payload)?;
        self.socket.send(&message, Msg::empty())?;
        let answer = self.read_dump(what, decode)?;
        Ok(answer.into_iter().flatten().next())
    }

    /// The parts of one dump, or `None` if it cannot be trusted.
    fn read_dump<T>(
        &mut self,
        what: &str,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Option<Vec<T>>, KernelError> {
        let (mut found, mut steady) = (Vec::new(), true);
        loop {
            let received = self.receive()?;
            for reply in replies(&received) {
                let reply = reply?;
                if reply.sequence != self.sequence {
                    continue;
                }
                steady &= reply.flags & NlmF::DUMP_INTR.bits() == 0;
                match reply.verdict() {
                    Some(Ok(())) => return Ok(steady.then_some(found)),
                    Some(Err(refusal)) => {
                        return Err(KernelError::Dump {
                            what: what.to_owned(),
                            refusal,
                        })
                    }
                    None => found.extend(decode(self, reply.payload)?),
                }
            }
        }
    }

    fn make_room(&mut self, length: usize) {
        if self.buffer.len() < length {
            // Not resize, which would touch all of the new memory.
            self.buffer = vec![0; length];
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>, KernelError> {
        loop {
            match self.socket.recv(&mut self.buffer, Msg::TRUNC) {
                // With MSG_TRUNC the length is the message's, beyond the buffer if it was cut.
                Ok((length, _)) => match self.buffer.get(..length) {
                    Some(received) => return Ok(received.to_vec()),
                    None => return Err(WireError::new("a reply is longer than the buffer").into()),
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The request for a step; `None` where the device it names is not there.
    fn encode(
        &mut self,
        step: &Step,
        sequence: u32,
        wish: NlmF,
    ) -> Result<Option<Vec<u8>>, KernelError> {
        let flags = wish
            | match step.verb {
                Verb::Add => NlmF::CREATE | NlmF::EXCL,
                Verb::Append => NlmF::CREATE | NlmF::APPEND,
                Verb::Replace => NlmF::CREATE | NlmF::REPLACE,
                // The kernel then tells what it took out, which need not be what was meant.
                Verb::Delete => NlmF::ECHO,
            };
        let adding = step.verb != Verb::Delete;
        match &step.object {
            Object::Rule(rule) => {
                // Of a rule that it may not know whole the kernel is to tell what it made.
                let flags = if rule.may_be_thinned() {
                    flags | NlmF::ECHO
                } else {
                    flags
                };
                let kind = if adding { Rtm::Newrule } else { Rtm::Delrule };
                let message = request(kind, flags, sequence, rule::encode(rule)?)?;
                Ok(Some(message))
            }
            Object::Route(route) => {
                let mut indexes = Vec::with_capacity(route.hops.len());
                for hop in &route.hops {
                    let index = match &hop.device {
                        Some(device) => match self.index(device)? {
                            None => return Ok(None),
                            index => index,
                        },
                        None => None,
                    };
                    indexes.push(index);
                }
                let kind = if adding { Rtm::Newroute } else { Rtm::Delroute };
                let payload = route::encode(route, &indexes)?;
                Ok(Some(request(kind, flags, sequence, payload)?))
            }
        }
    }

    /// The object that a notification tells of.
    fn decode(&mut self, reply: &Reply<'_>) -> Result<Option<Object>, WireError> {
        if [Rtm::Newrule, Rtm::Delrule]
            .map(u16::from)
            .contains(&reply.kind)
        {
            return Ok(rule::decode(reply.payload)?.map(Object::Rule));
        }
        if reply.kind == u16::from(Rtm::Delroute) {
            let route = route::decode(reply.payload, |index| self.device(index))?;
            return Ok(route.map(Object::Route));
        }
        Ok(None)
    }

    /// The number of a device, asked for once; `None` where there is no such device.
    pub(crate) fn index(&mut self, device: &InterfaceName) -> Result<Option<u32>, KernelError> {
        if let Some((_, index)) = self.devices.iter().find(|(known, _)| known == device) {
            return Ok(Some(*index));
        }
        match nix::net::if_::if_nametoindex(device.as_str()) {
            Ok(index) => {
                self.devices.push((device.clone(), index));
                Ok(Some(index))
            }
            // A route of a device that is gone is gone with it; of another error that is not true.
            Err(Errno::ENODEV | Errno::ENXIO) => Ok(None),
            Err(errno) => Err(io::Error::from(errno).into()),
        }
    }

    /// The name of a device, asked for once.
    pub(crate) fn device(&mut self, index: u32) -> Option<InterfaceName> {
        if let Some((device, _)) = self.devices.iter().find(|(_, known)| *known == index) {
            return Some(device.clone());
        }
        let name = nix::net::if_::if_indextoname(index).ok()?;
        let device: InterfaceName = name.to_str().ok()?.parse().ok()?;
        self.devices.push((device.clone(), index));
        Some(device)
    }
}
