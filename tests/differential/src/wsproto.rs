//! The verdicts of wsproto, which runs in a process of its own.

use std::{
    io::{self, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sockless::{Event, Role};

use crate::{case::Case, verdict::Verdict};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wsproto_peer.py");

pub(crate) struct Process {
    child: Child,
    /// `None` when no more cases follow.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// `python` is the interpreter of an environment with wsproto.
    pub(crate) fn start(python: &str) -> io::Result<Self> {
        let mut child = Command::new(python)
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("the output is piped")),
            child,
        })
    }

    /// The verdicts, without replies: an application makes them.
    pub(crate) fn verdicts(&mut self, cases: &[Case]) -> io::Result<Vec<Verdict>> {
        let mut batch = Vec::new();
        for case in cases {
            encode(case, &mut batch);
        }
        let input = self.input.as_mut().expect("the process runs");
        // The process reads a batch before it writes.
        input.write_all(&number(batch.len()))?;
        input.write_all(&batch)?;
        input.flush()?;
        cases.iter().map(|_| self.read()).collect()
    }

    fn read(&mut self) -> io::Result<Verdict> {
        let mut verdict = Verdict::default();
        loop {
            let mut head = [0; 5];
            self.output.read_exact(&mut head)?;
            let [letter, len @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes(len) as usize];
            self.output.read_exact(&mut payload)?;
            match letter {
                b'T' => verdict.text(String::from_utf8(payload).expect("wsproto encodes text")),
                b'B' => verdict.events.push(Event::Binary(payload.into())),
                b'P' => verdict.events.push(Event::Ping(payload.into())),
                b'O' => verdict.events.push(Event::Pong(payload.into())),
                b'C' if payload.is_empty() => verdict.events.push(Event::Close(None)),
                b'C' => {
                    let reason = String::from_utf8(payload.split_off(2)).expect("wsproto encodes text");
                    verdict.close(u16::from_be_bytes([payload[0], payload[1]]), reason);
                }
                b'V' => verdict.violation = Some(u16::from_be_bytes([payload[0], payload[1]])),
                _ => return Ok(verdict),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends the process.
        self.input = None;
        self.child.wait().ok();
    }
}

fn number(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a batch is small").to_be_bytes()
}

fn encode(case: &Case, batch: &mut Vec<u8>) {
    let stream = case.stream();
    let cuts = case.cuts(stream.len());
    let (bits, takeover) = case
        .deflate
        .map_or((0, true), |deflate| (deflate.bits, deflate.takeover));
    let flags = [case.role == Role::Client, case.closes_first, takeover];
    batch.extend(flags.map(u8::from));
    batch.push(bits);
    batch.extend(number(cuts.len() + 1));
    let mut from = 0;
    for to in cuts.into_iter().chain([stream.len()]) {
        batch.extend(number(to - from));
        batch.extend(&stream[from..to]);
        from = to;
    }
}
