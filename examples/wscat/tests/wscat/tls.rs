//! `wss` URLs.

use std::{env, fs, net::Ipv4Addr, path::PathBuf, process, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sockless::adapter::std_net::{self, TlsStream};

use crate::{
    process::wscat,
    server::{echo, listen},
};

/// Returns a key, and its certificate for `localhost` followed by that of the authority, as PEM.
pub(crate) fn certificate() -> (KeyPair, [String; 2]) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    (key, [certificate.pem(), authority.pem()])
}

/// Returns the configuration of a server that has a certificate, and a list for ALPN.
pub(crate) fn server_config(certificate: String, key: KeyPair, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// Sends everything back over TLS, with a certificate for `localhost`. Returns the port, and the
/// certificate of the authority.
pub(crate) fn secure_echo() -> (String, String) {
    let (key, [certificate, authority]) = certificate();
    let config = server_config(certificate, key, &[]);
    let address = listen(move |tcp| {
        // A client that does not trust the certificate ends the handshake.
        let Ok(tls) = TlsStream::accept(tcp, Arc::clone(&config), None) else {
            return;
        };
        let Ok(mut ws) = std_net::accept(tls) else { return };
        while let Ok(Some(message)) = ws.recv() {
            ws.send(message).unwrap();
        }
    });
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    (port, authority)
}

/// A file that is removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = env::temp_dir().join(format!("wscat-{}-{name}", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _result = fs::remove_file(&self.0);
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_an_error_that_says_what_to_do() {
    let (port, _) = secure_echo();
    let run = wscat(&[&format!("wss://localhost:{port}/")], "hello\n");
    assert_eq!(run.exits(1), "");
    run.says("* the TLS handshake with localhost failed: the certificate is not signed by a trusted authority")
        .says("--ca FILE")
        .says("--insecure");
}

#[test]
fn without_the_check_there_is_a_warning() {
    let (port, _) = secure_echo();
    let run = wscat(
        &["-k", "-v", "--wait", "0", &format!("wss://127.0.0.1:{port}/")],
        "hello\n",
    );
    assert_eq!(run.exits(0), "hello\n");
    run.says("* warning: the certificate of the server is not checked (--insecure)\n")
        .says("* TLS 1.3, ");
}

#[test]
fn an_authority_of_the_users_own_can_be_trusted() {
    let (port, pem) = secure_echo();
    let file = File::new("authority.pem", &pem);
    let run = wscat(
        &["--ca", file.path(), "--wait", "0", &format!("wss://localhost:{port}/")],
        "hello\n",
    );
    assert_eq!(run.exits(0), "hello\n");
    assert_eq!(run.stderr, "");
    let run = wscat(
        &["--ca", file.path(), &format!("wss://{}:{port}/", Ipv4Addr::LOCALHOST)],
        "",
    );
    run.exits(1);
    run.says("127.0.0.1");
}

#[test]
fn a_file_without_a_certificate_is_an_error() {
    let file = File::new("empty.pem", "nothing");
    let run = wscat(
        &["--ca", file.path(), &format!("wss://localhost:{}/", secure_echo().0)],
        "",
    );
    run.exits(2);
    run.says("the file has no certificate in PEM form");
    let run = wscat(
        &["--ca", "/nowhere.pem", &format!("wss://localhost:{}/", secure_echo().0)],
        "",
    );
    run.exits(2);
    run.says("--ca /nowhere.pem: ");
}

#[test]
fn a_server_without_tls_is_recognised() {
    let url = echo().replace("ws:", "wss:");
    let run = wscat(&[&url], "");
    run.exits(1);
    run.says("what the server sent is not TLS; for a server without TLS, the URL begins with ws:");
}
