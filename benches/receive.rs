//! Receiving messages in one frame, in reads of at most 64 KiB: nanoseconds per message. Shorter
//! reads are in `rechunk`, and messages in several frames in `fragment`.

use bench_support::{
    Content, ROLES, SIZES, config,
    receiving::{Stream, bench},
};
use criterion::{Criterion, criterion_group, criterion_main};

fn whole(criterion: &mut Criterion) {
    for role in ROLES {
        for content in Content::ALL {
            for size in SIZES {
                bench(criterion, "receive", "", Stream::new(role, content, size));
            }
        }
    }
}

criterion_group!(name = receive; config = config(); targets = whole);
criterion_main!(receive);
