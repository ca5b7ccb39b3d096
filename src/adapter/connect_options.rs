//! How a client connects.

#[cfg(feature = "rustls")]
use alloc::sync::Arc;

use super::Settings;
use crate::{ClientRequest, Config, proxy::Proxy};

/// How `connect_with` of an adapter connects: the [`Settings`] of the connection, a proxy, and TLS.
///
/// Functions that take these options also take [`Settings`] or a [`Config`].
///
/// ```
/// use sockless::{adapter::{ConnectOptions, Settings}, proxy::Proxy};
///
/// let options = ConnectOptions::new()
///     .settings(Settings::new().high_water(256 << 10))
///     .proxy(Proxy::new("http://proxy.example:3128")?);
/// # Ok::<(), sockless::error::LocalHandshakeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    pub(super) settings: Settings,
    pub(super) proxy: Option<Proxy>,
    #[cfg(feature = "rustls")]
    pub(super) tls_config: Option<Arc<rustls::ClientConfig>>,
}

impl ConnectOptions {
    /// Returns the default options: no proxy, and the roots of `webpki-roots` for TLS.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            settings: Settings::new(),
            proxy: None,
            #[cfg(feature = "rustls")]
            tls_config: None,
        }
    }

    /// Sets the settings of the connection.
    /// [`Timeouts::handshake`](crate::timers::Timeouts::handshake) limits all of connecting: the
    /// resolution of the name, TCP, the proxy, TLS, and the opening handshake.
    #[must_use]
    pub fn settings(mut self, settings: impl Into<Settings>) -> Self {
        self.settings = settings.into();
        self
    }

    /// Sets the HTTP proxy to connect through, with CONNECT, for `ws` and `wss` URLs alike (RFC
    /// 6455, section 4.1). The proxy resolves the name of the server. Default: none. No environment
    /// variable is read.
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Sets the configuration of TLS, for `wss` URLs: trusted roots, a verifier, a certificate of
    /// the client. Its list for ALPN is replaced by `http/1.1`, the protocol of the opening
    /// handshake.
    ///
    /// Default: TLS 1.2 and 1.3 with `ring`, and the roots of Mozilla that were current when the
    /// crate `webpki-roots` was built. Those of the operating system are a matter of a few lines
    /// with the crate `rustls-platform-verifier` or `rustls-native-certs`.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    #[must_use]
    pub fn tls_config(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls_config = Some(config);
        self
    }

    /// Returns the host and the port to connect to: those of the proxy, or of the server.
    pub(super) fn first_hop<'a>(&'a self, request: &'a ClientRequest) -> (&'a str, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (request.host(), request.port()),
        }
    }
}

impl From<Settings> for ConnectOptions {
    fn from(settings: Settings) -> Self {
        Self::new().settings(settings)
    }
}

impl From<Config> for ConnectOptions {
    fn from(config: Config) -> Self {
        Self::new().settings(config)
    }
}
