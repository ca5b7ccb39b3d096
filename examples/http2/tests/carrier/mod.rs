//! The tests that do not depend on the carrier. The packages for HTTP/2 and HTTP/3 both run them.
//!
//! The root of either has what differs: `Server`, `Carrier`, `WebSocket`, `STREAM_WINDOW`, `MANY`
//! and `is_lost`.

pub(crate) mod endings;
pub(crate) mod messages;
mod stalled;

use std::time::Duration;

use sockless::{
    CloseCode, Config,
    adapter::{
        self, Settings,
        poll::{Clock, Transport, WebSocket},
    },
    deflate::DeflateConfig,
};
use tokio::{sync::mpsc, time::timeout};

/// How long a test may take. Most take milliseconds.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a test on two threads.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { timeout(TEST_TIMEOUT, test).await })
        .expect("the test ends before the timeout")
}

/// Runs a test on the paused clock of tokio, which advances when all tasks wait.
pub(crate) fn run_paused<F: Future>(test: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

/// With compression of every message, or without.
pub(crate) fn config(compressed: bool) -> Config {
    Config::new().deflate(compressed.then(|| DeflateConfig::new().threshold(0)))
}

pub(crate) fn settings() -> Settings {
    Settings::new()
}

/// The path of a WebSocket, and how it has ended on the side of the server.
pub(crate) type End = (String, Result<String, adapter::Error>);

/// The ends of the WebSockets of a server.
pub(crate) struct Ends(mpsc::UnboundedReceiver<End>);

impl Ends {
    /// Returns them, and where the server reports each.
    pub(crate) fn new() -> (mpsc::UnboundedSender<End>, Self) {
        let (send, ends) = mpsc::unbounded_channel();
        (send, Self(ends))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> End {
        self.0.recv().await.unwrap()
    }

    /// Waits for that of the WebSocket with this path.
    pub(crate) async fn of(&mut self, path: &str) -> Result<String, adapter::Error> {
        loop {
            let (ended, how) = self.next().await;
            if ended == path {
                return how;
            }
        }
    }
}

/// What the server does with a WebSocket: it echoes messages, except those of `/unread`, which it
/// does not receive. Returns how the WebSocket has closed.
pub(crate) async fn serve<T, C>(mut ws: WebSocket<T, C>, path: &str) -> Result<String, adapter::Error>
where
    T: Transport,
    C: Clock,
{
    if path.starts_with("/unread") {
        std::future::pending::<()>().await;
    }
    if path.starts_with("/drop") {
        ws.recv().await?;
        return Ok("dropped".to_owned());
    }
    if path.starts_with("/close") {
        ws.close(CloseCode::from(4001), "enough").await?;
    }
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(ws.close_status().unwrap().to_string())
}
