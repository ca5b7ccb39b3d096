//! What a recorder does in a connection: see `recorder`. Without the feature `recording`, the
//! macros are empty.

/// Returns `$result` from the method if the connection has a recorder.
macro_rules! if_recorded {
    ($self:ident, $result:expr) => {
        #[cfg(feature = "recording")]
        if $self.has_recorder() {
            return $result;
        }
    };
}

/// Returns from the method with the result of `$again`, which is recorded as `$call`, if the
/// connection has a recorder. Meanwhile it has none.
macro_rules! recorded {
    ($self:ident, $out:ident, $call:expr, $again:expr) => {
        #[cfg(feature = "recording")]
        if let Some(recorder) = $self.take_recorder() {
            let (before, at) = ($self.recorded_settings(), $out.len());
            let result = $again;
            let outcome = crate::recorder::Outcome {
                out: $out.get(at..).unwrap_or_default(),
                error: result.as_ref().err().map(|error| error as _),
                ..Default::default()
            };
            $self.record(recorder, &$call, &outcome, before);
            return result;
        }
    };
}

pub(super) use {if_recorded, recorded};
