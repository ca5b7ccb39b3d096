//! The lines to send, read in a thread of their own.

use std::{
    io::{self, BufRead},
    thread,
};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{
    editor::{self, LineEditor},
    hex,
    options::Encoding,
    output::Output,
};

/// How many lines are read ahead.
const READ_AHEAD: usize = 16;

pub(crate) enum Input {
    /// A line without its end.
    Line(Vec<u8>),
    /// The end of the input, or why it cannot be read.
    End(io::Result<()>),
}

/// Begins to read. What is written from now on appears above the line that is edited, if there is
/// one.
pub(crate) async fn start(output: &Output) -> Receiver<Input> {
    let (lines, receiver) = channel(READ_AHEAD);
    let editor = if editor::is_possible() {
        editor::start().ok()
    } else {
        None
    };
    let editor = match editor {
        Some((editor, screen)) => {
            output.above(screen).await;
            Some(editor)
        }
        None => None,
    };
    thread::spawn(move || {
        let end = match editor {
            Some(editor) => read_edited(editor, &lines),
            None => read_lines(&lines),
        };
        // If the connection has ended, the end of the input does not matter.
        let _closed = lines.blocking_send(Input::End(end));
    });
    receiver
}

fn read_edited(mut editor: LineEditor, lines: &Sender<Input>) -> io::Result<()> {
    while let Some(line) = editor.read()? {
        if !line.is_empty() && lines.blocking_send(Input::Line(line.into_bytes())).is_err() {
            break;
        }
    }
    Ok(())
}

fn read_lines(lines: &Sender<Input>) -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        if stdin.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        if lines.blocking_send(Input::Line(line)).is_err() {
            return Ok(());
        }
    }
}

/// A message to send.
pub(crate) enum Outgoing {
    Text(String),
    Binary(Vec<u8>),
}

/// Returns the message that a line is.
///
/// # Errors
/// What is wrong with the line.
pub(crate) fn message(line: Vec<u8>, encoding: Encoding) -> Result<Outgoing, String> {
    match encoding {
        Encoding::Text => match String::from_utf8(line) {
            Ok(text) => Ok(Outgoing::Text(text)),
            Err(_) => Err("it is not UTF-8: use --binary".to_owned()),
        },
        Encoding::Binary => Ok(Outgoing::Binary(line)),
        Encoding::Hex => hex::parse(&line).map(Outgoing::Binary),
    }
}
