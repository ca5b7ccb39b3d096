//! The guests, and what is said.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockless::CloseCode;

use crate::bucket::{self, Bucket};
use crate::queue::{Close, Queue};
use crate::text;

/// How many names the list of guests has. The others are counted.
const MAX_LISTED: usize = 50;
/// How often guests that were not announced by name are announced by number.
pub(crate) const SUMMARY_INTERVAL: Duration = Duration::from_secs(2);

/// The guests. Nothing that can block is done while the room is locked.
#[derive(Default)]
pub(crate) struct Room {
    /// The number of the last guest.
    last_guest: u64,
    guests: BTreeMap<u64, Guest>,
    /// How many guests have joined and left that were not announced by name.
    joined: usize,
    left: usize,
    /// Whether such a guest has joined or left since the last summary.
    has_changed: bool,
    /// What new guests are closed with, after the end of the chat.
    closed: Option<Close>,
}

struct Guest {
    name: String,
    /// Whether the others were told by name that the guest joined. Then they are told so that it
    /// left.
    is_announced: bool,
    bucket: Bucket,
    /// The writing thread of the guest sends what is in it.
    queue: Arc<Queue>,
}

impl Room {
    /// Adds a guest and returns its number. Its first lines tell it its name and who is there.
    pub(crate) fn join(&mut self, name: Option<&str>, is_announced: bool, queue: Arc<Queue>) -> u64 {
        self.last_guest += 1;
        let number = self.last_guest;
        // Names are unique, because they contain the number.
        let name = name.map_or_else(|| format!("guest {number}"), |name| format!("{name} ({number})"));
        if let Some(close) = self.closed {
            queue.close(close);
            return number;
        }
        let bucket = Bucket::new(bucket::MESSAGE_BURST, bucket::BYTES_PER_SECOND, Instant::now());
        let guest = Guest {
            name: name.clone(),
            is_announced,
            bucket,
            queue: Arc::clone(&queue),
        };
        self.guests.insert(number, guest);
        queue.push(&format!("you are {name}").into());
        queue.push(&self.list().into());
        if is_announced {
            self.broadcast(format!("{name} joined"));
        } else {
            self.joined += 1;
            self.has_changed = true;
        }
        number
    }

    /// Returns a line with the guests. A name has no comma, and ends with a number.
    fn list(&self) -> String {
        let names = self.guests.values().take(MAX_LISTED).map(|guest| &*guest.name);
        let names = names.collect::<Vec<_>>().join(", ");
        match self.guests.len().saturating_sub(MAX_LISTED) {
            0 => format!("here: {names}"),
            others => format!("here: {names}, and {others} more"),
        }
    }

    /// Sends what a guest says to all guests, or tells the guest why not.
    pub(crate) fn say(&mut self, guest: u64, message: &str, now: Instant) {
        self.count(guest, message.len(), now);
        // A guest that was dismissed may send until its Close frame arrives. The others do not get
        // that.
        let Some(Guest { name, queue, .. }) = self.guests.get(&guest) else {
            return;
        };
        match text::clean_message(message) {
            Ok(message) => {
                let line = format!("{name}: {message}");
                self.broadcast(line);
            }
            Err(too_long) => {
                queue.push(&format!("not sent: {too_long}").into());
            }
        }
    }

    /// Counts what a guest has sent. Dismisses a guest that sends too much.
    pub(crate) fn count(&mut self, guest: u64, len: usize, now: Instant) {
        let Some(Guest { bucket, .. }) = self.guests.get_mut(&guest) else {
            return;
        };
        if !bucket.take(bucket::message_cost(len), now) {
            self.dismiss(guest, CloseCode::POLICY_VIOLATION, "you send too much in a short time");
        }
    }

    /// Removes a guest, and closes its connection.
    pub(crate) fn dismiss(&mut self, guest: u64, code: CloseCode, reason: &'static str) {
        let Some(guest) = self.guests.remove(&guest) else {
            return;
        };
        guest.queue.close(Close { code, reason });
        if guest.is_announced {
            self.broadcast(format!("{} left", guest.name));
            return;
        }
        self.has_changed = true;
        if self.joined > 0 {
            // Nobody was told that it joined.
            self.joined -= 1;
        } else {
            self.left += 1;
        }
    }

