//! Working state that connections share.

use alloc::vec::Vec;
use core::fmt;

use super::{
    backend::Inflate,
    deflater::{DeflateState, Deflater},
    inflater::Inflater,
    params::DirectionParams,
};

/// Working state of permessage-deflate, shared by connections that are served one after another, as
/// in an event loop.
///
/// The state of a deflater is hundreds of kilobytes, without
/// [`low_memory`](crate::deflate::DeflateConfig::low_memory); that of an inflater tens. Between
/// messages, a connection needs no state without context takeover, and, with `miniz_oxide`, no
/// inflater state at all, because its window is separate. A connection
/// [borrows](crate::Connection::borrow_deflate_state) the state before it receives or sends, and
/// [returns](crate::Connection::return_deflate_state) it afterwards; what takeover needs stays with
/// it. With [`DeflateConfig::release`](crate::deflate::DeflateConfig::release), there is nothing to
/// return.
///
/// ```
/// use sockless::{Config, Connection, deflate::DeflatePool};
///
/// let mut pool = DeflatePool::new(2);
/// let server = || Connection::server(Config::default());
/// let mut connections = [server(), server()];
/// for connection in &mut connections {
///     connection.borrow_deflate_state(&mut pool);
///     // … receive and send …
///     connection.return_deflate_state(&mut pool);
/// }
/// ```
pub struct DeflatePool {
    /// Each with the parameters of its last connection.
    deflates: Vec<(DirectionParams, DeflateState)>,
    inflates: Vec<Inflate>,
    max: usize,
}

impl DeflatePool {
    /// Returns an empty pool, which keeps the state of at most `max` deflaters and as many
    /// inflaters. When more is returned, the oldest is dropped.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            deflates: Vec::new(),
            inflates: Vec::new(),
            max,
        }
    }
}

impl DeflatePool {
    pub(crate) fn take_inflater_state(&mut self, params: DirectionParams) -> Option<Inflate> {
        // State that holds a history could not be returned.
        let fits = |state: &Inflate| state.serves(params.bits) && !(params.takeover && state.holds_history());
        let at = self.inflates.iter().rposition(fits)?;
        Some(self.inflates.remove(at))
    }

    pub(crate) fn take_deflater_state(&mut self, params: DirectionParams) -> Option<DeflateState> {
        let fits = |(of_state, _): &(DirectionParams, _)| of_state.deflates_as(params);
        let at = self.deflates.iter().rposition(fits)?;
        let (_, state) = self.deflates.remove(at);
        Some(state)
    }

    pub(crate) fn keep_inflater_state(&mut self, inflater: &mut Inflater) {
        let state = inflater.take_state();
        keep(&mut self.inflates, self.max, state);
    }

    pub(crate) fn keep_deflater_state(&mut self, params: DirectionParams, deflater: &mut Deflater) {
        let state = deflater.take_state();
        keep(&mut self.deflates, self.max, state.map(|state| (params, state)));
    }
}

/// Keeps the newest: state that no connection asks for any more is dropped in the end.
fn keep<T>(states: &mut Vec<T>, max: usize, state: Option<T>) {
    states.extend(state);
    if states.len() > max {
        states.remove(0);
    }
}

impl fmt::Debug for DeflatePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflatePool")
            .field("deflaters", &self.deflates.len())
            .field("inflaters", &self.inflates.len())
            .field("max", &self.max)
            .finish()
    }
}
