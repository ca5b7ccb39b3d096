//! Which address of a host to connect to when ("Happy Eyeballs", RFC 8305).

use alloc::vec::{self, Vec};
use core::{mem, net::SocketAddr, time::Duration};
use std::{
    io::{self, ErrorKind},
    time::Instant,
};

/// How long an attempt has before the next one starts beside it (RFC 8305, section 8: "Connection
/// Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many addresses of a host are tried. The answer of a name server may have thousands.
const MAX_ADDRESSES: usize = 32;

/// The attempts to connect to one host. It neither connects nor waits.
#[derive(Debug)]
pub(super) struct Race {
    untried: vec::IntoIter<SocketAddr>,
    /// How many attempts are neither successful nor failed.
    in_progress: usize,
    /// When the next attempt starts. `None`: at once.
    next_at: Option<Instant>,
    /// The error of the last attempt that failed.
    error: io::Error,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum RaceStep {
    /// Start an attempt.
    Connect(SocketAddr),
    /// Wait until an attempt ends, at most until this instant if there is one.
    Wait(Option<Instant>),
    /// All attempts have failed. The error is that of the last one.
    Failed(io::Error),
}

impl Race {
    /// Returns the race to the addresses of a host, in the order of preference.
    pub(super) fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            untried: interleave(addresses).into_iter(),
            in_progress: 0,
            next_at: None,
            error: io::Error::new(ErrorKind::NotFound, "the host has no address"),
        }
    }

    /// Returns what to do next.
    pub(super) fn step(&mut self, now: Instant) -> RaceStep {
        match self.next_at {
            Some(at) if now < at && self.untried.len() > 0 => RaceStep::Wait(Some(at)),
            _ => match self.untried.next() {
                Some(address) => {
                    self.in_progress += 1;
                    self.next_at = Some(now + ATTEMPT_DELAY);
                    RaceStep::Connect(address)
                }
                None if self.in_progress > 0 => RaceStep::Wait(None),
                None => RaceStep::Failed(mem::replace(&mut self.error, ErrorKind::NotConnected.into())),
            },
        }
    }

    /// Notes that an attempt has failed. The next one starts at once.
    pub(super) fn failed(&mut self, error: io::Error) {
        self.error = error;
        self.in_progress -= 1;
        self.next_at = None;
    }
}

/// Returns the addresses to try: IPv6 and IPv4 in turn, beginning with the family of the first one
/// (RFC 8305, section 4). So a host whose addresses of one family are all unreachable costs one
/// delay.
fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.into_iter().peekable();
    let first_is_ipv6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut interleaved = Vec::new();
    while interleaved.len() < MAX_ADDRESSES && first.len() + second.len() > 0 {
        interleaved.extend(first.next());
        interleaved.extend(second.next());
    }
    interleaved.truncate(MAX_ADDRESSES);
    interleaved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// The addresses that are tried, and when, if the attempts fail at the given instants.
    fn schedule(addresses: &[SocketAddr], failures: &[u64]) -> Vec<(u64, SocketAddr)> {
        let start = Instant::now();
        let mut race = Race::new(addresses.iter().copied());
        let mut failures = failures.iter().copied().peekable();
        let (mut now, mut tried) = (0, Vec::new());
        loop {
            match race.step(start + Duration::from_millis(now)) {
                RaceStep::Connect(address) => tried.push((now, address)),
                RaceStep::Wait(until) => {
                    let until = until.map(|at| u64::try_from((at - start).as_millis()).unwrap());
                    match failures.peek() {
                        Some(&at) if until.is_none_or(|until| at <= until) => {
                            failures.next();
                            race.failed(ErrorKind::ConnectionRefused.into());
                            now = at;
                        }
                        _ => match until {
                            Some(until) => now = until,
                            None => return tried,
                        },
                    }
                }
                RaceStep::Failed(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                    return tried;
                }
            }
        }
    }

    /// F64: An address that does not answer delays the next one by 250 ms, one that fails does not.
    #[test]
    fn f64_a_silent_address_delays_the_next_by_250_ms() {
        let [a, b, c] = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"].map(address);
        assert_eq!(schedule(&[a, b, c], &[]), [(0, a), (250, b), (500, c)]);
        assert_eq!(schedule(&[a, b, c], &[10]), [(0, a), (10, b), (260, c)]);
        assert_eq!(schedule(&[a, b, c], &[10, 20, 30]), [(0, a), (10, b), (20, c)]);
        assert_eq!(schedule(&[a, b, c], &[300, 400]), [(0, a), (250, b), (300, c)]);
        assert_eq!(schedule(&[a], &[100]), [(0, a)]);
    }

    /// F64: The families take turns. The first family is that of the first address.
    #[test]
    fn f64_the_families_of_addresses_take_turns() {
        let [a, b, c] = ["[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::3]:80"].map(address);
        let [x, y] = ["192.0.2.1:80", "192.0.2.2:80"].map(address);
        assert_eq!(interleave([a, b, c, x, y]), [a, x, b, y, c]);
        assert_eq!(interleave([x, a, b, c, y]), [x, a, y, b, c]);
        assert_eq!(interleave([y, x]), [y, x]);
        assert_eq!(interleave([]), []);
    }

    /// A host with many addresses is tried at 32, of both families.
    #[test]
    fn f64_the_number_of_attempts_is_bounded() {
        let many = (0..5000).map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let last = address("[2001:db8::1]:80");
        let tried = interleave(many.chain([last]));
        assert_eq!((tried.len(), tried[1]), (MAX_ADDRESSES, last));
    }

    #[test]
    fn a_host_without_addresses_is_not_found() {
        let mut race = Race::new([]);
        assert!(matches!(race.step(Instant::now()), RaceStep::Failed(error) if error.kind() == ErrorKind::NotFound));
    }
}
