//! The example of an extension: `examples/checksum_extension.rs`.

#[path = "../examples/checksum_extension.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program")]
mod example;

use sockless::{State, frame::ReservedBits};
use support::frames;

/// R212: Fragments with a checksum arrive, in any cut; any damage to a payload is found, and closes
/// the connection with 1007.
#[test]
fn s9_a_checksum_extension_finds_damage() {
    let (mut client, mut server) = example::connect().unwrap();
    for (sender, receiver) in [(&mut client, &mut server)] {
        for _ in 0..2 {
            let mut wire = Vec::new();
            example::send(sender, "", false, &mut wire).unwrap();
            example::send(sender, "größer", true, &mut wire).unwrap();
            let sent = frames(sender.role(), &wire);
            assert_eq!((sent[0].0, sent[1].0), (0x21, 0xA0));
            assert_eq!(example::receive(receiver, &mut wire).unwrap().unwrap(), ["größer"]);
            std::mem::swap(sender, receiver);
        }
    }
    for at in 6..6 + 13 {
        for bit in 0..7 {
            let (mut client, mut server) = example::connect().unwrap();
            let mut wire = Vec::new();
            example::send(&mut client, "hello", true, &mut wire).unwrap();
            wire[at] ^= 1 << bit;
            match example::receive(&mut server, &mut wire) {
                Ok(None) => assert_eq!(server.state(), State::Closing),
                // Damage can also break the UTF-8.
                other => panic!("{other:?}"),
            }
        }
    }
}

/// R212: What the sender does not mark has no checksum.
#[test]
fn s9_a_frame_without_the_bit_has_no_checksum() {
    let (mut client, mut server) = example::connect().unwrap();
    let mut wire = Vec::new();
    client.send_text("plain", &mut wire).unwrap();
    assert_eq!(example::receive(&mut server, &mut wire).unwrap().unwrap(), ["plain"]);
    let too_short = client.send_fragment_with(
        sockless::MessageKind::Text,
        b"short",
        true,
        ReservedBits::RSV2,
        &mut wire,
    );
    too_short.unwrap();
    wire.drain(..6 + 5);
    assert!(example::receive(&mut server, &mut wire).unwrap().is_none());
}