    /// Closes the connections of all guests, and of those that join from now on.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &'static str) {
        let close = Close { code, reason };
        self.closed = Some(close);
        for guest in mem::take(&mut self.guests).values() {
            guest.queue.close(close);
        }
    }

    /// Removes a guest whose connection has ended. The room may have dismissed it already.
    pub(crate) fn leave(&mut self, guest: u64) {
        self.dismiss(guest, CloseCode::NORMAL, "");
    }

    /// Announces the guests that were not announced by name: how many they are, and who is there.
    pub(crate) fn announce_summary(&mut self) {
        let counts = [(self.joined, "joined"), (self.left, "left")];
        (self.joined, self.left) = (0, 0);
        let parts: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} more {what}"))
            .collect();
        if !parts.is_empty() {
            self.broadcast(parts.join(", "));
        }
        if mem::take(&mut self.has_changed) {
            self.broadcast(self.list());
        }
    }

    /// Queues a line for every guest. Dismisses the guests whose queue is full.
    fn broadcast(&mut self, line: String) {
        let line: Arc<str> = line.into();
        let is_slow = |(number, guest): (&u64, &Guest)| (!guest.queue.push(&line)).then_some(*number);
        let slow: Vec<_> = self.guests.iter().filter_map(is_slow).collect();
        for guest in slow {
            self.dismiss(guest, CloseCode::POLICY_VIOLATION, "you read too slowly");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCED: bool = true;
    const LAST: &str = "the last line";

    fn join(room: &mut Room, name: Option<&str>, is_announced: bool) -> (u64, Arc<Queue>) {
        let queue = Arc::new(Queue::default());
        (room.join(name, is_announced, Arc::clone(&queue)), queue)
    }

    /// Takes all lines out of the queue. The error is the reason of a queue that has ended.
    fn lines(queue: &Queue) -> Result<Vec<String>, &'static str> {
        assert!(queue.push(&LAST.into()), "the queue is full");
        let mut lines = Vec::new();
        loop {
            match queue.next() {
                Ok(line) if &*line == LAST => return Ok(lines),
                Ok(line) => lines.push(line.to_string()),
                Err(close) => return Err(close.reason),
            }
        }
    }

    #[test]
    fn guests_are_told_their_names_and_see_each_other() {
        let (mut room, now) = (Room::default(), Instant::now());
        let (_, one) = join(&mut room, None, ANNOUNCED);
        let (ana, two) = join(&mut room, Some("Ana"), ANNOUNCED);
        room.say(ana, "hello", now);
        assert_eq!(
            lines(&two).unwrap(),
            [
                "you are Ana (2)",
                "here: guest 1, Ana (2)",
                "Ana (2) joined",
                "Ana (2): hello"
            ]
        );
        room.leave(ana);
        assert_eq!(lines(&two), Err(""));
        let seen = [
            "you are guest 1",
            "here: guest 1",
            "guest 1 joined",
            "Ana (2) joined",
            "Ana (2): hello",
            "Ana (2) left",
        ];
        assert_eq!(lines(&one).unwrap(), seen);
    }

    #[test]
    fn f71_guests_that_are_not_announced_by_name_are_counted() {
        let mut room = Room::default();
        let (_, reader) = join(&mut room, None, ANNOUNCED);
        lines(&reader).unwrap();
        for _ in 0..600 {
            let (guest, _) = join(&mut room, None, !ANNOUNCED);
            room.leave(guest);
        }
        room.announce_summary();
        room.announce_summary();
        assert_eq!(lines(&reader).unwrap(), ["here: guest 1"]);

        let guests: Vec<_> = (0..5).map(|_| join(&mut room, None, !ANNOUNCED).0).collect();
        room.announce_summary();
        room.announce_summary();
        let names: Vec<_> = (602..607).map(|number| format!("guest {number}")).collect();
        let list = format!("here: guest 1, {}", names.join(", "));
        assert_eq!(lines(&reader).unwrap(), ["5 more joined", &list]);
        guests.into_iter().for_each(|guest| room.leave(guest));
        join(&mut room, None, !ANNOUNCED);
        room.announce_summary();
        assert_eq!(
            lines(&reader).unwrap(),
            ["1 more joined, 5 more left", "here: guest 1, guest 607"]
        );
    }

    #[test]
    fn the_list_of_guests_has_a_number_of_names() {
        let mut room = Room::default();
        let guests: Vec<_> = (0..52).map(|_| join(&mut room, Some("Ana"), ANNOUNCED)).collect();
        let (guest, queue) = guests.last().unwrap();
        let list = lines(queue).unwrap().swap_remove(1);
        assert!(list.starts_with("here: Ana (1), Ana (2), "), "{list}");
        assert!(list.ends_with(", Ana (50), and 2 more"), "{list}");
        room.leave(*guest);
        room.leave(1);
        let list = lines(&join(&mut room, None, ANNOUNCED).1).unwrap().swap_remove(1);
        assert!(list.ends_with(", Ana (51), and 1 more"), "{list}");
    }

    #[test]
    fn after_its_end_the_room_has_no_guests() {
        let mut room = Room::default();
        let (_, queue) = join(&mut room, None, ANNOUNCED);
        room.close(CloseCode::GOING_AWAY, "the end");
        assert_eq!(lines(&queue), Err("the end"));
        let (guest, queue) = join(&mut room, None, ANNOUNCED);
        assert_eq!(queue.next().unwrap_err().code, CloseCode::GOING_AWAY);
        room.leave(guest);
    }

    #[test]
    fn f71_a_guest_that_sends_too_much_is_dismissed() {
        let (mut room, now) = (Room::default(), Instant::now());
        let (_, reader) = join(&mut room, None, ANNOUNCED);
        let (flood, queue) = join(&mut room, None, ANNOUNCED);
        lines(&reader).unwrap();
        for _ in 0..10_000 {
            room.say(flood, "x", now);
        }
        assert_eq!(lines(&queue), Err("you send too much in a short time"));
        let seen = lines(&reader).unwrap();
        assert_eq!(seen.len(), 81 + 1);
        assert_eq!(seen.last().unwrap(), "guest 2 left");
    }

    #[test]
    fn five_short_messages_in_a_second_are_allowed() {
        let (mut room, now) = (Room::default(), Instant::now());
        let (guest, queue) = join(&mut room, None, ANNOUNCED);
        for n in 0..1000 {
            room.say(guest, "hi", now + Duration::from_millis(200) * n);
        }
        assert_eq!(lines(&queue).unwrap().len(), 3 + 1000);
    }

    #[test]
    fn a_guest_is_told_that_its_message_is_too_long() {
        let (mut room, now) = (Room::default(), Instant::now());
        let (_, reader) = join(&mut room, None, ANNOUNCED);
        let (guest, queue) = join(&mut room, None, ANNOUNCED);
        lines(&reader).unwrap();
        room.say(guest, &"x".repeat(3000), now);
        assert_eq!(
            lines(&queue).unwrap()[3..],
            ["not sent: a message may have at most 2000 characters, and this one has 3000"]
        );
        assert_eq!(lines(&reader).unwrap(), [""; 0]);
    }

    #[test]
    fn f71_only_a_guest_that_does_not_read_is_dismissed() {
        let (mut room, now) = (Room::default(), Instant::now());
        let (_, slow) = join(&mut room, None, ANNOUNCED);
        let (guest, queue) = join(&mut room, None, ANNOUNCED);
        let message = "x".repeat(text::MAX_MESSAGE);
        let (mut sent, mut seen) = (0, lines(&queue).unwrap());
        while !seen.contains(&"guest 1 left".to_owned()) {
            assert!(sent < 10_000, "the guest was not dismissed");
            room.say(guest, &message, now + Duration::from_secs(10) * sent);
            sent += 1;
            seen = lines(&queue).unwrap();
        }
        assert_eq!(lines(&slow), Err("you read too slowly"));
        assert!(lines(&queue).is_ok());
    }
}
