//! TLS for QUIC, with a certificate that is made at start.

use std::{error::Error, sync::Arc};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::CertifiedKey;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    version::TLS13,
};

use crate::{MAX_STREAMS, transport};

/// The name of HTTP/3 in ALPN (RFC 9114, section 3.1).
const ALPN: &[u8] = b"h3";

/// A certificate that signs itself, and its key.
pub struct Certificate {
    certificate: rcgen::Certificate,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Certificate {
    /// Makes a certificate for these names.
    ///
    /// # Errors
    /// A name is not valid.
    pub fn new(names: &[&str]) -> Result<Self, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
        Ok(Self {
            certificate: cert,
            key: PrivatePkcs8KeyDer::from(signing_key.serialize_der()),
        })
    }

    /// Returns the certificate, for clients that trust it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Returns the certificate, for clients that trust it.
    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

/// Returns the settings of a server with this certificate.
///
/// # Errors
/// The certificate is not usable.
pub fn server_config(certificate: &Certificate) -> Result<quinn::ServerConfig, Box<dyn Error + Send + Sync>> {
    let key = PrivateKeyDer::Pkcs8(certificate.key.clone_key());
    let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der()], key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport(MAX_STREAMS));
    Ok(config)
}

/// Returns the settings of a client that trusts these certificates.
///
/// # Errors
/// A certificate is not valid.
pub fn client_config(
    trusted: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<quinn::ClientConfig, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate)?;
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    // A server opens no streams in both directions (RFC 9114, section 6.1).
    config.transport_config(transport(0));
    Ok(config)
}
