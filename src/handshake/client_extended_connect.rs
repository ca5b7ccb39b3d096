//! A client's extended CONNECT (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3).

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use super::{client_request::ClientRequest, expected::Expected};
use crate::{
    config::Config,
    error::LocalHandshakeError,
    escaped::{RedactedUrl, RedactedValue},
};

impl ClientRequest {
    /// Returns the fields of an extended CONNECT over HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), for a
    /// client that has an implementation of that protocol.
    ///
    /// The scheme is `https` for a `wss` URL, and `http` for a `ws` URL and for
    /// [`from_parts`](Self::from_parts).
    ///
    /// The caller must have received `SETTINGS_ENABLE_CONNECT_PROTOCOL` with the value 1 from the
    /// server (RFC 8441, section 3). It sends the fields without END_STREAM, passes the response to
    /// [`Expected::check_response`], and continues with [`Connection::upgraded_client`] on the
    /// stream.
    ///
    /// ```
    /// use sockless::{ClientRequest, Config, Connection};
    ///
    /// let request = ClientRequest::new("wss://example.com/chat")?.subprotocol("chat.v1");
    /// let config = Config::default();
    /// let (fields, expected) = request.connect_fields(&config)?;
    /// let sent: Vec<(&str, &str)> = fields.iter().collect();
    /// assert_eq!(
    ///     sent,
    ///     [
    ///         (":method", "CONNECT"),
    ///         (":protocol", "websocket"),
    ///         (":scheme", "https"),
    ///         (":authority", "example.com"),
    ///         (":path", "/chat"),
    ///         ("sec-websocket-version", "13"),
    ///         ("sec-websocket-protocol", "chat.v1"),
    ///     ]
    /// );
    ///
    /// let response: [(&str, &[u8]); 1] = [("sec-websocket-protocol", b"chat.v1")];
    /// let Some(negotiated) = expected.check_response(200, response)? else {
    ///     return Ok(()); // another status: a redirect, a demand for credentials, an error
    /// };
    /// let seed = [7; 32]; // from the operating system: see `Connection::upgraded_client`
    /// let connection = Connection::upgraded_client(&negotiated, config, seed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the request.
    ///
    /// [`Connection::upgraded_client`]: crate::Connection::upgraded_client
    pub fn connect_fields(&self, config: &Config) -> Result<(ConnectFields, Expected), LocalHandshakeError> {
        let pseudo_headers = [
            (":method", "CONNECT".to_owned()),
            (":protocol", "websocket".to_owned()),
            (":scheme", self.url.scheme.as_str().to_owned()),
            (":authority", self.url.authority().into_owned()),
            (":path", self.url.target.clone()),
        ];
        let mut headers = Vec::new();
        let expected = self.write_fields(None, config.deflate_settings(), |name, value| {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        })?;
        Ok((
            ConnectFields {
                pseudo_headers,
                headers,
            },
            expected,
        ))
    }
}

/// The fields of an extended CONNECT, which [`ClientRequest::connect_fields`] returns.
///
/// The `Debug` output has `<redacted>` in place of the query string, and of the header values that
/// [`Headers`](super::Headers) redacts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectFields {
    /// `:method`, `:protocol`, `:scheme`, `:authority` and `:path`. They precede the headers (RFC
    /// 9113, section 8.3).
    pub pseudo_headers: [(&'static str, String); 5],
    /// The header fields. Their names are lower-case (RFC 9113, section 8.2).
    pub headers: Vec<(String, String)>,
}

impl ConnectFields {
    /// Returns the pseudo-headers and then the headers: one list, as HPACK and QPACK encode it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pseudo_headers = self.pseudo_headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pseudo_headers.chain(headers)
    }
}

impl fmt::Debug for ConnectFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_map();
        for (name, value) in &self.pseudo_headers {
            match *name {
                ":path" => shown.entry(name, &RedactedUrl(value.as_bytes())),
                _ => shown.entry(name, value),
            };
        }
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        shown.entries(headers.map(|(name, value)| (name, RedactedValue { name, value })));
        shown.finish()
    }
}
