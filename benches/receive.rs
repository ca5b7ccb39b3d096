//! Receiving messages of one frame, in reads of up to 64 KiB: nanoseconds a message. How it arrives otherwise is in
//! `rechunk`, messages in several frames are in `fragment`.

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
