//! The host names of the chat.

use std::net::SocketAddr;

/// Returns the hosts that a request to `local` may be for, for `Accept::hosts`: the address that
/// the client has connected to, `localhost` if that is of this computer, and the `names` of the
/// command line. A name without a port stands for all ports: a proxy may have another port than
/// the chat.
///
/// An address is safe: a page of another site has the name or the address of that site.
pub(crate) fn hosts_at(local: SocketAddr, names: &[String]) -> Vec<String> {
    let (ip, port) = (local.ip().to_canonical(), local.port());
    let mut hosts = names.to_vec();
    hosts.push(SocketAddr::new(ip, port).to_string());
    if ip.is_loopback() {
        hosts.push(format!("localhost:{port}"));
    }
    hosts
}

#[cfg(test)]
mod tests {
    use sockless::{Accept, Request};

    use super::*;

    /// Returns whether a chat at `local` accepts a request for `host`.
    fn is_accepted(host: &str, local: &str) -> bool {
        let names = ["Chat.example", "other.example:8080"].map(String::from);
        let hosts = hosts_at(local.parse().unwrap(), &names);
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let headers = [
            ("Host", host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        let headers = headers.map(|(name, value)| (name, value.as_bytes()));
        Request::from_list("GET", "/", headers)
            .is_ok_and(|request| request.check_origin(&Accept::new().hosts(&hosts)).is_ok())
    }

    #[test]
    fn f83_the_hosts_of_the_chat_are_known() {
        for (local, host, expected) in [
            ("127.0.0.1:9001", "127.0.0.1:9001", true),
            ("127.0.0.1:9001", "localhost:9001", true),
            ("127.0.0.1:9001", "LocalHost:9001", true),
            ("[::1]:9001", "[::1]:9001", true),
            ("[::1]:9001", "localhost:9001", true),
            ("[::ffff:127.0.0.1]:9001", "127.0.0.1:9001", true),
            ("192.0.2.1:80", "192.0.2.1", true),
            ("127.0.0.1:9001", "chat.example", true),
            ("127.0.0.1:9001", "CHAT.example:443", true),
            ("127.0.0.1:9001", "other.example:8080", true),
            ("127.0.0.1:9001", "other.example", false),
            ("127.0.0.1:9001", "", false),
            ("127.0.0.1:9001", "localhost", false),
            ("127.0.0.1:9001", "localhost:9002", false),
            ("127.0.0.1:9001", "localhost.evil.example:9001", false),
            ("127.0.0.1:9001", "evil.example:9001", false),
            ("127.0.0.1:9001", "evil-chat.example", false),
            ("127.0.0.1:9001", "[::1]:9001", false),
            ("[::1]:9001", "::1:9001", false),
            ("192.0.2.1:9001", "localhost:9001", false),
        ] {
            assert_eq!(is_accepted(host, local), expected, "{host} at {local}");
        }
    }
}
