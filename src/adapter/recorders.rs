//! Where the connections of an adapter get their recorders from.

use alloc::sync::Arc;
use core::{
    fmt,
    hash::{Hash, Hasher},
    panic::{RefUnwindSafe, UnwindSafe},
};

use crate::recording::Recorder;

/// Makes a recorder for each connection. Two are equal if they are the same one.
#[derive(Clone)]
pub(super) struct Recorders(Arc<dyn Fn() -> Option<Recorder> + Send + Sync>);

impl Recorders {
    pub(super) fn new(new: impl Fn() -> Option<Recorder> + Send + Sync + 'static) -> Self {
        Self(Arc::new(new))
    }

    pub(super) fn recorder(&self) -> Option<Recorder> {
        self.0()
    }
}

/// A panic of the function leaves nothing half done here.
impl UnwindSafe for Recorders {}
impl RefUnwindSafe for Recorders {}

impl PartialEq for Recorders {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Recorders {}

impl Hash for Recorders {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

impl fmt::Debug for Recorders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorders")
    }
}
