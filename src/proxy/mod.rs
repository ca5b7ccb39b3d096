//! Tunnels through an HTTP proxy, by the method CONNECT (RFC 9110, section 9.3.6).
//!
//! "If the client is configured to use a proxy when using the WebSocket Protocol … then the client
//! SHOULD connect to that proxy and ask it to open a TCP connection to the host given by /host/ and
//! the port given by /port/" (RFC 6455, section 4.1). [`Connect`] asks, and reads the answer: bytes
//! in, bytes out, as everywhere in this crate. `connect_with` of the adapters does the rest, with
//! `adapter::ConnectOptions::proxy`.
//!
//! ```
//! use sockless::{Config, proxy::Proxy};
//!
//! let proxy = Proxy::new("http://Aladdin:open%20sesame@proxy.example:3128")?;
//! // To send to `proxy.host()` and `proxy.port()`:
//! let mut out = Vec::new();
//! let mut connect = proxy.connect("example.com", 443, &Config::new(), &mut out)?;
//! assert!(out.starts_with(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n"));
//!
//! let mut received = *b"HTTP/1.1 200 Connection established\r\n\r\nhello";
//! let mut input = &mut received[..];
//! let response = connect.receive(&mut input)?.expect("the head is complete");
//! assert_eq!(response.status(), 200);
//! // The first bytes that come through the tunnel. TLS or the opening handshake is next.
//! assert_eq!(input, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod http_connect;

use alloc::{string::String, vec::Vec};
use core::fmt;

pub use self::{error::ProxyError, http_connect::Connect};
use crate::{
    config::Config,
    error::LocalHandshakeError,
    escaped::RedactedFields,
    handshake::{
        basic_auth::basic_credentials,
        proxy_url::{ProxyUrl, check_tunnel},
        url::with_port,
    },
    http::write_field,
};

/// An HTTP proxy: its address, and what it is sent besides the address of the server.
///
/// The `Debug` output has `<redacted>` in place of credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// An IPv6 address has no brackets.
    host: String,
    port: u16,
    headers: Vec<(String, String)>,
}

impl Proxy {
    /// Returns the proxy at `http://[user[:password]@]host[:port]`. The default port is 80. User
    /// name and password may be percent-encoded; they are sent as [`basic_auth`](Self::basic_auth)
    /// sends them.
    ///
    /// The connection to the proxy itself has no TLS: an `https` proxy is refused. What is inside
    /// of the tunnel may have it.
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the URL.
    pub fn new(url: &str) -> Result<Self, LocalHandshakeError> {
        let ProxyUrl {
            host,
            port,
            credentials,
        } = ProxyUrl::parse(url)?;
        let proxy = Self {
            host,
            port,
            headers: Vec::new(),
        };
        match credentials {
            Some((user, password)) => proxy.basic_auth(&user, &password),
            None => Ok(proxy),
        }
    }

    /// Adds a `Proxy-Authorization` header with a user name and a password (RFC 7617). Anyone who
    /// sees the connection to the proxy can read them.
    ///
    /// # Errors
    /// The user name has a colon, or one of them has a control character.
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self, LocalHandshakeError> {
        Ok(self.header("Proxy-Authorization", basic_credentials(user, password)?))
    }

    /// Adds a header for the proxy, such as `User-Agent`.
    ///
    /// [`connect`](Self::connect) fails with one that the request has already or must not have:
    /// `Host`, `Connection`, `Upgrade`, `Origin`, `Sec-WebSocket-…`, or one that announces a body.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the host to connect to, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port to connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Appends the request for a tunnel to a server, and returns what reads the answer. `host` may
    /// be an IPv6 address with or without brackets.
    ///
    /// Of the configuration, [`max_head_size`](Config::max_head_size),
    /// [`max_headers`](Config::max_headers) and [`max_refusal_body`](Config::max_refusal_body)
    /// limit the answer.
    ///
    /// # Errors
    /// The host, or a header, cannot be sent. Nothing was appended.
    pub fn connect(
        &self,
        host: &str,
        port: u16,
        config: &Config,
        out: &mut Vec<u8>,
    ) -> Result<Connect, LocalHandshakeError> {
        let authority = with_port(host, port);
        check_tunnel(&authority, &self.headers)?;
        for part in ["CONNECT ", &authority, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_field(out, "Host", authority.as_bytes());
        for (name, value) in &self.headers {
            write_field(out, name, value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        Ok(Connect::new(config))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("headers", &RedactedFields(&self.headers))
            .finish()
    }
}
