//! The workloads, and their bytes on the wire.

use std::fmt;

use sockless::Role;
use support::frame;

/// The number of connections at the same time.
pub const CONNECTIONS: usize = 16;

pub struct Work {
    pub size: usize,
    /// The number of messages of a batch, on each connection. The next batch is sent when all
    /// messages of the last one are echoed.
    pub depth: usize,
}

/// Returns the rows of the table.
pub fn all() -> impl Iterator<Item = Work> {
    let sizes = [(16, 64), (125, 64), (1 << 10, 32), (16 << 10, 4)];
    let depths = sizes.map(|(size, deep)| [1, deep].map(|depth| Work { size, depth }));
    depths.into_iter().flatten()
}

impl Work {
    /// Returns the frames of the client, binary messages, and those of the server.
    pub fn batches(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for index in 0..self.depth {
            let payload: Vec<u8> = (0..self.size)
                .map(|at| (at * 7 + at / 251 + index * 31) as u8)
                .collect();
            sent.extend(frame(Role::Client, 0x82, &payload));
            expected.extend(frame(Role::Server, 0x82, &payload));
        }
        (sent, expected)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            size if size >= 1 << 10 => write!(f, "{} KiB", size >> 10)?,
            size => write!(f, "{size} B")?,
        }
        write!(f, ", depth {}", self.depth)
    }
}
