//! The application of the example: a lamp that is switched by messages, and that reports its
//! temperature.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use sockless::{Accept, Config, Connection, Event};

use crate::{Application, Clock};

/// The longest message that the lamp receives, and the longest head of a request, in bytes: they
/// bound the memory of a connection.
const MAX_MESSAGE_SIZE: u64 = 256;
const MAX_HEAD_SIZE: usize = 1024;

/// A lamp.
pub struct Lamp<C> {
    /// Whether it is on: the firmware sets the pin from this.
    pub is_on: bool,
    /// The sensor, in degrees Celsius.
    pub temperature: fn() -> i16,
    /// A clock of its own.
    clock: C,
    interval: Duration,
    next_report: Duration,
}

/// Returns the settings of the connection: limits for a small memory.
pub fn config() -> Config {
    Config::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        .max_head_size(MAX_HEAD_SIZE)
}

impl<C: Clock> Lamp<C> {
    /// Creates a lamp that is off, and reports its temperature at this interval.
    pub fn new(temperature: fn() -> i16, interval: Duration, clock: C) -> Self {
        let next_report = clock.now() + interval;
        Self {
            is_on: false,
            temperature,
            clock,
            interval,
            next_report,
        }
    }

    fn reply(&mut self, command: &str) -> &'static str {
        match command {
            "on" => self.is_on = true,
            "off" => self.is_on = false,
            _ => return "a command is `on` or `off`",
        }
        "done"
    }
}

impl<C: Clock> Application for Lamp<C> {
    fn on_event(&mut self, ws: &mut Connection, event: Event<'_>, out: &mut Vec<u8>) {
        // Sending fails only after a Close frame. Then the message needs no reply.
        let _result = match event {
            // Pages of other sites may not switch the lamp, except one whose host name leads to it
            // ("DNS rebinding"). A lamp that knows its names refuses that too: `Accept::hosts`.
            Event::Request(request) => match ws.accept(&request, &Accept::new(), out) {
                Ok(_) => Ok(()),
                Err(_) => ws.reject(403, &[], b"", out).or(Ok(())),
            },
            Event::Text(command) => ws.send_text(self.reply(&command), out),
            Event::Binary(_) => ws.send_text("a command is text", out),
            _ => Ok(()), // the engine has already answered Pings and the Close frame
        };
    }

    async fn wait(&mut self) {
        self.clock.wait_until(self.next_report).await;
    }

    fn send(&mut self, ws: &mut Connection, out: &mut Vec<u8>) {
        self.next_report = self.clock.now() + self.interval;
        let _result = ws.send_text(&format!("{} °C", (self.temperature)()), out);
    }
}
