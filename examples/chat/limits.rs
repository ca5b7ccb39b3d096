//! How many connections there may be, in total and for one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::bucket::Bucket;
use crate::lock;

/// Each connection has two threads.
const MAX_CONNECTIONS: usize = 400;
/// Many guests may share an address: behind an address translator or a proxy.
const MAX_CONNECTIONS_OF_ADDRESS: usize = 100;
/// How many connections an address may open at once, and then in a second.
///
/// At once, they can send [`MESSAGE_BURST`](crate::bucket::MESSAGE_BURST) bytes each. That is less
/// than the queues of the others hold.
const CONNECTION_BURST: f64 = 200.0;
const CONNECTIONS_PER_SECOND: f64 = 10.0;
/// How many guests of an address are announced by name when they join at once, and then in a
/// second.
const ANNOUNCEMENT_BURST: f64 = 20.0;
const ANNOUNCEMENTS_PER_SECOND: f64 = 0.5;
/// How many connections over the limits get a response at the same time. Others are closed
/// without one.
const MAX_REFUSALS: usize = 50;
/// From this number of addresses on, those are forgotten that have no connection and full buckets.
const MANY_ADDRESSES: usize = 1000;

/// The state of the limits.
#[derive(Default)]
pub(crate) struct Limits {
    connections: usize,
    refusals: usize,
    addresses: HashMap<IpAddr, Address>,
}

struct Address {
    connections: usize,
    connection_bucket: Bucket,
    announcement_bucket: Bucket,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The address has too many connections.
    AddressIsFull,
    /// The address has opened too many connections in a short time.
    AddressIsFast,
    /// There are too many connections in total.
    ChatIsFull,
}

impl Refusal {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::AddressIsFull | Self::AddressIsFast => 429,
            Self::ChatIsFull => 503,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::AddressIsFull => "Your address has too many connections to the chat.\n",
            Self::AddressIsFast => "Your address has opened too many connections to the chat in a short time.\n",
            Self::ChatIsFull => "The chat is full.\n",
        }
    }
}

/// The permission for a connection, or for the response that refuses it. It is returned when it is
/// dropped.
pub(crate) struct Permit {
    limits: Arc<Mutex<Limits>>,
    address: IpAddr,
    refusal: Option<Refusal>,
}

/// Counts a new connection. Returns `None` if it shall be closed without a response.
pub(crate) fn admit(limits: &Arc<Mutex<Limits>>, address: IpAddr, now: Instant) -> Option<Permit> {
    let address = network(address);
    let refusal = lock(limits).count(address, now).err();
    if refusal.is_some() {
        let mut limits = lock(limits);
        if limits.refusals == MAX_REFUSALS {
            return None;
        }
        limits.refusals += 1;
    }
    let limits = Arc::clone(limits);
    Some(Permit {
        limits,
        address,
        refusal,
    })
}

impl Permit {
    /// Returns why the connection is refused. `None`: it is admitted.
    pub(crate) const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Returns whether a guest that joins is announced by name.
    pub(crate) fn take_announcement(&self, now: Instant) -> bool {
        let mut limits = lock(&self.limits);
        let address = limits.addresses.get_mut(&self.address);
        address.is_some_and(|address| address.announcement_bucket.take(1.0, now))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut limits = lock(&self.limits);
        if self.refusal.is_some() {
            limits.refusals -= 1;
            return;
        }
        limits.connections -= 1;
        if let Some(address) = limits.addresses.get_mut(&self.address) {
            address.connections -= 1;
        }
    }
}

impl Limits {
    /// Returns whether a connection is open that was admitted.
    pub(crate) const fn has_connections(&self) -> bool {
        self.connections > 0
    }

    fn count(&mut self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if self.connections >= MAX_CONNECTIONS {
            return Err(Refusal::ChatIsFull);
        }
        if self.addresses.len() >= MANY_ADDRESSES {
            self.addresses.retain(|_, address| !address.is_idle(now));
        }
        let address = self.addresses.entry(address).or_insert_with(|| Address::new(now));
        if address.connections >= MAX_CONNECTIONS_OF_ADDRESS {
            return Err(Refusal::AddressIsFull);
        }
        if !address.connection_bucket.take(1.0, now) {
            return Err(Refusal::AddressIsFast);
        }
        address.connections += 1;
        self.connections += 1;
        Ok(())
    }
}

