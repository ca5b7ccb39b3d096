//! Receiving and sending messages in several frames: nanoseconds per message.

use bench_support::{
    Content, ROLES, config,
    receiving::{self, Stream},
    sending::{self, Messages},
};
use criterion::{Criterion, criterion_group, criterion_main};

/// The length of a message and of the payload of its frames.
const SHAPES: [(usize, usize); 4] = [(125, 25), (1 << 10, 128), (64 << 10, 1 << 10), (1 << 20, 16 << 10)];

fn receive(criterion: &mut Criterion) {
    for role in ROLES {
        for content in Content::ALL {
            for (size, frame) in SHAPES {
                let frames = size.div_ceil(frame);
                let stream = Stream {
                    frame: Some(frame),
                    ..Stream::new(role, content, size)
                };
                let name = "fragment/receive";
                receiving::bench(criterion, name, &format!(" in {frames} frames"), stream);
                let stream = Stream { pings: true, ..stream };
                receiving::bench(criterion, name, &format!(" in {frames} frames and pings"), stream);
            }
        }
    }
}

fn send(criterion: &mut Criterion) {
    for role in ROLES {
        for content in Content::ALL {
            for (size, frame) in SHAPES {
                let messages = Messages {
                    role,
                    content,
                    size,
                    frame: Some(frame),
                    batch: 1,
                };
                let how = format!(" in {} frames", size.div_ceil(frame));
                sending::bench(criterion, "fragment/send", &how, messages);
            }
        }
    }
}

criterion_group!(name = fragment; config = config(); targets = receive, send);
criterion_main!(fragment);
