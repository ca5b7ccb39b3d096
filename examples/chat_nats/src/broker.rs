//! The room in the broker: a stream of JetStream, which stores the lines and numbers them.
//!
//! All servers read the same stream, so all guests see the same lines in the same order. Two
//! properties of it make a restart of the broker harmless:
//!
//! * A line is sent when the broker has confirmed that it is stored. Until then it is published
//!   again and again, under the same id, of which the broker stores only the first.
//! * A server knows the number of the last line that it has read, and reads on after it.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use async_nats::jetstream::{self, Context, stream};
use async_nats::{ConnectOptions, Event};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::AnyError;

const STREAM: &str = "CHAT";
const SUBJECT: &str = "chat.lines";
/// What the broker keeps: a server that was away for longer misses lines, and tells its guests.
const MAX_LINES: i64 = 10_000;
const MAX_BYTES: i64 = 64 << 20;
/// How long the broker keeps lines, and recognises one that is published again.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// After this time, a line is not published again: the broker might store it a second time.
const GIVE_UP: Duration = Duration::from_secs(3000);
/// How long one attempt may take. The broker may have stopped without closing its connections.
const ATTEMPT: Duration = Duration::from_secs(5);
const RETRY_DELAY: Duration = Duration::from_millis(250);
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The connection to the broker. `async-nats` opens it again when it is lost.
pub(crate) struct Broker {
    jetstream: Context,
    link: watch::Receiver<Link>,
    /// Whether [`read`](Self::read) has begun: what is published after that, it returns.
    is_reading: watch::Sender<bool>,
    /// Ids are unique among all servers, also after a restart of one.
    id_prefix: String,
    last_id: AtomicU64,
}

/// Whether there is a connection to the broker.
#[derive(Clone, Copy, Default)]
pub(crate) struct Link {
    pub(crate) is_up: bool,
    /// How many connections there were.
    count: u64,
}

/// What is read from the stream.
pub(crate) enum Read {
    Line(String),
    /// The broker no longer has so many lines that this server has not read.
    Missed(u64),
    /// The broker has lost the stream, and a new one begins.
    Reset,
}

/// It is not known whether the broker has stored a line.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Broker {
    /// Returns at once, also if the broker is not there yet.
    pub(crate) async fn connect(address: &str) -> Result<Self, AnyError> {
        let (to_link, link) = watch::channel(Link::default());
        let to_link = Arc::new(to_link);
        let options = ConnectOptions::new()
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| Duration::from_millis(100 * attempts.min(20) as u64))
            .ping_interval(PING_INTERVAL)
            .event_callback(move |event| {
                let to_link = Arc::clone(&to_link);
                async move { on_event(&event, &to_link) }
            });
        let jetstream = jetstream::new(options.connect(address).await?);
        let id_prefix = format!("{:016x}", getrandom::u64()?);
        let last_id = AtomicU64::new(0);
        Ok(Self {
            jetstream,
            link,
            is_reading: watch::Sender::new(false),
            id_prefix,
            last_id,
        })
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link.borrow().is_up
    }

    /// Publishes a line, and returns when the broker has stored it: waits as long as there is no
    /// broker.
    ///
    /// # Errors
    /// The broker has confirmed nothing for so long that the line may not be published again.
    pub(crate) async fn publish(&self, line: &str) -> Result<(), Unknown> {
        let id = format!("{}-{}", self.id_prefix, self.last_id.fetch_add(1, Ordering::Relaxed));
        // So nothing is published that the guests of this server do not see.
        let mut is_reading = self.is_reading.subscribe();
        is_reading
            .wait_for(|is_reading| *is_reading)
            .await
            .map_err(|_| Unknown)?;
        let (mut link, mut first_attempt) = (self.link(), None);
        loop {
            // Fails only when the process ends.
            let connection = link.wait_for(|link| link.is_up).await.map_err(|_| Unknown)?.count;
            if first_attempt.get_or_insert_with(Instant::now).elapsed() > GIVE_UP {
                return Err(Unknown);
            }
            tokio::select! {
                stored = timeout(ATTEMPT, self.attempt(&id, line)) => match stored {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(error)) => log(error),
                    Err(elapsed) => log(elapsed),
                },
                // What was published over a connection that is lost may not have arrived.
                _ = link.wait_for(|link| link.count != connection || !link.is_up) => continue,
            }
            sleep(RETRY_DELAY).await;
        }
    }

    async fn attempt(&self, id: &str, line: &str) -> Result<(), AnyError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, id);
        let line = line.to_owned().into_bytes().into();
        // The first `await` passes the line to the connection, the second waits for the broker.
        let stored = self.jetstream.publish_with_headers(SUBJECT, headers, line).await?;
        stored.await?;
        Ok(())
    }

    /// Reads the lines of all servers, from now on, for ever.
    pub(crate) async fn read(&self, mut on: impl FnMut(Read)) {
        let mut last = None;
        loop {
            if let Err(error) = self.read_connection(&mut last, &mut on).await {
                log(error);
                sleep(RETRY_DELAY).await;
            }
        }
    }

    /// Reads until the connection to the broker is lost. `last` is the number of the last line.
    async fn read_connection(&self, last: &mut Option<u64>, on: &mut impl FnMut(Read)) -> Result<(), AnyError> {
        let mut link = self.link();
        let connection = link.wait_for(|link| link.is_up).await?.count;
        let mut stream = self.jetstream.get_or_create_stream(stream_config()).await?;
        let newest = stream.info().await?.state.last_sequence;
        if last.is_some_and(|last| last > newest) {
            on(Read::Reset);
            *last = Some(0);
        }
        let start = *last.get_or_insert(newest) + 1;
        self.is_reading.send_replace(true);
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
            ..OrderedConfig::default()
        };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        loop {
            let message = tokio::select! {
                message = messages.next() => message.ok_or("the stream of the broker has ended")??,
                _ = link.wait_for(|link| link.count != connection) => return Ok(()),
            };
            let sequence = message.info()?.stream_sequence;
            let expected = last.unwrap_or(0) + 1;
            if sequence > expected {
                on(Read::Missed(sequence - expected));
            }
            if sequence >= expected {
                *last = Some(sequence);
                on(Read::Line(String::from_utf8_lossy(&message.payload).into_owned()));
            }
        }
    }
}

fn stream_config() -> stream::Config {
    stream::Config {
        name: STREAM.into(),
        subjects: vec![SUBJECT.into()],
        max_messages: MAX_LINES,
        max_bytes: MAX_BYTES,
        max_age: MAX_AGE,
        duplicate_window: MAX_AGE,
        ..stream::Config::default()
    }
}

fn on_event(event: &Event, link: &watch::Sender<Link>) {
    log(event);
    match event {
        Event::Connected => link.send_modify(|link| {
            link.is_up = true;
            link.count += 1;
        }),
        Event::Disconnected | Event::Closed => link.send_modify(|link| link.is_up = false),
        _ => {}
    }
}

fn log(what: impl Display) {
    eprintln!("chat_nats: broker: {what}");
}
