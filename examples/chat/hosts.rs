//! The host names of the chat.

use std::net::SocketAddr;

/// The host names that were given on the command line.
#[derive(Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// Adds a host name. Without a port, it stands for all ports: a proxy may have another port
    /// than the chat.
    pub(crate) fn add(&mut self, name: &str) {
        self.0.push(name.to_ascii_lowercase());
    }

    /// Returns whether a `Host` header names the chat: by the address that the client has
    /// connected to, as `localhost`, or by a name of the command line.
    ///
    /// An address is safe: a page of another site has the name or the address of that site.
    pub(crate) fn contain(&self, host: &str, local: SocketAddr) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = split_port(&host);
        let host_and_port = format!("{name}:{}", port.unwrap_or("80"));
        let (ip, local_port) = (local.ip().to_canonical(), local.port());
        host_and_port == SocketAddr::new(ip, local_port).to_string()
            || ip.is_loopback() && host_and_port == format!("localhost:{local_port}")
            || self.0.iter().any(|allowed| *allowed == host || allowed == name)
    }
}

/// Splits a host into its name and its port. An IPv6 address in brackets has colons, too.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f83_the_hosts_of_the_chat_are_known() {
        let mut hosts = Hosts::default();
        hosts.add("Chat.example");
        hosts.add("other.example:8080");
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
            assert_eq!(
                hosts.contain(host, local.parse().unwrap()),
                expected,
                "{host} at {local}"
            );
        }
    }
}
