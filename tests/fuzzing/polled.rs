//! A polled adapter over a scripted transport.

use proptest::{collection::vec, prelude::*};
use sockless::Role;
use support::{frame, laws::polled::polled, peer_of};

use crate::streams::{cases, short_streams, stream};

proptest! {
    #![proptest_config(cases(1000))]

    /// For any calls over any transport, a polled adapter receives and writes what an engine does
    /// that is fed directly, and no wakeup is lost (F34, F35, F60).
    #[test]
    fn any_transport_passes_what_the_engine_receives(
        [bits, limit] in any::<[u8; 2]>(),
        calls in vec(any::<u8>(), 0..32),
        steps in vec(any::<u8>(), 0..200),
        (of_client, of_server) in (stream(Role::Server), stream(Role::Client)),
    ) {
        let input = if bits & 1 == 1 { of_server } else { of_client };
        polled(&data(bits, limit, &calls, &steps, &input));
    }
}

fn data(bits: u8, limit: u8, calls: &[u8], steps: &[u8], input: &[u8]) -> Vec<u8> {
    let lens = [calls.len(), steps.len()].map(|len| u8::try_from(len).unwrap());
    [&[bits, limit], &lens[..], calls, steps, input].concat()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for role in [Role::Server, Role::Client] {
        for (number, input) in short_streams(role).into_iter().enumerate() {
            let bits = (number * 2) as u8 & 0x1E | u8::from(role == Role::Client);
            let calls = [0x20, 7, 0x43, 10, 0x86, 14, 0xCD, 0x67, 12];
            let calls = &calls[number % calls.len()..];
            let steps: Vec<u8> = (0..40).map(|step| (number * 13 + step * 7) as u8).collect();
            let close = frame(peer_of(role), 0x88, b"\x03\xE8");
            seeds.push(data(bits, number as u8, calls, &steps, &[input, close].concat()));
        }
    }
    seeds
}
