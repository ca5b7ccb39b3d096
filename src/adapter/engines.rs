//! The engines that an adapter makes, recorded if the settings say so.

use alloc::vec::Vec;

use super::Settings;
#[cfg(feature = "recording")]
use crate::recording::Recorder;
use crate::{ClientRequest, Connection, error::LocalHandshakeError};
#[cfg(feature = "hyper")]
use crate::{Config, handshake::Negotiated};

impl Settings {
    #[cfg(feature = "recording")]
    fn recorder(&self) -> Option<Recorder> {
        self.recorders.as_ref()?.recorder()
    }

    /// Returns the engine of a client.
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

    /// Returns the engine of a server.
    pub(super) fn server(&self) -> Connection {
        #[cfg(feature = "recording")]
        if let Some(recorder) = self.recorder() {
            return recorder.server(self.config.clone());
        }
        Connection::server(self.config.clone())
    }

    /// Returns the engine of a server whose handshake is done.
    #[cfg(feature = "hyper")]
    pub(super) fn upgraded_server(&self, negotiated: &Negotiated, config: &Config) -> Connection {
        #[cfg(feature = "recording")]
        if let Some(recorder) = self.recorder() {
            return recorder.upgraded_server(negotiated, config.clone());
        }
        Connection::upgraded_server(negotiated, config.clone())
    }
}
