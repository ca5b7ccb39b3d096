//! Working state that connections share.

use alloc::vec::Vec;
use core::fmt;

use super::{
    backend::Inflate,
    deflater::{DeflateState, Deflater},
    inflater::Inflater,
    params::DirectionParams,
};

/// Working state of permessage-deflate for connections that are served one after another, as an event loop does.
///
/// The state of a deflater is hundreds of kilobytes, that of an inflater tens, and between messages a connection needs
/// neither, if it need not remember: a deflater or inflater without context takeover, and, with `miniz_oxide`, any
/// inflater, whose window is apart. A connection [borrows](crate::Connection::borrow_deflate_state) the state before it receives or
/// sends, and [returns](crate::Connection::return_deflate_state) it afterwards; what takeover needs stays with it. With
/// [`release`](crate::deflate::DeflateConfig::release) there would be nothing to reclaim.
///
/// ```
/// use sockless::{Config, Connection, deflate::DeflatePool};
///
/// let mut pool = DeflatePool::new(2);
/// let mut connections = [Connection::server(Config::default()), Connection::server(Config::default())];
/// for connection in &mut connections {
///     connection.borrow_deflate_state(&mut pool);
///     // … receive and send …
///     connection.return_deflate_state(&mut pool);
/// }
/// ```
pub struct DeflatePool {
    /// Each with the level and the window that it was made for.
    deflates: Vec<(u8, u8, DeflateState)>,
    inflates: Vec<Inflate>,
    max: usize,
}

impl DeflatePool {
    /// An empty pool that keeps the state of at most `max` deflaters and as many inflaters. What comes back beyond that
    /// is dropped, the oldest first.
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
        // What keeps a history would not come back.
        let fits = |state: &Inflate| state.serves(params.bits) && !(params.takeover && state.keeps_history());
        let at = self.inflates.iter().rposition(fits)?;
        Some(self.inflates.swap_remove(at))
    }

    pub(crate) fn take_deflater_state(&mut self, params: DirectionParams) -> Option<DeflateState> {
        let fits = |(level, bits, _): &(u8, u8, DeflateState)| (*level, *bits) == (params.level, params.bits);
        let at = self.deflates.iter().rposition(fits)?;
        let (_, _, state) = self.deflates.swap_remove(at);
        Some(state)
    }

    pub(crate) fn keep_inflater_state(&mut self, inflater: &mut Inflater) {
        let state = inflater.take_state();
        keep(&mut self.inflates, self.max, state);
    }

    pub(crate) fn keep_deflater_state(&mut self, params: DirectionParams, deflater: &mut Deflater) {
        let state = deflater.take_state();
        keep(
            &mut self.deflates,
            self.max,
            state.map(|state| (params.level, params.bits, state)),
        );
    }
}

/// The newest stay: what nobody asks for any more goes.
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
