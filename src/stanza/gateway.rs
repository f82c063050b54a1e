//! `policy-gateway`: which address can be that of a router, and what `first` is.

use std::net::IpAddr;

use super::fault::OptionFault;
use super::stanza::{Gateway, Stanza};
use crate::routing::{Family, InterfaceAddress, Prefix};

/// What is wrong with an address as the router of an interface that has another one.
pub fn check_gateway(gateway: IpAddr, own: IpAddr, network: Prefix) -> Result<(), OptionFault> {
    let ends = [
        network.broadcast(),
        network.first_host().map(|_| network.address()),
    ];
    if Family::of(gateway) != Family::of(own) {
        Err(OptionFault::OtherFamily(
            Family::of(gateway),
            Family::of(own),
        ))
    } else if gateway == own {
        Err(OptionFault::OwnAddress)
    } else if gateway.is_unspecified() {
        Err(OptionFault::unspecified())
    } else if gateway.is_multicast() {
        Err(OptionFault::NoRouter("a multicast address", ""))
    } else if gateway.is_loopback() {
        Err(OptionFault::NoRouter("a loopback address", ""))
    } else if ends.contains(&Some(gateway)) || gateway == IpAddr::from([255; 4]) {
        Err(OptionFault::NoRouter(
            "the network's own or its broadcast address",
            "",
        ))
    } else {
        Ok(())
    }
}

/// The first host of an address's network, where that can be the router.
/// Errors: the network has none, or it is the address itself.
pub fn first_host(own: &InterfaceAddress) -> Result<IpAddr, OptionFault> {
    match own.network().first_host() {
        Some(first) if first != own.address => Ok(first),
        Some(_) => Err(OptionFault::FirstIsOwn),
        None => Err(OptionFault::NoFirst(own.network())),
    }
}

/// The value of `policy-gateway`.
pub fn read_gateway(text: &str, stanza: &Stanza) -> Result<Gateway, OptionFault> {
    match text {
        "auto" => Ok(Gateway::Auto(None)),
        "none" => Ok(Gateway::None),
        "first" => {
            if let Some(own) = &stanza.address {
                first_host(own)?;
            }
            Ok(Gateway::First)
        }
        _ => {
            let gateway = text
                .parse()
                .map_err(|_| OptionFault::Gateway(stanza.family))?;
            check_against(gateway, stanza)?;
            Ok(Gateway::Given(gateway))
        }
    }
}

/// Holds a gateway against the stanza's address, or only its family where it is not known yet.
pub fn check_against(gateway: IpAddr, stanza: &Stanza) -> Result<(), OptionFault> {
    let Some(own) = &stanza.address else {
        let nobody = stanza.family.unspecified();
        return match check_gateway(gateway, nobody, Prefix::host(nobody)) {
            // It is no address of this interface that is equal here.
            Err(OptionFault::OwnAddress) => Err(OptionFault::unspecified()),
            checked => checked,
        };
    };
    check_gateway(gateway, own.address, own.network())
}
