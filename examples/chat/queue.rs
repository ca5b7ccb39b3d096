//! The lines that wait for one guest.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use sockless::CloseCode;

/// How many bytes may wait for one guest. A guest that has more to read is dismissed.
///
/// The queues share their lines, so the lines of all queues take little more memory than this. It
/// is more than one address can send at once: see `limits.rs`.
const MAX_BYTES: usize = 4 << 20;
/// What a line costs besides its text, in bytes, so that the number of lines is limited, too.
const LINE_COST: usize = 64;

/// A queue of lines for the writing thread of a guest.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    has_changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    close: Option<Close>,
}

/// What a connection is closed with.
#[derive(Clone, Copy)]
pub(crate) struct Close {
    pub(crate) code: CloseCode,
    pub(crate) reason: &'static str,
}

impl Queue {
    /// Appends a line. Never waits. Returns false if the queue is full.
    pub(crate) fn push(&self, line: &Arc<str>) -> bool {
        let mut state = crate::lock(&self.state);
        let cost = line.len() + LINE_COST;
        if cost > MAX_BYTES.saturating_sub(state.bytes) {
            return false;
        }
        state.bytes += cost;
        state.lines.push_back(Arc::clone(line));
        self.has_changed.notify_one();
        true
    }

    /// Drops the lines, and ends the queue.
    pub(crate) fn close(&self, close: Close) {
        let mut state = crate::lock(&self.state);
        *state = State {
            close: Some(close),
            ..State::default()
        };
        self.has_changed.notify_one();
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// The queue has ended: what to close the connection with.
    pub(crate) fn next(&self) -> Result<Arc<str>, Close> {
        let mut state = crate::lock(&self.state);
        loop {
            if let Some(close) = state.close {
                return Err(close);
            }
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len() + LINE_COST;
                if state.lines.is_empty() {
                    // The queue may have been long.
                    drop(mem::take(&mut state.lines));
                }
                return Ok(line);
            }
            state = self.has_changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(len: usize) -> Arc<str> {
        "x".repeat(len).into()
    }

    #[test]
    fn f71_the_unread_bytes_are_limited_and_count_until_they_are_taken() {
        let queue = Queue::default();
        let half = line(MAX_BYTES / 2 - LINE_COST);
        assert!(queue.push(&half));
        assert!(queue.push(&half));
        assert!(!queue.push(&line(0)));
        assert_eq!(queue.next().map(|line| line.len()).ok(), Some(half.len()));
        assert!(queue.push(&half));
        assert!(!queue.push(&line(0)));
    }

    #[test]
    fn a_closed_queue_returns_no_more_lines() {
        let queue = Queue::default();
        assert!(queue.push(&line(1)));
        let (code, reason) = (CloseCode::POLICY_VIOLATION, "reason");
        queue.close(Close { code, reason });
        for _ in 0..2 {
            let close = queue.next().unwrap_err();
            assert_eq!((close.code, close.reason), (code, reason));
        }
    }
}
