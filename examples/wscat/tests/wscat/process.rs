//! The program, with its input and output in pipes.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    thread,
};

/// What a run of the program has left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Checks the exit status, and returns the standard output.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Checks that the standard error has a text.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {:?}", self.stderr);
        self
    }
}

/// Starts the program with pipes.
pub(crate) fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wscat"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the program to its end, with all of its input.
pub(crate) fn wscat(args: &[&str], input: impl Into<Vec<u8>>) -> Run {
    let mut child = start(args);
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
    // The program may end before it has read everything.
    let writer = thread::spawn(move || stdin.write_all(&input).is_ok());
    let run = end(child);
    let _is_complete = writer.join().unwrap();
    run
}

/// Waits for the end of the program.
pub(crate) fn end(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
