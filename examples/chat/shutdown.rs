//! How the chat ends: with a Close frame to each guest, also after Ctrl-C.
//!
//! The standard library has no handlers for signals. On Unix, the chat therefore runs in a child
//! process, in a process group of its own, so that the signals of the terminal end the parent only.
//! The parent holds the other end of the child's standard input. Whatever ends the parent, the
//! child sees the end of its input, closes the connections of its guests, and ends. A supervisor
//! must signal the parent only (`KillMode=process` of systemd).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
#[cfg(unix)]
use std::{
    env,
    os::unix::process::CommandExt,
    process::{Command, ExitCode, Stdio},
};

use sockless::CloseCode;

use crate::limits::Limits;
use crate::lock;
use crate::room::Room;

/// How long the guests may take to answer the Close frame.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the chat in a child process, which ends after this one.
#[cfg(unix)]
pub(crate) fn run_in_child(args: &[String]) -> io::Result<ExitCode> {
    let mut child = Command::new(env::current_exe()?)
        .args(args)
        .arg("--until-eof")
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()?;
    // `wait` would close it.
    let _stdin = child.stdin.take();
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Starts a thread that waits for the end of the standard input, and then makes the thread continue
/// that accepts connections at `local`.
pub(crate) fn watch_stdin(has_ended: &'static AtomicBool, local: SocketAddr) -> io::Result<()> {
    let wait = move || {
        // An error is an end, too.
        let _result = io::copy(&mut io::stdin(), &mut io::sink());
        has_ended.store(true, Ordering::SeqCst);
        // `accept` of std cannot be interrupted, but by a connection.
        let _result = TcpStream::connect_timeout(&reachable(local), TIMEOUT);
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Closes the connections of all guests, and waits until they have ended, for a limited time.
pub(crate) fn close_all(room: &Mutex<Room>, limits: &Mutex<Limits>) {
    lock(room).close(CloseCode::GOING_AWAY, "the chat has ended");
    let deadline = Instant::now() + TIMEOUT;
    while lock(limits).has_connections() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the address at which this computer reaches a listener that may listen on all addresses.
fn reachable(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_the_loopback_interface() {
        for (local, expected) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("192.0.2.1:3", "192.0.2.1:3"),
        ] {
            assert_eq!(reachable(local.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
