//! `socks`: through `microsocks` of Debian.

use std::{
    io::{self, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use sockless::adapter::std_net;

use crate::process::Process;

pub(crate) const SOCKS: &str = env!("CARGO_BIN_EXE_socks");

/// Starts an echo server for one connection. Returns its URL, with a name that the proxy resolves.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut ws = std_net::accept(listener.accept().unwrap().0).unwrap();
        while let Some(message) = ws.recv().unwrap() {
            ws.send(message).unwrap();
        }
    });
    format!("ws://localhost:{port}/")
}

/// Starts a proxy for the user `ann` with the password `secret`. Returns its address too, or
/// `None`, and says so, if there is no `microsocks` on this computer.
fn proxy(test: &str) -> Option<(Process, String)> {
    if Command::new("microsocks").arg("-h").output().is_err() {
        // Not `eprintln`, whose output is shown only for tests that fail.
        let what = "there is no microsocks in PATH (Debian: apt-get install microsocks)";
        let _result = writeln!(io::stderr(), "\n*** {test} is SKIPPED: {what}");
        return None;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let args = ["-i", "127.0.0.1", "-p", &port, "-u", "ann", "-P", "secret"];
    let proxy = Process::start("microsocks", &args);
    let address = format!("127.0.0.1:{port}");
    let started = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "microsocks does not listen"
        );
        thread::sleep(Duration::from_millis(10));
    }
    Some((proxy, address))
}

#[test]
fn a_websocket_through_a_socks_proxy() {
    let Some((_proxy, address)) = proxy("a_websocket_through_a_socks_proxy") else {
        return;
    };
    let args = ["--user", "ann:secret", "--message", "Grüße", &address, &echo()];
    let (status, stdout, stderr) = Process::start(SOCKS, &args).end();
    assert_eq!((status, stdout.as_str()), (Some(0), "Grüße"), "{stderr}");
}

#[test]
fn a_socks_proxy_that_refuses() {
    let Some((_proxy, address)) = proxy("a_socks_proxy_that_refuses") else {
        return;
    };
    let url = echo();
    for (user, url, mistake) in [
        ("ann:wrong", url.as_str(), "Password auth failure"),
        ("ann:secret", "ws://127.0.0.1:1/", "Connection refused"),
    ] {
        let (status, _, stderr) = Process::start(SOCKS, &["--user", user, &address, url]).end();
        assert_eq!(status, Some(1), "{stderr}");
        assert!(stderr.starts_with(&format!("socks: the proxy {address}: ")), "{stderr}");
        assert!(stderr.contains(mistake), "{stderr}");
    }
}

#[test]
fn a_url_that_needs_tls() {
    let (status, _, stderr) = Process::start(SOCKS, &["127.0.0.1:1", "wss://127.0.0.1:1/"]).end();
    assert_eq!(status, Some(2));
    assert!(stderr.contains("no TLS"), "{stderr}");
}
