//! Why a line stays as it is: the text that `migrate` prints behind the line's number.

use std::net::IpAddr;

use thiserror::Error;

use super::ip_command::IpError;
use super::shell::ShellError;
use crate::routing::InterfaceName;
use crate::text::Shown;

/// Why a line stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WhyItStays {
    /// It is more than plain commands.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// Its command is not understood.
    #[error(transparent)]
    Ip(#[from] IpError),
    /// Something else is done in the same line.
    #[error("it also runs \"{}\"", Shown(.0))]
    Also(String),
    /// It is a line of several stanzas, and may differ in effect from one to the other.
    #[error("stanzas inherit from one another here, and a line may stand for several")]
    Inherits,
    /// Options hold for all that the stanza is about, a line for what it says.
    #[error("its stanza has several addresses or interfaces, and options would be about them all")]
    Several,
    /// The package is not called for it.
    #[error(
        "no-scripts keeps ifupdown from running hooks for this stanza: options would do nothing"
    )]
    NoHooks,
    /// Of the mapping that chooses the stanza nobody knows for which interface.
    #[error(
        "it names {0}, which a mapping may make another interface's name, and the option would not \
         follow it"
    )]
    Mapped(String),
    /// It names a table.
    #[error("it names a table, as policy-table does by itself; policy-table-id keeps the number")]
    NamesTable,
    /// It marks connections, or their packets.
    #[error(
        "it marks connections, as policy-connmark auto does by itself for those that come in by the \
         interface"
    )]
    MarksConnections,
    /// It finds a router.
    #[error(
        "it runs a command for its output, to find the router as it seems: policy-gateway auto \
         takes that of gateway, DHCP or main by itself"
    )]
    FindsRouter,
    /// It finds an address.
    #[error(
        "it runs a command for its output, to find the address as it seems: policy-table makes \
         its rules for the interface's own by itself"
    )]
    FindsAddress,
    /// It puts in what the kernel has put in.
    #[error("it always fails, for {0} is there already; what is it for?")]
    AlwaysFails(String),
    /// The same, where that does no harm.
    #[error("it does nothing, for {0} is there already")]
    DoesNothing(String),
    /// A rule that changes no packet's way.
    #[error("its rule has no effect: it names no table, and main is looked up anyway")]
    NoEffect,
    /// A program that nobody knows.
    #[error(
        "line {0} runs \"{program}\" behind it: should that put in rules, they would no longer come \
         before this one",
        program = Shown(.1)
    )]
    BeforeProgram(usize, String),
    /// The same object.
    #[error("line {0}, which stays, is about the same")]
    Same(usize),
    /// Something may stand where it puts its route.
    #[error("line {0}, which stays, may put another route in its place")]
    MayFill(usize),
    /// The first of two comes in.
    #[error("it gives way to the route of {0}, if that is up")]
    GivesWay(String),
    /// New options would have to fit to those that are there.
    #[error("the stanza has policy-* options already")]
    HasOptions,
    /// What ifupdown-multi does without them is not known.
    #[error("ifupdown-multi needs an address, multi_table and multi_gateway")]
    MultiIncomplete,
    /// ifupdown-multi's way of sharing.
    #[error("with several interfaces ifupdown-multi shares a default route among them, which no option says")]
    SharedDefault,
    /// The options act later.
    #[error("at pre-up the interface is not up, and the options act when it is")]
    TooEarly,
    /// It leads nowhere.
    #[error("it names neither a router nor a device, and the kernel takes no such route")]
    NoWay,
    /// By which device the router is reached nothing in the file says.
    #[error(
        "its router {0} is in the network of no address of this file, so by which device it leaves \
         is not certain; add dev NAME"
    )]
    RouterNowhere(IpAddr),
    /// Two devices would do.
    #[error(
        "its router {0} is in networks of both {1} and {2}, so by which it leaves is not certain; \
         add dev NAME"
    )]
    RouterTwice(IpAddr, InterfaceName, InterfaceName),
    /// What lines put in may lead to the router elsewhere.
    #[error(
        "a rule or route of this file may lead to its router {0} by another device than {1}; add \
         dev NAME"
    )]
    RouterElsewhere(IpAddr, InterfaceName),
    /// Of several ways an option takes the stanza's own device for each that names none.
    #[error("its way by {0} names no device, and is not by the stanza's own; add dev {1}")]
    WayElsewhere(IpAddr, InterfaceName),
    /// It replaces what others bring.
    #[error("it replaces {0}, if that is there, and an option replaces nothing of others")]
    Replaces(String),
    /// Two routes to one destination, with one metric.
    #[error(
        "append leaves {0} in its place and adds this one, which no option does; with a metric of \
         its own it needs no append"
    )]
    Appends(String),
    /// It takes out what it has not put in.
    #[error("nothing in this file puts in what it takes out")]
    NotOurs,
    /// The line that goes with it stays, too.
    #[error("a line that stays may put in what it takes out")]
    Pair,
    /// Another interface may be down, and the line does not mind.
    #[error("it is about {0}, which may not be up, and options mind")]
    Elsewhere(String),
    /// The guard would keep it out.
    #[error("another rule matches the pattern in front of it")]
    Guarded,
    /// It takes out what another stanza has put in.
    #[error("it is about what the stanza of {0} puts in")]
    OtherStanza(String),
    /// `ifup` would stop there.
    #[error("it fails when the interface comes up for the first time")]
    Fails,
    /// Where `ifup` stops, options are not in force.
    #[error("ifup fails at another line of the stanza")]
    IfupStops,
    /// Options are in force while the interface is up.
    #[error("it puts something in when the interface goes down")]
    AddsAtDown,
    /// Its rule has no priority of its own.
    #[error("line {0}, which stays, puts in a rule too, and the order of the two would change")]
    Beside(usize),
    /// What stays runs before the options act.
    #[error("line {0}, which stays, may need it")]
    NeededBy(usize),
    /// What stays would find nothing to take out.
    #[error("line {0}, which stays, takes it out")]
    Undone(usize),
    /// The options cannot say it.
    #[error("no options have exactly its effect")]
    Inexpressible,
    /// Rules of several stanzas.
    #[error("its order among the rules of {0} cannot be kept")]
    Order(String),
}
