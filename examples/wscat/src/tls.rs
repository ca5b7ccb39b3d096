//! TLS: which certificates are trusted, and what an error means.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::{exit::Failure, options::Options};

/// Returns the configuration for one protocol of ALPN.
///
/// # Errors
/// The file of `--ca` cannot be read.
pub(crate) fn config(options: &Options, alpn: &[u8]) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Failure::no_connection)?;
    let mut config = if options.insecure {
        let verifier = Arc::new(Unchecked(provider));
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth()
    } else {
        builder
            .with_root_certificates(roots(options.ca.as_deref())?)
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let Some(path) = ca else { return Ok(roots) };
    let fail = |error: &dyn std::fmt::Display| Failure::usage(format!("--ca {}: {error}", path.display()));
    let pem = fs::read(path).map_err(|error| fail(&error))?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| fail(&error))?;
        roots.add(certificate).map_err(|error| fail(&error))?;
    }
    if roots.len() == before {
        return Err(fail(&"the file has no certificate in PEM form"));
    }
    Ok(roots)
}

/// Says why the handshake with a server has failed, and what to do.
pub(crate) fn explain(host: &str, error: io::Error) -> String {
    let text = format!("the TLS handshake with {host} failed");
    let error = match error.downcast::<rustls::Error>() {
        Ok(error) => error,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return format!("{text}: the server closed the connection");
        }
        Err(error) => return format!("{text}: {error}"),
    };
    let explanation = match &error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            ": the certificate is not signed by a trusted authority"
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ": what the server sent is not TLS; for a server without TLS, the URL begins with ws:"
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            ": the server does not speak the version of HTTP that was asked for"
        }
        _ => "",
    };
    let hint = match error {
        rustls::Error::InvalidCertificate(_) => {
            "\nIf the certificate is from an authority of your own, use --ca FILE. \
             To connect without the check, use --insecure: anyone between can then read and change all messages."
        }
        _ => "",
    };
    format!("{text}{explanation}: {error}{hint}")
}

/// Takes any certificate, if the server has its private key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
