//! Connecting over TCP: one address of a host after the other, in threads, until one answers.

use alloc::{borrow::ToOwned, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use std::{
    io::{self, ErrorKind},
    net::{TcpStream, ToSocketAddrs},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Instant,
};

use super::limit::Limit;
use crate::adapter::{
    Error,
    race::{Race, RaceStep},
};

/// Connects to a host over TCP, with TCP_NODELAY set: the first step of
/// [`connect`](super::connect()), for a stream with options of its own.
///
/// The addresses of the host are tried as in [`connect_addresses`]. Within the same limit, the name
/// is resolved in a thread, because the system's resolver has no limit: after a timeout, that
/// thread ends when the resolver does. Without a limit, or for an IP address, there is no such
/// thread.
///
/// ```no_run
/// use core::time::Duration;
/// use sockless::{ClientRequest, adapter::{Settings, std_net}};
///
/// let request = ClientRequest::new("ws://example.com/")?;
/// let tcp = std_net::connect_tcp(request.host(), request.port(), Duration::from_secs(10))?;
/// tcp.set_ttl(64)?;
/// let (ws, _response) = std_net::client(tcp, &request, Settings::new())?;
/// # Ok::<(), sockless::adapter::Error>(())
/// ```
///
/// # Errors
/// The name cannot be resolved, no address takes the connection, or the limit has passed.
pub fn connect_tcp(host: &str, port: u16, limit: impl Into<Option<Duration>>) -> Result<TcpStream, Error> {
    connect_tcp_within(host, port, Limit::new(limit.into()))
}

pub(super) fn connect_tcp_within(host: &str, port: u16, limit: Limit) -> Result<TcpStream, Error> {
    resolve(host, port, limit)
        .and_then(|addresses| connect_within(addresses, limit))
        .map_err(|error| error.with_host(host, port))
}

/// Connects to the first of several addresses that answers, with TCP_NODELAY set (RFC 8305).
///
/// IPv6 and IPv4 addresses take turns. While an address does not answer, the next one is tried
/// after 250 ms, or as soon as an attempt fails; at most 32 are tried. The other connections are
/// closed.
///
/// If there are several addresses, each attempt has a thread. An attempt that is not needed any
/// more ends with the limit, or, without one, when the operating system gives up.
///
/// # Errors
/// No address takes the connection: the error is that of the last attempt. Or the limit has passed:
/// [`Error::TimedOut`].
pub fn connect_addresses(
    addresses: impl IntoIterator<Item = SocketAddr>,
    limit: impl Into<Option<Duration>>,
) -> Result<TcpStream, Error> {
    connect_within(addresses, Limit::new(limit.into()))
}

fn connect_within(addresses: impl IntoIterator<Item = SocketAddr>, limit: Limit) -> Result<TcpStream, Error> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let tcp = match *addresses {
        [address] => connect(address, limit).map_err(|error| limit.explain(error))?,
        _ => race(addresses, limit, connect)?,
    };
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

fn connect(address: SocketAddr, limit: Limit) -> io::Result<TcpStream> {
    match limit.left() {
        Some(Duration::ZERO) => Err(ErrorKind::TimedOut.into()),
        Some(left) => TcpStream::connect_timeout(&address, left),
        None => TcpStream::connect(address),
    }
}

fn resolve(host: &str, port: u16, limit: Limit) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Vec::from([SocketAddr::new(address, port)]));
    }
    let Some(left) = limit.left() else {
        return Ok((host, port).to_socket_addrs()?.collect());
    };
    let (sender, resolved) = mpsc::channel();
    let host = host.to_owned();
    spawn("resolve", move || {
        let addresses = (&*host, port).to_socket_addrs().map(Iterator::collect);
        // After a timeout, nobody receives it.
        let _sent = sender.send(addresses);
    })?;
    match resolved.recv_timeout(left) {
        Ok(addresses) => Ok(addresses?),
        Err(RecvTimeoutError::Timeout) => Err(limit.timed_out()),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the resolver has panicked").into()),
    }
}

/// Connects to the addresses in threads until the first one succeeds.
fn race<T: Send + 'static>(
    addresses: Vec<SocketAddr>,
    limit: Limit,
    connect: impl Fn(SocketAddr, Limit) -> io::Result<T> + Clone + Send + 'static,
) -> Result<T, Error> {
    let mut race = Race::new(addresses);
    // A connection that is too late is dropped, and closed, because nobody receives it.
    let (sender, attempts) = mpsc::channel();
    loop {
        let wait_until = match race.step(Instant::now()) {
            RaceStep::Connect(address) => {
                let (sender, connect) = (sender.clone(), connect.clone());
                let attempt = spawn("connect", move || _ = sender.send(connect(address, limit)));
                if let Err(error) = attempt {
                    race.failed(error);
                }
                continue;
            }
            RaceStep::Wait(until) => until,
            RaceStep::Failed(error) => return Err(limit.explain(error)),
        };
        let left = wait_until.into_iter().chain(limit.deadline()).min();
        let attempt = match left {
            Some(at) => attempts.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => attempts.recv().map_err(RecvTimeoutError::from),
        };
        match attempt {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => race.failed(error),
            Err(_) if limit.has_passed() => return Err(limit.timed_out()),
            Err(_) => {}
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::timers::Due;

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, number], 80))
    }

    /// F64: An address that never answers does not keep the connection from another one, with or
    /// without a limit.
    #[test]
    fn f64_a_silent_address_does_not_block_the_others() {
        for limit in [Limit::new(None), Limit::new(Some(Duration::from_secs(3600)))] {
            let silent = Arc::new(std::sync::Barrier::new(2));
            let connect = {
                let silent = Arc::clone(&silent);
                move |to: SocketAddr, _: Limit| match to {
                    _ if to == address(1) => {
                        silent.wait();
                        Err(ErrorKind::TimedOut.into())
                    }
                    _ if to == address(2) => Err(ErrorKind::ConnectionRefused.into()),
                    _ => Ok(to),
                }
            };
            let connected = race([1, 2, 3].map(address).to_vec(), limit, connect);
            assert_eq!(connected.unwrap(), address(3));
            silent.wait();
        }
    }

    /// If no address answers, the limit ends the attempt. If all fail, the last error is returned.
    #[test]
    fn f64_the_limit_covers_all_addresses() {
        let (_keep, silent) = mpsc::channel::<()>();
        let silent = Arc::new(std::sync::Mutex::new(silent));
        let limit = Limit::new(Some(Duration::from_millis(50)));
        let connect = move |_, _| match silent.lock() {
            Ok(silent) => silent.recv().map_err(|_| ErrorKind::BrokenPipe.into()),
            Err(_) => Ok(()),
        };
        let error = race([1, 2].map(address).to_vec(), limit, connect).unwrap_err();
        assert!(matches!(error, Error::TimedOut { due: Due::Handshake, limit } if limit == Duration::from_millis(50)));

        let refuse = |_, _| Err::<(), _>(ErrorKind::ConnectionRefused.into());
        let error = race([1, 2].map(address).to_vec(), Limit::new(None), refuse).unwrap_err();
        assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused));
    }
}
