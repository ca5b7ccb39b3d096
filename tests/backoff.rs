//! The delays before connecting again (RFC 6455, section 7.2.3).

use core::time::Duration;

use proptest::prelude::*;
use sockless::timers::Backoff;

const SECOND: Duration = Duration::from_secs(1);

/// The longest delay that can be set: a hundred years.
const MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        Just(Duration::MAX),
        (0..=u64::MAX).prop_map(Duration::from_nanos),
        (0..100_u64).prop_map(Duration::from_secs),
    ]
}

fn factors() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, Just(u32::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// R117 R211: A delay is within the bound; the bound grows by the factor, up to the maximum;
    /// and the same seed gives the same delays. No setting panics or overflows.
    #[test]
    fn s7_2_3_delays_are_within_bounds_that_grow(
        seed: u64, first in durations(), factor in factors(), max in durations(),
    ) {
        let mut backoff = Backoff::new(seed).first(first).factor(factor).max(max);
        let mut again = backoff.clone();
        let max = max.min(MAX);
        let mut bound = first.min(max);
        for _ in 0..70 {
            prop_assert_eq!(backoff.bound(), bound);
            let delay = backoff.next_delay();
            prop_assert!(delay <= bound, "{:?} > {:?}", delay, bound);
            prop_assert_eq!(again.next_delay(), delay);
            bound = bound.saturating_mul(factor.max(1)).min(max);
        }
        backoff.reset();
        prop_assert_eq!(backoff.bound(), first.min(max));
        prop_assert!(backoff.next_delay() <= first.min(max));
    }

    /// R117 R211: The first delay is random too: other seeds give other delays.
    #[test]
    fn s7_2_3_seeds_that_differ_give_other_delays(seed: u64, other: u64) {
        prop_assume!(seed != other);
        let delays = |seed| {
            let mut backoff = Backoff::new(seed);
            [(); 4].map(|()| backoff.next_delay())
        };
        prop_assert_ne!(delays(seed), delays(other));
    }
}

/// R117 R211: Delays are spread evenly from zero to the bound, also for seeds that are neighbours.
#[test]
fn s7_2_3_delays_are_spread_evenly() {
    let mut counts = [0_u32; 10];
    for seed in 0..10_000 {
        let delay = Backoff::new(seed).first(10 * SECOND).next_delay();
        counts[usize::try_from(delay.as_secs()).unwrap().min(9)] += 1;
    }
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
}

/// R117 R211: The defaults: up to 5 seconds at first, doubled up to a minute, and so again after a
/// success.
#[test]
fn s7_2_3_the_default_bounds() {
    let mut backoff = Backoff::new(1);
    for _ in 0..2 {
        for seconds in [5, 10, 20, 40, 60, 60, 60] {
            assert_eq!(backoff.bound(), seconds * SECOND);
            assert!(backoff.next_delay() <= seconds * SECOND);
        }
        backoff.reset();
    }
}

/// A reset does not repeat the delays from before it: the random values go on.
#[test]
fn a_reset_does_not_repeat_delays() {
    let mut backoff = Backoff::new(7);
    let before = backoff.next_delay();
    backoff.reset();
    assert_ne!(backoff.next_delay(), before);
}

/// R211: A delay can be zero, and it can be the bound.
#[test]
fn s7_2_3_both_ends_of_the_range_occur() {
    let delays: Vec<_> = (0..100)
        .map(|seed| {
            Backoff::new(seed)
                .first(Duration::from_nanos(1))
                .next_delay()
                .as_nanos()
        })
        .collect();
    assert!(delays.contains(&0) && delays.contains(&1), "{delays:?}");
}

/// The random values are those that are published for SplitMix64: their upper bits, which the range
/// of a hundred years shows.
#[test]
fn the_generator_is_splitmix64() {
    let mut backoff = Backoff::new(1_234_567).first(MAX).max(MAX);
    for value in [
        6_457_827_717_110_365_317_u64,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ] {
        let expected = (u128::from(value) * (MAX.as_nanos() + 1)) >> 64;
        assert_eq!(backoff.next_delay().as_nanos(), expected);
    }
}
