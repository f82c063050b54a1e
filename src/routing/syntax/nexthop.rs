//! The ways of a route in its line, both ways.

use std::fmt;
use std::net::IpAddr;

use super::numbers;
use super::words::{abbreviates, LineError, Words};
use crate::routing::{parse_number, Family, Hop};

pub(crate) fn address(
    words: &mut Words<'_>,
    family: &mut Option<Family>,
) -> Result<IpAddr, LineError> {
    let value = words.value()?;
    let address = value
        .parse()
        .map_err(|_| words.wrong(value, "an address"))?;
    words.settle(family, Family::of(address), value)?;
    Ok(address)
}

/// A router, of the other family where `inet` or `inet6` says so.
pub(crate) fn gateway(
    words: &mut Words<'_>,
    family: &mut Option<Family>,
) -> Result<IpAddr, LineError> {
    let Some(said) = words.value_if(|word| matches!(word, "inet" | "inet6")) else {
        return address(words, family);
    };
    let mut of_gateway = Some(if said == "inet" {
        Family::Inet
    } else {
        Family::Inet6
    });
    address(words, &mut of_gateway)
}

pub(crate) fn nexthop(
    words: &mut Words<'_>,
    family: &mut Option<Family>,
) -> Result<Hop, LineError> {
    let mut hop = Hop::direct();
    let is_about_hop = |word: &str| {
        matches!(
            word,
            "via" | "dev" | "oif" | "weight" | "onlink" | "linkdown" | "dead" | "pervasive"
        ) || abbreviates(word, "realms")
    };
    while words.keyword_if(is_about_hop) {
        match words.last() {
            "via" => hop.gateway = Some(gateway(words, family)?),
            "dev" | "oif" => hop.device = Some(words.device()?),
            "onlink" => hop.onlink = true,
            "weight" => {
                hop.weight = words.parsed("a weight of 1 to 256", |text| {
                    let weight =
                        parse_number(text).and_then(|weight| u16::try_from(weight).ok())?;
                    Some(weight).filter(|weight| (1..=256).contains(weight))
                })?;
            }
            "linkdown" | "dead" | "pervasive" => {}
            _ => hop.realms = words.parsed("REALM or FROM/TO, of 0 to 255", numbers::realms)?,
        }
    }
    Ok(hop)
}

pub(crate) fn write_way(f: &mut fmt::Formatter<'_>, hop: &Hop, family: Family) -> fmt::Result {
    match hop.gateway {
        Some(gateway) if Family::of(gateway) == family => write!(f, " via {gateway}")?,
        Some(gateway) => write!(f, " via {} {gateway}", Family::of(gateway))?,
        None => {}
    }
    match &hop.device {
        Some(device) => write!(f, " dev {device}"),
        None => Ok(()),
    }
}

pub(crate) fn write_nexthop(f: &mut fmt::Formatter<'_>, hop: &Hop, family: Family) -> fmt::Result {
    f.write_str(" nexthop")?;
    write_way(f, hop, family)?;
    write!(f, " weight {}", hop.weight)?;
    if hop.realms != 0 {
        write!(f, " realms {}", numbers::realms_text(hop.realms))?;
    }
    f.write_str(if hop.onlink { " onlink" } else { "" })
}
