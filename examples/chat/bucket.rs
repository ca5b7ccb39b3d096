//! Token buckets, and the rate of messages that a guest of the chat may send.

use std::time::Instant;

/// How much a guest may send at once, in bytes.
pub(crate) const MESSAGE_BURST: f64 = 16384.0;
/// How much a guest may send in a second after that, in bytes.
pub(crate) const BYTES_PER_SECOND: f64 = 1024.0;
/// What a message costs besides its text, in bytes: five short messages in a second are allowed.
const MESSAGE_COST: usize = 200;

/// Returns how many tokens a message of `len` bytes takes. One that is longer than the bucket, and
/// is not sent to others, takes all.
pub(crate) fn message_cost(len: usize) -> f64 {
    ((len + MESSAGE_COST) as f64).min(MESSAGE_BURST)
}

/// A token bucket: it is full at first, and is filled again at a constant rate.
pub(crate) struct Bucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    updated: Instant,
}

impl Bucket {
    pub(crate) const fn new(capacity: f64, per_second: f64, now: Instant) -> Self {
        Self {
            capacity,
            per_second,
            tokens: capacity,
            updated: now,
        }
    }

    /// Takes that many tokens, if there are enough.
    pub(crate) fn take(&mut self, tokens: f64, now: Instant) -> bool {
        self.fill(now);
        let has_enough = tokens <= self.tokens;
        if has_enough {
            self.tokens -= tokens;
        }
        has_enough
    }

    /// Returns whether nothing is missing in it.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= self.capacity
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.updated).as_secs_f64();
        self.tokens = self.capacity.min(self.tokens + seconds * self.per_second);
        self.updated = now;
    }
}
