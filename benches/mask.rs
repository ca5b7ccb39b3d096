//! Masking in place, compared with a copy of the same length.

use std::hint::black_box;

use bench_support::{SIZES, config};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::mask;

/// The start of a payload, modulo 64: at the start of a buffer, after the three forms of a masked
/// header, and at an odd address.
const ALIGNMENTS: [usize; 5] = [0, 6, 8, 14, 37];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Returns a buffer and an offset in it: the address there is `alignment` modulo 64, and `len`
/// bytes follow.
fn aligned(len: usize, alignment: usize) -> (Vec<u8>, usize) {
    let buf: Vec<u8> = (0..len + 128).map(|at| (at * 7) as u8).collect();
    let skip = buf.as_ptr().align_offset(64) + alignment;
    (buf, skip)
}

fn mask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for alignment in ALIGNMENTS {
            let (mut buf, skip) = aligned(size, alignment);
            let data = &mut buf[skip..skip + size];

            let plain = data.to_vec();
            let masked: Vec<u8> = plain.iter().zip(KEY.iter().cycle()).map(|(a, b)| a ^ b).collect();
            mask::apply(data, KEY);
            assert!(*data == masked);
            mask::apply(data, KEY);
            assert!(*data == plain);

            let mut applied = 0_u64;
            group.bench_function(BenchmarkId::new(format!("apply at {alignment}"), size), |bencher| {
                bencher.iter(|| {
                    applied += 1;
                    mask::apply(black_box(&mut *data), black_box(KEY))
                });
            });
            assert!(*data == if applied % 2 == 0 { plain } else { masked });
        }
        let (from, skip) = aligned(size, 0);
        let from = &from[skip..skip + size];
        let mut to = vec![0; size];
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            bencher.iter(|| black_box(&mut *to).copy_from_slice(black_box(from)));
        });
        // The bytes are zeros if a filter has excluded this bench.
        assert!(to == from || to.iter().all(|&byte| byte == 0));
    }
}

criterion_group!(name = benches; config = config(); targets = mask);
criterion_main!(benches);
