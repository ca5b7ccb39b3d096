//! A tunnel through a proxy, as far as blocking and polled adapters have it in common.

use super::Error;
use crate::proxy::{Connect, ProxyError};

/// How much is read at a time of a proxy's answer, in bytes. So this is the limit of what is read
/// ahead.
pub(super) const READ_LEN: usize = 4 << 10;

/// Returns why there is no tunnel, after a call that failed with `cause`: a refusal that is known
/// does not depend on how the transport ends.
pub(super) fn lost(connect: &mut Connect, cause: Error) -> Error {
    match (cause, connect.receive_eof()) {
        (cause @ Error::Proxy(_), _) => cause,
        (_, Err(ProxyError::Refused(mut refusal))) => {
            refusal.is_complete = false;
            Error::Proxy(ProxyError::Refused(refusal))
        }
        (cause, _) => cause,
    }
}
