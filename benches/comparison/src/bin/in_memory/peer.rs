//! What a peer has to do, and how it is watched.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{
    wire::{RING, Wire},
    work::{ACCEPT, End, READ, Receiving, Sending, Work, read_frame},
};

/// A WebSocket crate. Where it cannot do something through its own interface, it has no figure.
pub trait Peer {
    const NAME: &'static str;

    fn receiver(work: &Receiving, wire: Wire) -> impl Receive + 'static;

    fn sender(work: &Sending, wire: Wire) -> impl Send + 'static;

    /// What answers the opening handshake that the wire brings. It may keep buffers, not what is in them.
    fn handshake() -> Option<Answer> {
        None
    }
}

pub type Answer = Box<dyn FnMut(&mut Wire)>;

pub trait Receive {
    /// Shows `count` messages or a few more, as many as come in one read, to `see`, in their order.
    fn receive(&mut self, count: u64, see: impl FnMut(&[u8]));
}

pub trait Send {
    /// Sends the payload as `count` binary messages, and flushes.
    fn send(&mut self, count: u64, payload: &[u8]);
}

/// A peer at one workload.
pub trait Bench {
    /// Does it `count` times, or a few times more; returns how often, and how long that took.
    fn run(&mut self, count: u64) -> (u64, Duration);
}

/// The peer at the workload, verified; `None` if it cannot do it.
pub fn bench<P: Peer>(work: &Work) -> Option<Box<dyn Bench>> {
    match work {
        Work::Receive(work) => {
            let mut receiver = P::receiver(work, work.wire());
            let (mut at, messages) = (0, work.messages());
            let expected: Vec<Vec<u8>> = (0..messages).map(|index| work.message(index)).collect();
            receiver.receive(2 * messages as u64, |message| {
                assert!(message == expected[at % messages], "{}: message {at}", P::NAME);
                at += 1;
            });
            assert!(at >= 2 * messages);
            Some(Box::new(Receives(receiver, work.size)))
        }
        Work::Send(work) => {
            let payload = work.payload();
            let wire = Wire::new(Vec::new(), READ);
            let ring = wire.ring();
            let mut sender = P::sender(work, wire);
            // Room for all that is verified at once.
            ring.borrow_mut()
                .resize(RING.max(2 * work.batch as usize * (payload.len() + 14) + 1));
            for count in [1, work.batch, 2 * work.batch] {
                sender.send(count, &payload);
                let written = ring.borrow_mut().take_written();
                let mut rest = &written[..];
                for _ in 0..count {
                    let (got, behind) = read_frame(rest, 0x82, work.end == End::Client);
                    assert!(got == payload, "{}", P::NAME);
                    rest = behind;
                }
                assert!(rest.is_empty(), "{}", P::NAME);
            }
            ring.borrow_mut().resize(RING);
            Some(Box::new(Sends(sender, *work, payload)))
        }
        Work::Handshake(head) => {
            let mut answer = P::handshake()?;
            let mut wire = Wire::new(head.as_bytes().to_vec(), READ);
            for _ in 0..2 {
                answer(&mut wire);
                let response = String::from_utf8(wire.ring().borrow_mut().take_written()).unwrap();
                assert!(response.starts_with("HTTP/1.1 101 ") && response.ends_with("\r\n\r\n"));
                assert!(response.contains(ACCEPT), "{}", P::NAME);
            }
            Some(Box::new(Answers(answer, wire)))
        }
    }
}

struct Receives<R>(R, usize);

impl<R: Receive> Bench for Receives<R> {
    #[inline(never)]
    fn run(&mut self, count: u64) -> (u64, Duration) {
        let (mut messages, mut bytes) = (0, 0);
        let start = Instant::now();
        self.0.receive(count, |message| {
            messages += 1;
            bytes += message.len();
            black_box((message.first(), message.last()));
        });
        let elapsed = start.elapsed();
        assert_eq!(bytes as u64, messages * self.1 as u64);
        (messages, elapsed)
    }
}

struct Sends<S>(S, Sending, Vec<u8>);

impl<S: Send> Bench for Sends<S> {
    #[inline(never)]
    fn run(&mut self, count: u64) -> (u64, Duration) {
        let batches = count.div_ceil(self.1.batch);
        let start = Instant::now();
        for _ in 0..batches {
            self.0.send(self.1.batch, black_box(&self.2));
        }
        (batches * self.1.batch, start.elapsed())
    }
}

struct Answers(Answer, Wire);

impl Bench for Answers {
    #[inline(never)]
    fn run(&mut self, count: u64) -> (u64, Duration) {
        let start = Instant::now();
        for _ in 0..count {
            self.0(&mut self.1);
        }
        (count, start.elapsed())
    }
}
