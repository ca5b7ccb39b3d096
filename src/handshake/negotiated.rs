//! What an opening handshake negotiated.

use alloc::boxed::Box;

use crate::{
    deflate::{DeflateConfig, DeflateParams, DirectionParams},
    role::Role,
};

/// What an opening handshake settled, for
/// [`Connection::upgraded_server`](crate::Connection::upgraded_server) and
/// [`Connection::upgraded_client`](crate::Connection::upgraded_client).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol, if one was negotiated (RFC 6455, section 1.9). The engine attaches no meaning to it.
    pub subprotocol: Option<Box<str>>,
    /// permessage-deflate, if it was negotiated (RFC 7692).
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub deflate: Option<DeflateParams>,
}

impl Negotiated {
    #[cfg_attr(not(feature = "deflate"), allow(unused_variables, reason = "it is always `None`"))]
    pub(super) fn new(subprotocol: Option<Box<str>>, deflate: Option<DeflateParams>) -> Self {
        Self {
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate,
        }
    }

    /// If permessage-deflate was negotiated: the parameters by which one end receives and those by which it sends, and from
    /// how many bytes on it compresses a message.
    pub(crate) fn directions(
        &self,
        role: Role,
        config: Option<&DeflateConfig>,
    ) -> Option<(DirectionParams, DirectionParams, usize)> {
        #[cfg(feature = "deflate")]
        let params = self.deflate;
        #[cfg(not(feature = "deflate"))]
        let params: Option<DeflateParams> = None;
        params.map(|params| params.directions(role, config))
    }
}
