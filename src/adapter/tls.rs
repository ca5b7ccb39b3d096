//! TLS with `rustls`, as far as blocking and polled adapters have it in common.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
};
use std::{
    io::{self, ErrorKind},
    sync::OnceLock,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};

use super::{Error, tls_error::TlsError};
use crate::error::Excerpt;

/// The name of HTTP/1.1 in ALPN (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

/// Returns the error of a handshake. `host`: of the server; `None`: the peer is a client.
pub(super) fn failed(host: Option<&str>, error: rustls::Error) -> Error {
    Error::Tls(Box::new(TlsError::new(host, error)))
}

/// Returns the error of a handshake for an error of the stream, which may hold one of `rustls`.
pub(super) fn explain(host: Option<&str>, error: io::Error) -> Error {
    let error = match error.downcast::<rustls::Error>() {
        Ok(error) => return failed(host, error),
        Err(error) => error,
    };
    let peer = host.map_or_else(
        || String::from("the client"),
        |host| Excerpt::new(host.as_bytes()).to_string(),
    );
    let reason = match error.kind() {
        ErrorKind::UnexpectedEof => String::from("the peer closed the connection"),
        _ => error.to_string(),
    };
    let text = format!("the TLS handshake with {peer} failed: {reason}");
    io::Error::new(error.kind(), text).into()
}

/// Returns the configuration for a connection: the caller's, or the default one, which connections
/// share so that they can resume sessions. Its list for ALPN is the protocol of the opening
/// handshake.
pub(super) fn client_config(own: Option<&Arc<ClientConfig>>) -> Result<Arc<ClientConfig>, rustls::Error> {
    static DEFAULT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(own) = own {
        if own.alpn_protocols == [HTTP_1_1] {
            return Ok(Arc::clone(own));
        }
        let mut config = ClientConfig::clone(own);
        config.alpn_protocols = vec![HTTP_1_1.to_owned()];
        return Ok(Arc::new(config));
    }
    if let Some(config) = DEFAULT.get() {
        return Ok(Arc::clone(config));
    }
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_owned()];
    Ok(Arc::clone(DEFAULT.get_or_init(|| Arc::new(config))))
}

/// Returns the name that the certificate must have, and that SNI has unless it is an IP address
/// (RFC 6066, section 3).
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(|_| {
        let error = "it is neither a DNS name nor an IP address, so that no certificate can have it";
        failed(Some(host), rustls::Error::General(error.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a configuration with another list for ALPN is cloned.
    #[test]
    fn a_configuration_that_fits_is_shared() {
        let fits = client_config(None).unwrap();
        assert!(Arc::ptr_eq(&client_config(Some(&fits)).unwrap(), &fits));
        let mut other = ClientConfig::clone(&fits);
        for protocols in [vec![], vec![b"h2".to_vec()], vec![b"h2".to_vec(), HTTP_1_1.to_owned()]] {
            other.alpn_protocols = protocols;
            let replaced = client_config(Some(&Arc::new(other.clone()))).unwrap();
            assert_eq!(replaced.alpn_protocols, [HTTP_1_1]);
        }
    }
}
