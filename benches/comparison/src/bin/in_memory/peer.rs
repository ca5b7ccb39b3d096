//! The operations of a peer, and their verification and timing.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{
    wire::{READ, RING, Wire},
    work::{ACCEPT, End, ReceiveWork, SendWork, Work, read_frame},
};

/// A WebSocket crate.
pub trait Peer {
    const NAME: &'static str;

    /// Returns `None` for a workload that the peer does not support.
    fn receiver(work: &ReceiveWork, wire: Wire) -> Option<impl Receive + 'static>;

    /// Returns `None` for a variant that sends as another peer does, too.
    fn sender(work: &SendWork, wire: Wire) -> Option<impl Send + 'static>;

    /// Returns a function that reads a request from the wire and answers it. Its buffers may be
    /// reused; their content must not be.
    fn handshake() -> Option<AnswerHandshake> {
        None
    }
}

pub type AnswerHandshake = Box<dyn FnMut(&mut Wire)>;

pub trait Receive {
    /// Receives `count` messages, or more if the last read has more. Calls `on_message` for each,
    /// in order.
    fn receive(&mut self, count: u64, on_message: impl FnMut(&[u8]));
}

pub trait Send {
    /// Sends the payload as `count` binary messages and flushes.
    fn send(&mut self, count: u64, payload: &[u8]);
}

/// A peer with one workload.
pub trait Bench {
    /// Processes `count` messages or a few more. Returns their number and the time.
    fn run(&mut self, count: u64) -> (u64, Duration);
}

/// Creates the bench of a peer and verifies it. Returns `None` if the peer does not support the
/// workload.
pub fn bench<P: Peer>(work: &Work) -> Option<Box<dyn Bench>> {
    match work {
        Work::Receive(work) => {
            let mut receiver = P::receiver(work, work.wire())?;
            let (mut at, messages) = (0, work.messages());
            let expected: Vec<Vec<u8>> = (0..messages).map(|index| work.message(index)).collect();
            receiver.receive(2 * messages as u64, |message| {
                assert!(message == expected[at % messages], "{}: message {at}", P::NAME);
                at += 1;
            });
            assert!(at >= 2 * messages);
            Some(Box::new(ReceiveBench(receiver, work.size)))
        }
        Work::Send(work) => {
            let payload = work.payload();
            let wire = Wire::new(Vec::new(), READ);
            let ring = wire.ring();
            let mut sender = P::sender(work, wire)?;
            // Room for all messages of one verification.
            ring.borrow_mut()
                .resize(RING.max(2 * work.batch as usize * (payload.len() + 14) + 1));
            for count in [1, work.batch, 2 * work.batch] {
                sender.send(count, &payload);
                let written = ring.borrow_mut().take_written();
                let mut rest = &written[..];
                for _ in 0..count {
                    let (sent, after) = read_frame(rest, 0x82, work.end == End::Client);
                    assert!(sent == payload, "{}", P::NAME);
                    rest = after;
                }
                assert!(rest.is_empty(), "{}", P::NAME);
            }
            ring.borrow_mut().resize(RING);
            Some(Box::new(SendBench(sender, *work, payload)))
        }
        Work::Handshake(head) => {
            let mut handshake = P::handshake()?;
            let mut wire = Wire::new(head.as_bytes().to_vec(), READ);
            for _ in 0..2 {
                handshake(&mut wire);
                let response = String::from_utf8(wire.ring().borrow_mut().take_written()).unwrap();
                assert!(response.starts_with("HTTP/1.1 101 ") && response.ends_with("\r\n\r\n"));
                assert!(response.contains(ACCEPT), "{}", P::NAME);
            }
            Some(Box::new(HandshakeBench(handshake, wire)))
        }
    }
}

struct ReceiveBench<R>(R, usize);

impl<R: Receive> Bench for ReceiveBench<R> {
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

struct SendBench<S>(S, SendWork, Vec<u8>);

impl<S: Send> Bench for SendBench<S> {
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

struct HandshakeBench(AnswerHandshake, Wire);

impl Bench for HandshakeBench {
    #[inline(never)]
    fn run(&mut self, count: u64) -> (u64, Duration) {
        let start = Instant::now();
        for _ in 0..count {
            self.0(&mut self.1);
        }
        (count, start.elapsed())
    }
}
