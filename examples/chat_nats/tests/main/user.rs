//! A user of the chat, and what it has seen.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use sockless::adapter::std_net::{self, MaybeTlsStream, Writer};

use crate::process::TEST_TIMEOUT;

/// A user. A thread reads what the server sends.
pub(crate) struct User {
    writer: Writer<MaybeTlsStream>,
    seen: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl User {
    /// Joins, and waits until the server says who this is.
    pub(crate) fn join(address: &str, name: &str) -> Self {
        let ws = std_net::connect(&format!("ws://{address}/?name={name}")).unwrap();
        let (mut reader, writer) = ws.split().unwrap();
        let seen = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let user = Self {
            writer,
            seen: Arc::clone(&seen),
        };
        thread::spawn(move || {
            loop {
                let line = match reader.recv() {
                    Ok(Some(message)) => message.as_text().expect("a text").to_owned(),
                    Ok(None) => "closed".to_owned(),
                    Err(error) => format!("closed: {error}"),
                };
                let is_closed = line.starts_with("closed");
                seen.0.lock().unwrap().push(line);
                seen.1.notify_all();
                if is_closed {
                    return;
                }
            }
        });
        user.wait_for(&format!("you are {name} on "));
        user
    }

    pub(crate) fn say(&self, message: &str) {
        self.writer.send(message).unwrap();
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().clone()
    }

    /// Waits until a line begins with this.
    pub(crate) fn wait_for(&self, start: &str) {
        self.wait(start, |seen| seen.iter().any(|line| line.starts_with(start)));
    }

    /// Waits until a condition is true. `what` is for the message of a failure.
    pub(crate) fn wait(&self, what: &str, condition: impl Fn(&[String]) -> bool) {
        let started = Instant::now();
        let mut seen = self.seen.0.lock().unwrap();
        while !condition(&seen) {
            let left = TEST_TIMEOUT.saturating_sub(started.elapsed());
            assert!(!left.is_zero(), "{what:?} is not in {seen:#?}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }
}

/// Returns the lines that the broker has ordered: what guests say, and who has joined and left.
pub(crate) fn of_the_room(seen: &[String]) -> Vec<&str> {
    let is_of_the_server = |line: &str| {
        let starts = [
            "you are ",
            "the broker ",
            "delayed",
            "not sent",
            "it is not known",
            "closed",
        ];
        starts.iter().any(|start| line.starts_with(start))
    };
    seen.iter()
        .map(String::as_str)
        .filter(|line| !is_of_the_server(line))
        .collect()
}
