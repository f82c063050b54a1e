//! The socket to the kernel: carries out steps, takes dumps, asks. The files of the objects know
//! what a request or an answer looks like; nothing is decided here.

use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use thiserror::Error;

use super::devices::Devices;
use super::message::{replies, request, Refusal, Reply, WireError};
use super::{route, rule};
use crate::routing::{Family, Hop, InterfaceName, Object, Step, Verb};

/// Why the kernel could not be asked, or gave no answer that can be used.
#[derive(Debug, Error)]
pub enum KernelError {
    /// No rtnetlink socket, or it failed.
    #[error("cannot talk to the kernel over rtnetlink")]
    Socket(#[from] io::Error),
    /// A message that could not be written or read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A dump, or an answer about one thing, was refused.
    #[error("the kernel does not list {what}: {refusal}")]
    Dump { what: String, refusal: Refusal },
    /// Each of several dumps was overtaken by a change.
    #[error("the kernel's {0} keep changing while they are read")]
    Unsteady(String),
    /// It cannot route by rules in a family, or has the family switched off.
    #[error("this kernel has no {} rules: {}", .0.name(), no_rules(*.0))]
    NoRules(Family),
}

/// Why a kernel may have no rules of a family. It gives both the same answer.
fn no_rules(family: Family) -> &'static str {
    match family {
        Family::Inet => "it is built without CONFIG_IP_MULTIPLE_TABLES",
        Family::Inet6 => {
            "IPv6 is switched off (ipv6.disable=1), or it is built without \
             CONFIG_IPV6_MULTIPLE_TABLES"
        }
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
    /// The number of the last request; an answer repeats that of its request.
    sequence: u32,
    buffer: Vec<u8>,
    devices: Devices,
}

/// The kernel fills at most this much of a receive buffer with a dump (`af_netlink.c`), and takes
/// the size of one for how long its next part may be.
const DUMP: usize = 32 * 1024;

/// Bytes for one verdict, or for the object that comes with it. Either repeats little more than the
/// request; a run that takes no dump touches no memory beyond this.
const ANSWER: usize = 4 * 1024;

/// How many requests are sent before their answers are read. A socket's receive buffer of usual
/// size (`net.core.rmem_default`) holds more answers than that.
const IN_FLIGHT: usize = 64;

/// How often a dump that was overtaken by a change is taken again.
const ATTEMPTS: usize = 5;

fn connect() -> io::Result<NlSocket> {
    let socket = NlSocket::connect(NlFamily::Route, None, Groups::empty())?;
    socket.enable_ext_ack(true)?;
    Ok(socket)
}

impl Kernel {
    pub fn open() -> Result<Self, KernelError> {
        Ok(Self {
            socket: connect()?,
            sequence: 0,
            buffer: Vec::new(),
            devices: Devices::default(),
        })
    }

    /// Carries out steps in their order, and gives an answer for each.
    /// Errors: the socket failed; which of the steps took place is then not known.
    pub fn execute(&mut self, steps: &[Step]) -> Result<Vec<Answer>, KernelError> {
        for step in steps {
            log::debug!("{step}");
        }
        self.execute_unlogged(steps)
    }

    /// As [`Kernel::execute`], of steps that the log has already.
    /// Errors: the socket failed; which of the steps took place is then not known.
    pub fn execute_unlogged(&mut self, steps: &[Step]) -> Result<Vec<Answer>, KernelError> {
        let mut answers = Vec::with_capacity(steps.len());
        for steps in steps.chunks(IN_FLIGHT) {
            answers.extend(self.execute_batch(steps)?);
        }
        Ok(answers)
    }

    /// Carries out as many steps as may be in flight at once.
    fn execute_batch(&mut self, steps: &[Step]) -> Result<Vec<Answer>, KernelError> {
        let mut batch = Batch::of(steps.len(), self.sequence + 1);
        let request = self.encode_batch(steps, &mut batch)?;
        self.sequence += u32::try_from(steps.len()).unwrap_or_default();
        if request.is_empty() {
            return Ok(batch.answers());
        }
        self.grow_buffer(ANSWER.max(4 * request.len()));
        self.socket.send(&request, Msg::empty())?;
        while !batch.is_answered() {
            let received = self.receive()?;
            for reply in replies(&received) {
                let reply = reply?;
                let Some(awaited) = batch.find(reply.sequence) else {
                    continue; // of another request
                };
                match reply.verdict() {
                    Some(Ok(())) => awaited.answer = Some(Answer::Done(awaited.echoed.take())),
                    Some(Err(refusal)) => awaited.answer = Some(Answer::Refused(refusal)),
                    None => awaited.echoed = self.decode(&reply)?,
                }
            }
        }
        Ok(batch.answers())
    }

    /// The requests for the steps of a batch, as one. A step whose device is not there gets its
    /// answer now. Backwards, since only the last one that is sent asks to be acknowledged.
    fn encode_batch(&mut self, steps: &[Step], batch: &mut Batch) -> Result<Vec<u8>, KernelError> {
        let mut messages = Vec::with_capacity(steps.len());
        for (place, step) in steps.iter().enumerate().rev() {
            let sequence = batch.first + u32::try_from(place).unwrap_or_default();
            let acknowledge = match batch.last {
                None => NlmF::ACK,
                Some(_) => NlmF::empty(),
            };
            if let Some(message) = self.encode(step, sequence, acknowledge)? {
                messages.push(message);
                batch.last = batch.last.or(Some(place));
            } else if let Some(awaited) = batch.find(sequence) {
                let (errno, text) = (Errno::ENODEV, None);
                awaited.answer = Some(Answer::Refused(Refusal { errno, text }));
            }
        }
        messages.reverse();
        Ok(messages.concat())
    }

