//! What both programs have in common: the command line, a checksum, progress, peak memory.

use std::{
    fmt, fs,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use sockless::{Config, Delivery, Message, adapter::Error};
use sockless_applications::{AnyError, Args, usage};

pub(crate) const HELP: &str = "\
Sends a file of any size as one message, and receives it, in little memory.

usage: upload serve [--listen ADDRESS]        receives, and answers with length and checksum
       upload send URL FILE                   sends a file
       upload send URL --random BYTES         sends as many bytes that are made up

  --listen ADDRESS  where to listen (127.0.0.1:9010); with port 0, on a free port

The program upload_tokio has the same options. It does the same in tasks of tokio.";

/// How much is read from a file at a time, in bytes: one fragment.
pub(crate) const BUFFER_SIZE: usize = 16 << 10;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// What the command line asks for.
pub(crate) enum Task {
    Serve { listen: String },
    SendFile { url: String, path: String },
    SendRandom { url: String, len: u64 },
}

impl Task {
    pub(crate) fn parse(mut args: Args) -> Result<Self, AnyError> {
        let listen = args.option("--listen", String::from("127.0.0.1:9010"))?;
        let len = args.option("--random", u64::MAX)?;
        let task = match (args.next::<String>("the command")?.as_str(), len) {
            ("serve", u64::MAX) => Self::Serve { listen },
            ("send", u64::MAX) => Self::SendFile {
                url: args.next("the URL")?,
                path: args.next("the file")?,
            },
            ("send", len) => Self::SendRandom {
                url: args.next("the URL")?,
                len,
            },
            (command, _) => return Err(usage(format!("{command:?} is not possible with these options"))),
        };
        args.end()?;
        Ok(task)
    }
}

/// The configuration of the server: it never holds a whole message, so a message may be large.
pub(crate) fn server_config() -> Config {
    Config::new()
        .delivery(Delivery::Chunks)
        .max_message_size(1 << 40)
        .max_fragments(u32::MAX)
}

/// How much of a message was transferred, and what. It shows the progress.
pub(crate) struct Transfer {
    len: u64,
    expected_len: Option<u64>,
    checksum: u64,
    started: Instant,
    shown: Instant,
}

impl Transfer {
    pub(crate) fn new(expected_len: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            len: 0,
            expected_len,
            checksum: 0,
            started: now,
            shown: now,
        }
    }

    /// Counts the next bytes.
    pub(crate) fn add(&mut self, data: &[u8]) {
        self.checksum = data.iter().fold(self.checksum, |sum, byte| {
            sum.wrapping_mul(0x0100_0000_01B3).wrapping_add(u64::from(*byte) + 1)
        });
        self.len += data.len() as u64;
        if self.shown.elapsed() >= PROGRESS_INTERVAL {
            self.shown = Instant::now();
            self.show();
        }
    }

    fn show(&self) {
        let of = self.expected_len.map(|len| format!(" of {}", Mebibytes(len)));
        let rate = Mebibytes((self.len as f64 / self.started.elapsed().as_secs_f64()) as u64);
        let line = format!("{}{}, {rate} a second", Mebibytes(self.len), of.unwrap_or_default());
        if io::stderr().is_terminal() {
            // The same line again and again.
            eprint!("\x1B[2K\r{line}");
        } else {
            eprintln!("{line}");
        }
    }

    /// Ends the line with the progress, and returns what was transferred.
    pub(crate) fn finish(self) -> Receipt {
        self.show();
        if io::stderr().is_terminal() {
            eprintln!();
        }
        Receipt {
            len: self.len,
            checksum: self.checksum,
        }
    }
}

/// What was transferred. The server answers with its text.
pub(crate) struct Receipt {
    len: u64,
    checksum: u64,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, checksum {:016x}", self.len, self.checksum)
    }
}

/// What has become of an upload.
pub(crate) struct Outcome {
    pub(crate) sent: Result<Receipt, AnyError>,
    pub(crate) answer: Result<Option<Message<'static>>, Error>,
}

impl Outcome {
    /// Compares what was sent with the answer of the server.
    pub(crate) fn check(self) -> Result<Receipt, AnyError> {
        let (sent, answer) = match (self.sent, self.answer) {
            (Ok(sent), answer) => (sent, answer?),
            (Err(error), Ok(_)) => return Err(error),
            // How the connection has ended may be the cause of the first.
            (Err(error), Err(ended)) => return Err(format!("{error}; {ended}").into()),
        };
        match answer {
            Some(answer) if answer.as_text() == Some(&sent.to_string()) => Ok(sent),
            Some(answer) => Err(format!("{sent} was sent, and the server has received {answer}").into()),
            None => Err("the server has closed the connection without an answer".into()),
        }
    }
}

struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

/// Returns the peak memory of this process, where the system tells it: `, peak memory 3.1 MiB`.
pub(crate) fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or_else(String::new, |kib| format!(", peak memory {}", Mebibytes(kib << 10)))
}

/// Bytes that are made up, and not all the same.
pub(crate) struct Random {
    state: u64,
    left: u64,
}

impl Random {
    pub(crate) fn new(len: u64) -> Self {
        Self { state: len, left: len }
    }

    /// Fills the front of `buf`. Returns how many bytes were filled, and 0 at the end.
    pub(crate) fn fill(&mut self, buf: &mut [u8]) -> usize {
        let len = usize::try_from(self.left).unwrap_or(buf.len()).min(buf.len());
        for bytes in buf[..len].chunks_mut(8) {
            self.state = self
                .state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            bytes.copy_from_slice(&self.state.to_be_bytes()[..bytes.len()]);
        }
        self.left -= len as u64;
        len
    }
}

impl io::Read for Random {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(buf))
    }
}
