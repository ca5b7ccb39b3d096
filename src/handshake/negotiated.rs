//! The result of an opening handshake.

use alloc::boxed::Box;

use crate::{
    deflate::{DeflateConfig, DeflateParams, DirectionParams},
    frame::ReservedBits,
    role::Role,
};

/// The result of an opening handshake: what
/// [`Connection::negotiated`](crate::Connection::negotiated) returns, and what
/// [`Connection::upgraded_server`](crate::Connection::upgraded_server) and
/// [`Connection::upgraded_client`](crate::Connection::upgraded_client) begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol, if one was negotiated (RFC 6455, section 1.9). The engine ignores it.
    pub subprotocol: Option<Box<str>>,
    /// The parameters of permessage-deflate, if it was negotiated (RFC 7692, section 7.1).
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub deflate: Option<DeflateParams>,
    /// Always `None`.
    #[cfg(not(feature = "deflate"))]
    deflate: Option<DeflateParams>,
    /// The reserved bits that the negotiated extensions use which the caller implements (RFC 6455,
    /// section 9). The first one is ignored if permessage-deflate was negotiated, which needs it.
    pub reserved: ReservedBits,
}

impl Negotiated {
    pub(crate) const fn new(
        subprotocol: Option<Box<str>>,
        deflate: Option<DeflateParams>,
        reserved: ReservedBits,
    ) -> Self {
        Self {
            subprotocol,
            deflate,
            reserved,
        }
    }

    /// Returns the parameters of permessage-deflate in each direction, if it was negotiated: those
    /// of received messages, those of sent messages, and the length in bytes from which on a sent
    /// message is compressed.
    pub(crate) fn directions(
        &self,
        role: Role,
        config: Option<&DeflateConfig>,
    ) -> Option<(DirectionParams, DirectionParams, usize)> {
        self.deflate.map(|params| params.directions(role, config))
    }

    pub(crate) const fn deflate_params(&self) -> Option<DeflateParams> {
        self.deflate
    }
}
