//! What others have that decides what becomes of a stanza's packets, asked of the kernel at once.

use neli::consts::rtnl::Rtm;
use nix::errno::Errno;

use super::address::{self, Assigned, Standing};
use super::kernel::{Kernel, KernelError};
use super::route;
use crate::routing::{Family, Surroundings, WIDEST};

impl Kernel {
    /// Adds to rules that are noted already what they look up, and the addresses of all devices.
    pub fn look_around(&mut self, around: &mut Surroundings) -> Result<(), KernelError> {
        for (family, table) in around.tables() {
            // Of the hundred thousand routes that there may be, a few are read.
            let routes = self.list_routes(family, table, None, |kernel, payload| match payload
                .get(DESTINATION_LENGTH)
            {
                Some(length) if *length <= WIDEST => {
                    route::decode(payload, |index| kernel.device(index))
                }
                _ => Ok(None),
            })?;
            let routes: Vec<_> = routes
                .into_iter()
                .filter(|route| route.table == table)
                .collect();
            around.note_routes(family, table, &routes);
        }
        for family in Family::ALL {
            self.filter_dumps()?;
            let what = format!("{} addresses", family.name());
            let encode = || address::encode_dump(family, 0);
            let found = self.dump_of(family, &what, Rtm::Getaddr, encode, |_, payload| {
                address::decode_any(payload)
            });
            let found = match found {
                Err(KernelError::Dump { refusal, .. }) if is_unknown(refusal.errno) => Vec::new(),
                found => found?,
            };
            // Of a family that it does not know a kernel may list what it has of others.
            let of_family = |(_, assigned): &(u32, Assigned)| assigned.address.family() == family;
            for (index, assigned) in found.into_iter().filter(of_family) {
                let device = self.device(index);
                if let Some(device) = device.filter(|_| assigned.standing == Standing::Usable) {
                    let label = assigned.label.and_then(|label| label.parse().ok());
                    if let Some(alias) = label.filter(|label| *label != device) {
                        let key = (device.clone(), assigned.address.address);
                        around.labels.insert(key, alias);
                    }
                    let of_device = around.addresses.entry(device).or_default();
                    of_device.push(assigned.address);
                }
            }
        }
        Ok(())
    }
}

/// What a kernel says of a family that it was booted without.
fn is_unknown(errno: Errno) -> bool {
    matches!(errno, Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
}

/// Where `rtm_dst_len` stands in a message about a route.
const DESTINATION_LENGTH: usize = 1;
