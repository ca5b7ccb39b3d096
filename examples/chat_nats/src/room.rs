//! The guests of this server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockless::CloseCode;
use tokio::sync::{mpsc, oneshot};

/// How many lines may wait for one guest. A line has a name and a message of at most
/// [`MAX_MESSAGE`](crate::text::MAX_MESSAGE) characters. A guest that has more to read is
/// dismissed.
const MAX_LINES: usize = 256;

/// What a connection is closed with.
#[derive(Debug)]
pub(crate) struct Close {
    pub(crate) code: CloseCode,
    pub(crate) reason: &'static str,
}

/// What the task of a guest gets from the room.
pub(crate) struct Seat {
    pub(crate) number: u64,
    /// The lines to send to the guest.
    pub(crate) lines: mpsc::Receiver<Arc<str>>,
    /// Is completed when the guest is dismissed.
    pub(crate) dismissed: oneshot::Receiver<Close>,
}

/// The guests. Nothing here waits: a guest that does not read has a full queue and is dismissed.
#[derive(Default)]
pub(crate) struct Room(Mutex<Guests>);

#[derive(Default)]
struct Guests {
    /// The number of the last guest.
    last: u64,
    guests: BTreeMap<u64, Guest>,
}

struct Guest {
    lines: mpsc::Sender<Arc<str>>,
    dismiss: oneshot::Sender<Close>,
}

impl Room {
    pub(crate) fn join(&self) -> Seat {
        let (to_lines, lines) = mpsc::channel(MAX_LINES);
        let (dismiss, dismissed) = oneshot::channel();
        let mut guests = self.lock();
        guests.last += 1;
        let number = guests.last;
        let guest = Guest {
            lines: to_lines,
            dismiss,
        };
        guests.guests.insert(number, guest);
        Seat {
            number,
            lines,
            dismissed,
        }
    }

    /// Removes a guest whose connection has ended. It may have been dismissed before.
    pub(crate) fn leave(&self, guest: u64) {
        self.lock().guests.remove(&guest);
    }

    /// Whether this is a guest: one that has not left and was not dismissed.
    pub(crate) fn has(&self, guest: u64) -> bool {
        self.lock().guests.contains_key(&guest)
    }

    /// Removes a guest, and closes its connection. The lines that wait are not sent.
    pub(crate) fn dismiss(&self, guest: u64, code: CloseCode, reason: &'static str) {
        self.lock().dismiss(guest, code, reason);
    }

    /// Queues a line for one guest.
    pub(crate) fn tell(&self, guest: u64, line: &str) {
        self.lock().push(&[guest], &line.into());
    }

    /// Queues a line for every guest of this server.
    pub(crate) fn tell_all(&self, line: &str) {
        let mut guests = self.lock();
        let all: Vec<_> = guests.guests.keys().copied().collect();
        guests.push(&all, &line.into());
    }

    /// Locks also after a panic of another thread.
    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Dismisses the guests whose queue is full.
    fn push(&mut self, to: &[u64], line: &Arc<str>) {
        for number in to {
            let Some(guest) = self.guests.get(number) else { continue };
            if guest.lines.try_send(Arc::clone(line)).is_err() {
                self.dismiss(*number, CloseCode::POLICY_VIOLATION, "you read too slowly");
            }
        }
    }

    fn dismiss(&mut self, guest: u64, code: CloseCode, reason: &'static str) {
        if let Some(guest) = self.guests.remove(&guest) {
            // Fails if the connection has ended.
            let _result = guest.dismiss.send(Close { code, reason });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_that_does_not_read_is_dismissed() {
        let room = Room::default();
        let (mut slow, mut quick) = (room.join(), room.join());
        for n in 0..=MAX_LINES {
            room.tell_all(&n.to_string());
            assert_eq!(quick.lines.try_recv().as_deref(), Ok(&*n.to_string()));
        }
        let close = slow.dismissed.try_recv().unwrap();
        assert_eq!(
            (close.code, close.reason),
            (CloseCode::POLICY_VIOLATION, "you read too slowly")
        );
        assert!(quick.dismissed.try_recv().is_err());
    }
}
