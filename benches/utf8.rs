//! Validation of UTF-8, of whole messages and of segments, compared with `core::str::from_utf8`.

use std::hint::black_box;

use bench_support::{Content, SEGMENT, SIZES, config};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::utf8::Validator;

/// Validates `text` in pieces. Returns the number of bytes that were valid.
fn push(text: &[u8], piece: usize) -> usize {
    let mut validator = Validator::new();
    let mut len = 0;
    for piece in text.chunks(piece) {
        let piece = validator.push(piece);
        assert!(piece.result.is_ok());
        len += piece.split.map_or(0, char::len_utf8) + piece.text.len();
    }
    assert!(validator.finish().is_ok());
    len
}

/// Asserts that `push` accepts the text and rejects an invalid byte.
fn verify(text: &str, piece: usize) {
    let mut validator = Validator::new();
    let mut pushed = String::new();
    for piece in text.as_bytes().chunks(piece) {
        let piece = validator.push(piece);
        pushed.extend(piece.split);
        pushed.push_str(piece.text);
    }
    assert!(pushed == text);
    let mut invalid = text.as_bytes().to_vec();
    *invalid.last_mut().unwrap() = 0xFF;
    assert!(invalid.chunks(piece).any(|piece| validator.push(piece).result.is_err()));
}

fn utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for content in Content::TEXT {
        let name = content.name();
        for size in SIZES {
            let text = String::from_utf8(content.message(0, size)).unwrap();
            group.throughput(Throughput::Bytes(size as u64));
            for (how, piece) in [("push", usize::MAX), ("push by 1460 bytes", SEGMENT)] {
                if piece != usize::MAX && piece >= size {
                    continue;
                }
                verify(&text, piece);
                group.bench_function(BenchmarkId::new(format!("{name}/{how}"), size), |bencher| {
                    bencher.iter(|| assert_eq!(push(black_box(text.as_bytes()), piece), size));
                });
            }
            group.bench_function(BenchmarkId::new(format!("{name}/core"), size), |bencher| {
                bencher.iter(|| assert!(core::str::from_utf8(black_box(text.as_bytes())).is_ok()));
            });
        }
    }
}

criterion_group!(name = benches; config = config(); targets = utf8);
criterion_main!(benches);
