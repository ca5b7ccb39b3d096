//! Bytes of both sides of a relay.

use proptest::prelude::*;
use sockless::Role;
use support::laws::relay::{input, relay};

use crate::streams::{cases, short_streams, stream};

proptest! {
    #![proptest_config(cases(500))]

    /// R081 R104: For any bytes of both sides, a relay finds the violations that a connection
    /// finds, what arrives is what a connection gets directly, and no invalid frame leaves.
    #[test]
    fn s5_4_a_relay_agrees_with_a_connection(
        options in any::<[u8; 4]>(),
        of_client in stream(Role::Server),
        of_server in stream(Role::Client),
    ) {
        relay(&input(options, &of_client, &of_server));
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let pairs = short_streams(Role::Server).into_iter().zip(short_streams(Role::Client));
    let mut seeds = Vec::new();
    for (number, (of_client, of_server)) in pairs.enumerate() {
        let options = [(number * 5) as u8, 1, (number * 33) as u8, (number * 7) as u8];
        seeds.push(input(options, &of_client, &of_server));
        seeds.push(input([0, 0, 1, 3], &of_client, &[]));
    }
    seeds
}