    /// Has the kernel filter dumps by what their requests say, and refuse requests that say what
    /// it does not know.
    pub(crate) fn filter_dumps(&self) -> Result<(), KernelError> {
        Ok(self.socket.enable_strict_checking(true)?)
    }

    /// Takes the first of a dump, until they are enough; again where a change overtakes it
    /// (`NLM_F_DUMP_INTR`).
    pub(crate) fn dump_first<T, P: neli::Size + neli::ToBytes>(
        &mut self,
        is_enough: impl Fn(&[T]) -> bool,
        what: &str,
        kind: Rtm,
        encode: impl Fn() -> Result<P, WireError>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        self.grow_buffer(DUMP);
        for _ in 0..ATTEMPTS {
            self.sequence += 1;
            let message = request(kind, NlmF::DUMP, self.sequence, encode()?)?;
            self.socket.send(&message, Msg::empty())?;
            if let Some(found) = self.read_dump(&is_enough, what, &decode)? {
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
        self.grow_buffer(DUMP);
        self.sequence += 1;
        let message = request(kind, NlmF::ACK, self.sequence, payload)?;
        self.socket.send(&message, Msg::empty())?;
        let answer = self.read_dump(|_| false, what, decode)?;
        Ok(answer.into_iter().flatten().next())
    }

    /// The parts of one dump, or `None` if it cannot be trusted. Once they are enough the rest is not
    /// read; since a socket takes no other dump before it has given all of one, another takes its place.
    fn read_dump<T>(
        &mut self,
        is_enough: impl Fn(&[T]) -> bool,
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
            if is_enough(&found) {
                self.socket = connect()?;
                return Ok(steady.then_some(found));
            }
        }
    }

    fn grow_buffer(&mut self, length: usize) {
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
        acknowledge: NlmF,
    ) -> Result<Option<Vec<u8>>, KernelError> {
        let mut flags = acknowledge
            | match step.verb {
                Verb::Add => NlmF::CREATE | NlmF::EXCL,
                Verb::Append => NlmF::CREATE | NlmF::APPEND,
                Verb::Replace => NlmF::CREATE | NlmF::REPLACE,
                // The kernel then tells what it took out, which need not be what was meant.
                Verb::Delete => NlmF::ECHO,
            };
        let adding = step.verb != Verb::Delete;
        let message = match &step.object {
            Object::Rule(rule) => {
                // Of a rule that it may not know whole the kernel is to tell what it made.
                if rule.may_be_thinned() {
                    flags |= NlmF::ECHO;
                }
                let kind = if adding { Rtm::Newrule } else { Rtm::Delrule };
                request(kind, flags, sequence, rule::encode(rule)?)?
            }
            Object::Route(route) => {
                let Some(indexes) = self.indexes(&route.hops)? else {
                    return Ok(None);
                };
                let kind = if adding { Rtm::Newroute } else { Rtm::Delroute };
                request(kind, flags, sequence, route::encode(route, &indexes)?)?
            }
        };
        Ok(Some(message))
    }

    /// The numbers of the devices that hops name; `None` where one of those is not there.
    fn indexes(&mut self, hops: &[Hop]) -> Result<Option<Vec<Option<u32>>>, KernelError> {
        let mut indexes = Vec::with_capacity(hops.len());
        for hop in hops {
            let index = match &hop.device {
                Some(device) => match self.index(device)? {
                    None => return Ok(None),
                    index => index,
                },
                None => None,
            };
            indexes.push(index);
        }
        Ok(Some(indexes))
    }

    /// The object in a notification.
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
        Ok(self.devices.index(device)?)
    }

    /// The name that a device goes by here, asked for once.
    pub(crate) fn device(&mut self, index: u32) -> Option<InterfaceName> {
        self.devices.name(index)
    }

    /// The devices, by which it knows them.
    pub(crate) fn devices(&mut self) -> &mut Devices {
        &mut self.devices
    }
}

/// A step that was sent.
#[derive(Default)]
struct Awaited {
    answer: Option<Answer>,
    /// The object that the kernel sent before the verdict.
    echoed: Option<Object>,
}

/// Steps in flight. The kernel takes requests in their order and reports every refusal: once it
/// acknowledges the last one, those before it that it was silent about are done.
struct Batch {
    /// The sequence number of the first step; the others' follow.
    first: u32,
    /// The place of the last step that is sent.
    last: Option<usize>,
    steps: Vec<Awaited>,
}

impl Batch {
    fn of(length: usize, first: u32) -> Self {
        Self {
            first,
            last: None,
            steps: (0..length).map(|_| Awaited::default()).collect(),
        }
    }

    /// The step whose request has a sequence number.
    fn find(&mut self, sequence: u32) -> Option<&mut Awaited> {
        let place = usize::try_from(sequence.wrapping_sub(self.first)).ok()?;
        self.steps.get_mut(place)
    }

    fn is_answered(&self) -> bool {
        let last = self.last.and_then(|last| self.steps.get(last));
        last.is_none_or(|last| last.answer.is_some())
    }

    fn answers(self) -> Vec<Answer> {
        let each = self.steps.into_iter();
        each.map(|step| step.answer.unwrap_or(Answer::Done(step.echoed)))
            .collect()
    }
}
