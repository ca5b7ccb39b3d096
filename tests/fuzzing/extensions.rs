//! Offers and answers of extensions.

use proptest::{collection::vec, prelude::*};
use support::laws::extensions::extensions;

use crate::streams::{cases, damage_bytes};

const VALUES: [&str; 20] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits=10; server_max_window_bits=12",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10, permessage-deflate",
    "permessage-deflate; server_max_window_bits=\"9\" ; client_max_window_bits = \"15\"",
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=08",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; unknown",
    "Permessage-Deflate",
    "x-own; a=\"b\\c\"; d, permessage-deflate",
    "permessage-deflate, permessage-deflate",
    ", ,permessage-deflate,\t",
    ",",
    "",
    "a;b=\"c d\"",
];

proptest! {
    #![proptest_config(cases(1500))]

    /// R150 R155 R156 R157 R158 R159 R160 R161: For any offers, a server answers within what was
    /// offered; for any answer, a client takes what is within its offer (F85).
    #[test]
    fn s7_1_what_is_negotiated_was_offered(
        wishes in any::<[u8; 4]>(),
        value in prop_oneof![prop::sample::select(&VALUES[..]).prop_map(String::from), parameters()],
        damage in prop_oneof![Just(Vec::new()), vec(any::<(u8, u16, u8)>(), 0..4)],
    ) {
        let mut bytes = value.as_bytes().to_vec();
        for (kind, at, value) in damage {
            damage_bytes(&mut bytes, kind, at, value);
        }
        extensions(&[&wishes[..], &bytes].concat());
    }
}

/// Some parameters with sizes around the valid ones.
fn parameters() -> impl Strategy<Value = String> {
    let size = |name: &'static str| {
        prop::option::of(prop_oneof![
            4 => (7..17_u8).prop_map(move |bits| format!("; {name}={bits}")),
            1 => Just(format!("; {name}")),
        ])
    };
    let flag = |name: &'static str| prop::option::of(Just(format!("; {name}")));
    (
        flag("server_no_context_takeover"),
        flag("client_no_context_takeover"),
        size("server_max_window_bits"),
        size("client_max_window_bits"),
    )
        .prop_map(|(first, second, third, fourth)| {
            let parameters = [first, second, third, fourth].map(Option::unwrap_or_default);
            format!("permessage-deflate{}", parameters.concat())
        })
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, value) in VALUES.iter().enumerate() {
        for wishes in [
            [0; 4],
            [0x21, 0x18, 0x53, 0x1F],
            [number as u8 * 13, number as u8, number as u8 * 7, 0x1C],
        ] {
            seeds.push([&wishes[..], value.as_bytes()].concat());
        }
    }
    seeds
}
