//! Validating UTF-8, whole and in pieces of a segment, beside `core::str::from_utf8`.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockless::utf8::Validator;

const SIZES: [usize; 3] = [125, 1 << 10, 16 << 10];
const SEGMENT: usize = 1460;
const SAMPLES: [(&str, &str); 3] = [
    (
        "ascii",
        "It is a truth universally acknowledged, that a single man must be in want of a wife. ",
    ),
    (
        "chinese",
        "道可道非常道名可名非常名無名天地之始有名萬物之母故常無欲以觀其妙常有欲以觀其徼。",
    ),
    (
        "mixed",
        "Größe: 3 µm, naïve café, Ελληνικά, Война и мир, 雨ニモマケズ, emoji 🙂🚀, and plain text. ",
    ),
];

/// The sample again and again, `len` bytes of it.
fn text(sample: &str, len: usize) -> String {
    let mut text = String::with_capacity(len);
    for char in sample.chars().cycle() {
        if text.len() + char.len_utf8() > len {
            break;
        }
        text.push(char);
    }
    text.extend(std::iter::repeat_n('.', len - text.len()));
    text
}

/// Validates `text` in pieces and returns how many bytes of it were text.
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

/// That `push` says yes and no where it should.
fn verify(text: &str, piece: usize) {
    let mut validator = Validator::new();
    let mut back = String::new();
    for piece in text.as_bytes().chunks(piece) {
        let piece = validator.push(piece);
        back.extend(piece.split);
        back.push_str(piece.text);
    }
    assert!(back == text);
    let mut broken = text.as_bytes().to_vec();
    *broken.last_mut().unwrap() = 0xFF;
    assert!(broken.chunks(piece).any(|piece| validator.push(piece).result.is_err()));
}

fn utf8(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for (name, sample) in SAMPLES {
        for size in SIZES {
            let text = text(sample, size);
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

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20)
        .nresamples(2000)
}

criterion_group!(name = benches; config = config(); targets = utf8);
criterion_main!(benches);
