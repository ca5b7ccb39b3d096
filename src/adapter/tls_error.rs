//! Why a TLS handshake has failed.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
};
use core::{error, fmt};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::error::Excerpt;

/// A TLS handshake that has failed: the peer has another name than the URL, its certificate is not
/// trusted, or it violated TLS.
#[derive(Debug)]
pub struct TlsError {
    /// `None`: the peer is a client.
    host: Option<String>,
    error: rustls::Error,
}

impl TlsError {
    /// Returns the error of `rustls`.
    #[must_use]
    pub const fn error(&self) -> &rustls::Error {
        &self.error
    }

    /// `host`: of the server.
    pub(super) fn new(host: Option<&str>, error: rustls::Error) -> Self {
        let host = host.map(ToOwned::to_owned);
        Self { host, error }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "the TLS handshake with {} failed: ", Excerpt::new(host.as_bytes()))?,
            None => f.write_str("the TLS handshake with the client failed: ")?,
        }
        if let Some(explanation) = explanation(&self.error) {
            f.write_str(explanation)?;
            if self.host.is_some() && is_configurable(&self.error) {
                f.write_str(", see ConnectOptions::tls_config")?;
            }
            f.write_str(": ")?;
        }
        match &self.error {
            rustls::Error::General(text) => f.write_str(text)?,
            error => write!(f, "{error}")?,
        }
        f.write_str(match self.host {
            Some(_) => " (RFC 6455, section 4.1)",
            None => " (RFC 6455, section 4.2.2)",
        })
    }
}

impl error::Error for TlsError {}

/// Says what is meant by an error of which the text of `rustls` has only the name.
fn explanation(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("the certificate is not signed by a trusted authority")
        }
        // The error of the verifier is of a crate that is not a dependency, so its text tells.
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string() == "CaUsedAsEndEntity" =>
        {
            Some("the certificate is that of an authority and not of a server (basicConstraints has CA:TRUE)")
        }
        rustls::Error::InvalidCertificate(CertificateError::Revoked) => Some("the certificate was revoked"),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Some("what the peer sent is not TLS"),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            Some("the server does not speak HTTP/1.1")
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Some("the server demands a certificate of the client")
        }
        _ => None,
    }
}

/// Returns whether another configuration of the client may help.
const fn is_configurable(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)
            | rustls::Error::AlertReceived(AlertDescription::CertificateRequired)
    )
}