impl Address {
    const fn new(now: Instant) -> Self {
        Self {
            connections: 0,
            connection_bucket: Bucket::new(CONNECTION_BURST, CONNECTIONS_PER_SECOND, now),
            announcement_bucket: Bucket::new(ANNOUNCEMENT_BURST, ANNOUNCEMENTS_PER_SECOND, now),
        }
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.connections == 0 && self.connection_bucket.is_full(now) && self.announcement_bucket.is_full(now)
    }
}

/// Returns what is counted as one address: of IPv6, a network of 64 bits, which one host can have
/// for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn refusal(limits: &Arc<Mutex<Limits>>, address: IpAddr, now: Instant) -> Option<Refusal> {
        admit(limits, address, now).expect("there are few refusals").refusal()
    }

    #[test]
    fn f71_an_address_may_have_a_number_of_connections() {
        let (limits, now) = (Arc::default(), Instant::now());
        let mut open: Vec<_> = (0..MAX_CONNECTIONS_OF_ADDRESS)
            .map(|_| admit(&limits, address(1), now).unwrap())
            .collect();
        assert!(open.iter().all(|permit| permit.refusal().is_none()));
        assert_eq!(refusal(&limits, address(1), now), Some(Refusal::AddressIsFull));
        assert_eq!(refusal(&limits, address(2), now), None);
        open.pop();
        assert_eq!(refusal(&limits, address(1), now), None);
    }

    #[test]
    fn f71_an_address_may_open_a_number_of_connections_in_a_time() {
        let (limits, now) = (Arc::default(), Instant::now());
        for _ in 0..CONNECTION_BURST as usize {
            assert_eq!(refusal(&limits, address(1), now), None);
        }
        assert_eq!(refusal(&limits, address(1), now), Some(Refusal::AddressIsFast));
        assert_eq!(refusal(&limits, address(2), now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!(refusal(&limits, address(1), later), None);
    }

    #[test]
    fn f71_the_chat_may_have_a_number_of_connections() {
        let (limits, now) = (Arc::default(), Instant::now());
        let open: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|n| admit(&limits, address((n / MAX_CONNECTIONS_OF_ADDRESS) as u8), now).unwrap())
            .collect();
        assert!(open.iter().all(|permit| permit.refusal().is_none()));
        assert_eq!(refusal(&limits, address(200), now), Some(Refusal::ChatIsFull));
        let refused: Vec<_> = (0..MAX_REFUSALS).map(|_| admit(&limits, address(200), now)).collect();
        assert!(refused.iter().all(Option::is_some));
        assert!(admit(&limits, address(200), now).is_none());
        drop((open, refused));
        assert_eq!(refusal(&limits, address(200), now), None);
    }

    #[test]
    fn f71_announcements_are_limited_for_each_address() {
        let (limits, now) = (Arc::default(), Instant::now());
        let permit = admit(&limits, address(1), now).unwrap();
        let announced = (0..100).filter(|_| permit.take_announcement(now)).count();
        assert_eq!(announced, ANNOUNCEMENT_BURST as usize);
        assert!(admit(&limits, address(2), now).unwrap().take_announcement(now));
    }

    #[test]
    fn f71_addresses_are_forgotten_when_their_buckets_are_full_again() {
        let (limits, now) = (Arc::default(), Instant::now());
        for n in 0..MANY_ADDRESSES as u32 {
            assert_eq!(refusal(&limits, IpAddr::V4(n.into()), now), None);
        }
        assert_eq!(lock(&limits).addresses.len(), MANY_ADDRESSES);
        assert_eq!(refusal(&limits, address(1), now + Duration::from_secs(60)), None);
        assert_eq!(lock(&limits).addresses.len(), 1);
    }

    #[test]
    fn f71_an_ipv6_network_counts_as_one_address() {
        let [one, two, other]: [IpAddr; 3] =
            ["2001:db8:0:1::1", "2001:db8:0:1:ff::2", "2001:db8:0:2::1"].map(|address| address.parse().unwrap());
        assert_eq!(network(one), network(two));
        assert_ne!(network(one), network(other));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), address(1));
    }
}
