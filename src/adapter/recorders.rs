//! Where the connections of an adapter get their recorders from.

#[cfg(feature = "recording")]
use alloc::sync::Arc;
use alloc::vec::Vec;
#[cfg(feature = "recording")]
use core::fmt;

use super::Settings;
#[cfg(feature = "recording")]
use crate::recording::Recorder;
use crate::{ClientRequest, Connection, error::LocalHandshakeError};
#[cfg(feature = "hyper")]
use crate::{Config, handshake::Negotiated};

/// Makes a recorder for each connection. Two are equal if they are the same one.
#[cfg(feature = "recording")]
#[derive(Clone)]
pub(super) struct Recorders(Arc<dyn Fn() -> Option<Recorder> + Send + Sync>);

#[cfg(feature = "recording")]
impl Recorders {
    pub(super) fn new(new: impl Fn() -> Option<Recorder> + Send + Sync + 'static) -> Self {
        Self(Arc::new(new))
    }
}

#[cfg(feature = "recording")]
impl PartialEq for Recorders {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(feature = "recording")]
impl Eq for Recorders {}

#[cfg(feature = "recording")]
impl fmt::Debug for Recorders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorders")
    }
}

impl Settings {
    #[cfg(feature = "recording")]
    fn recorder(&self) -> Option<Recorder> {
        self.recorders.as_ref().and_then(|recorders| recorders.0())
    }

    /// Returns the engine of a client, which is recorded if the settings say so.
    pub(super) fn client(
        &self,
        request: &ClientRequest,
        seed: [u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<Connection, LocalHandshakeError> {
        #[cfg(feature = "recording")]
        if let Some(recorder) = self.recorder() {
            return recorder.client(request, self.config.clone(), seed, out);
        }
        Connection::client(request, self.config.clone(), seed, out)
    }

    /// Returns the engine of a server, which is recorded if the settings say so.
    pub(super) fn server(&self) -> Connection {
        #[cfg(feature = "recording")]
        if let Some(recorder) = self.recorder() {
            return recorder.server(self.config.clone());
        }
        Connection::server(self.config.clone())
    }

    /// Returns the engine of a server whose handshake is done, which is recorded if the settings
    /// say so.
    #[cfg(feature = "hyper")]
    pub(super) fn upgraded_server(&self, negotiated: &Negotiated, config: &Config) -> Connection {
        #[cfg(feature = "recording")]
        if let Some(recorder) = self.recorder() {
            return recorder.upgraded_server(negotiated, config.clone());
        }
        Connection::upgraded_server(negotiated, config.clone())
    }
}
