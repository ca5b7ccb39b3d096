//! What most connections do not have, or not yet, behind one pointer.

#[cfg(feature = "recording")]
use alloc::boxed::Box;

use crate::close::CloseStatus;
#[cfg(feature = "recording")]
use crate::recorder::Recorder;

#[derive(Default)]
pub(super) struct ColdFields {
    pub(super) close_status: Option<CloseStatus>,
    /// Taken while it is at work.
    #[cfg(feature = "recording")]
    pub(super) recorder: Option<Box<Recorder>>,
}
