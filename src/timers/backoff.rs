//! How long to wait before connecting again (RFC 6455, section 7.2.3).

use core::time::Duration;

use super::MAX_TIMEOUT;

/// The delays before the attempts to connect again: random, longer on average after each failure,
/// and bounded (RFC 6455, section 7.2.3).
///
/// Each delay is chosen evenly from zero to a bound ("full jitter"), so that the clients of a
/// server that restarts do not all come back at once. The bound begins with [`first`](Self::first)
/// and is multiplied by [`factor`](Self::factor) after each delay, up to [`max`](Self::max). It is
/// the bound that grows: a single delay may be shorter than the one before it.
///
/// Like everything in this module, it owns no clock and does not wait. The delays depend on the
/// seed and the settings alone.
///
/// ```
/// use core::time::Duration;
/// use sockless::timers::Backoff;
///
/// let seed = 0x5EED; // from the operating system, so that clients differ
/// let mut backoff = Backoff::new(seed).max(Duration::from_secs(60));
/// # let mut attempts = 0;
/// # let mut connect = || { attempts += 1; if attempts > 3 { Ok(()) } else { Err(()) } };
/// # let mut sleep = |_delay: Duration| {};
/// while connect().is_err() {
///     sleep(backoff.next_delay());
/// }
/// // The connection is open: the next failure begins anew.
/// backoff.reset();
/// assert_eq!(backoff.bound(), Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    factor: u32,
    max: Duration,
    /// The bound of the next delay, before the maximum is applied.
    next: Duration,
    random: SplitMix64,
}

impl Backoff {
    /// Returns the default delays: up to 5 seconds at first, as RFC 6455 proposes, then up to twice
    /// as much each time, and never more than 60 seconds.
    ///
    /// `seed` should come from the operating system or another source that differs between clients.
    /// It need not be secret.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let first = Duration::from_secs(5);
        Self {
            first,
            factor: 2,
            max: Duration::from_secs(60),
            next: first,
            random: SplitMix64(seed),
        }
    }

    /// Sets the bound of the first delay. Default 5 seconds.
    #[must_use]
    pub const fn first(mut self, bound: Duration) -> Self {
        self.first = bound;
        self.next = bound;
        self
    }

    /// Sets what the bound is multiplied by after each delay. 0 has the effect of 1: the bound does
    /// not grow. Default 2.
    #[must_use]
    pub const fn factor(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the longest delay. It holds for the first delay too, and is itself at most 100 years.
    /// Default 60 seconds.
    #[must_use]
    pub const fn max(mut self, bound: Duration) -> Self {
        self.max = bound;
        self
    }

    /// Returns the bound of the next delay: the delay is at most that long.
    #[must_use]
    pub fn bound(&self) -> Duration {
        self.next.min(self.max).min(Duration::from_secs(MAX_TIMEOUT))
    }

    /// Returns how long to wait before the next attempt, and raises the bound for the one after it.
    #[must_use]
    pub fn next_delay(&mut self) -> Duration {
        let bound = self.bound();
        self.next = bound.saturating_mul(self.factor.max(1));
        // A hundred years are less than 2^62 nanoseconds.
        let choices = bound.as_nanos() + 1;
        let nanos = (u128::from(self.random.next()) * choices) >> u64::BITS;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Notes that a connection was opened: the next delay has the bound of the first one.
    ///
    /// A server that accepts connections and drops them at once would be asked again and again
    /// after a short delay; a client can wait for the first message before it calls this.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// The generator SplitMix64 (Steele, Lea and Flood, 2014): small, and every seed is a good one. Its
/// values are no secret: what they decide, everybody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SplitMix64(u64);

impl SplitMix64 {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }
}
