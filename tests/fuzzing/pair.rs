//! Two connected ends, and any calls.

use proptest::{collection::vec, prelude::*};
use support::laws::pair::pair;

use crate::streams::cases;

proptest! {
    #![proptest_config(cases(1500))]

    /// R091 R092 R095 R098 R100 R103 R107: For any calls on two connected ends and any deliveries,
    /// what the RFC permits is accepted and arrives, anything else is refused, and both ends are
    /// closed and clean at the end (F56).
    #[test]
    fn s7_1_two_ends_agree_for_any_calls(
        options in any::<[u8; 5]>(),
        steps in vec(any::<u8>(), 0..300),
    ) {
        pair(&[&options[..], &steps].concat());
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    // Each call, twice, and then again at the other end, before and after a delivery.
    for choice in 0..=255 {
        let steps = [choice, 9, 3, choice, 200, 6, 8, 0x88, choice ^ 0x80, 5, 3, 0x88, 8];
        for options in [[0, 0, 0, 0, 0], [3, 6, 9, 1, 7]] {
            if choice % 2 == options[0] % 2 {
                seeds.push([&options[..], &[20, 4, 1], &steps].concat());
            }
        }
    }
    // Close frames that cross, and a message that is finished after the peer's Close frame.
    seeds.push(vec![
        0,
        4,
        4,
        0,
        0,
        20,
        9,
        1,
        0xFE,
        0,
        8,
        0x88,
        20,
        9,
        0,
        29 | 0x20,
        3,
        8,
        0x88,
    ]);
    seeds.push(vec![0, 1, 1, 0, 0, 29 | 0x20, 3, 0xBD, 3, 8, 0x88]);
    seeds
}
