//! Compressed payloads, valid and hostile, against a slow decoder and `zlib-rs`.

use proptest::{collection::vec, prelude::*};
use support::{content::Content, laws};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Strategy as ZlibStrategy};

use crate::streams::{cases, damage_bytes};

proptest! {
    #![proptest_config(cases(200))]

    /// R165 R171 R176 R186: For any compressed payloads, both back ends deliver the bytes and the
    /// error of an independent inflater, in any cut, and the memory is bounded (F36, F45, F47).
    #[test]
    fn s7_2_2_the_inflaters_agree_with_an_independent_one(
        options in any::<[u8; 4]>(),
        mut payloads in vec(payload(), 1..5),
        damage in vec(any::<(u8, u8, u16, u8)>(), 0..3),
    ) {
        for (message, kind, at, value) in damage {
            let count = payloads.len();
            damage_bytes(&mut payloads[usize::from(message) % count], kind, at, value);
        }
        let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        laws::inflate::inflate(&laws::inflate::input(options, &payloads));
    }
}

/// A payload as zlib compresses it, or any bytes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let content = (0..4_usize, 0..9_usize, prop_oneof![0..60_usize, 0..3000_usize])
        .prop_map(|(kind, index, len)| Content::ALL[kind].message(index, len));
    let compressed = (vec(content, 1..3), 0..10_i32, 0..5_usize, 0..4_usize)
        .prop_map(|(parts, level, strategy, flush)| compress(&parts, level, strategy, flush));
    prop_oneof![9 => compressed, 1 => vec(any::<u8>(), 0..60)]
}

/// Compresses the parts, and removes the tail if there is one.
fn compress(parts: &[Vec<u8>], level: i32, strategy: usize, flush: usize) -> Vec<u8> {
    let mut deflate = Deflate::new_with_config(DeflateConfig {
        level,
        window_bits: -15,
        strategy: [
            ZlibStrategy::Default,
            ZlibStrategy::Fixed,
            ZlibStrategy::HuffmanOnly,
            ZlibStrategy::Rle,
            ZlibStrategy::Filtered,
        ][strategy],
        ..DeflateConfig::default()
    });
    let flush = [
        DeflateFlush::SyncFlush,
        DeflateFlush::FullFlush,
        DeflateFlush::Finish,
        DeflateFlush::SyncFlush,
    ][flush];
    let mut out = vec![0; parts.iter().map(|part| part.len() + 200).sum()];
    for (number, part) in parts.iter().enumerate() {
        let is_last = number + 1 == parts.len();
        let flush = if is_last || flush != DeflateFlush::Finish {
            flush
        } else {
            DeflateFlush::SyncFlush
        };
        let from = usize::try_from(deflate.total_out()).unwrap();
        deflate.compress(part, &mut out[from..], flush).unwrap();
    }
    out.truncate(usize::try_from(deflate.total_out()).unwrap());
    if out.ends_with(&[0x00, 0x00, 0xFF, 0xFF]) {
        out.truncate(out.len() - 4);
    }
    out
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for number in 0..40_usize {
        let options = [
            (number * 37) as u8,
            number as u8,
            (number * 11) as u8,
            (number * 5) as u8,
        ];
        let part = |index: usize| Content::ALL[(number + index) % 4].message(index, number * (number + index) + index);
        let first = compress(&[part(0), part(1)], (number % 10) as i32, number % 5, number % 4);
        let second = compress(&[part(0)], 9, 0, 0);
        seeds.push(laws::inflate::input(options, &[&first, &second]));
    }
    // The examples of RFC 7692, section 7.2.3, and an empty block of each kind.
    for payloads in [
        &[
            &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..],
            &[0xF2, 0x00, 0x11, 0x00, 0x00],
        ][..],
        &[&[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00]],
        &[&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]],
        &[&[
            0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
        ]],
        &[&[0x02, 0x00], &[0x00], &[]],
        &[&[
            0x05, 0xC0, 0x81, 0x08, 0x00, 0x00, 0x00, 0x00, 0x20, 0x7F, 0xEB, 0x0B, 0x00, 0x00,
        ]],
    ] {
        seeds.push(laws::inflate::input([2, 1, 1, 5], payloads));
    }
    seeds
}
