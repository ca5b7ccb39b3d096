//! A tunnel through a proxy, as far as blocking and polled adapters have it in common.

use alloc::vec::Vec;

use super::Error;
use crate::proxy::{Connect, ProxyError};

/// How much is read at a time of a proxy's answer, in bytes. So this is the limit of what is read
/// ahead.
pub(super) const READ_LEN: usize = 4 << 10;

/// Processes what was read of a proxy's answer; no bytes are the end of the transport. Returns the
/// first bytes that came through the tunnel, once it is open.
pub(super) fn received(connect: &mut Connect, mut input: &mut [u8]) -> Result<Option<Vec<u8>>, Error> {
    if input.is_empty() {
        connect.receive_eof()?;
    }
    let is_open = connect.receive(&mut input)?.is_some();
    Ok(is_open.then(|| input.to_vec()))
}

/// Returns why there is no tunnel, after a call that failed with `cause`: a refusal that is known
/// does not depend on how the transport ends.
pub(super) fn tunnel_error(connect: &mut Connect, cause: Error) -> Error {
    match (cause, connect.receive_eof()) {
        (cause @ Error::Proxy(_), _) => cause,
        (_, Err(ProxyError::Refused(mut refusal))) => {
            refusal.is_complete = false;
            Error::Proxy(ProxyError::Refused(refusal))
        }
        (cause, _) => cause,
    }
}
