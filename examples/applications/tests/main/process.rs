//! A program that runs.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a test waits for a program before it fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A program that is ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// The lines of the standard output.
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    /// The thread that reads it.
    stderr_reader: Option<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let from_stderr = BufReader::new(child.stderr.take().unwrap());
        let stderr = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _result = sender.send(line);
            }
        });
        let to = Arc::clone(&stderr);
        let stderr_reader = thread::spawn(move || {
            for line in from_stderr.lines().map_while(Result::ok) {
                *to.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self {
            child,
            lines,
            stderr,
            stderr_reader: Some(stderr_reader),
        }
    }

    /// Starts a server. Also returns where it listens.
    pub(crate) fn serve(program: &str, args: &[&str]) -> (Self, String) {
        let process = Self::start(program, &[args, &["--listen", "127.0.0.1:0"]].concat());
        let line = process.line();
        let address = line.strip_prefix("listening on ").expect(&line).to_owned();
        (process, address)
    }

    /// Waits for the next line of the standard output.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(TEST_TIMEOUT).expect("a line of the program")
    }

    pub(crate) fn stdin(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    /// Writes lines to the standard input.
    pub(crate) fn input(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.stdin().write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }

    /// Waits until the program has written a text to the standard error `count` times.
    pub(crate) fn wait_for_error(&self, text: &str, count: usize) {
        let started = Instant::now();
        while self.stderr.lock().unwrap().matches(text).count() < count {
            let is_late = started.elapsed() > TEST_TIMEOUT;
            assert!(!is_late, "{text:?} is not in {:?}", self.stderr.lock().unwrap());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the standard input, and waits until the program ends by itself. Returns its status, and
    /// what it has written to the standard output, as far as [`line`](Self::line) has not returned
    /// it, and to the standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() > TEST_TIMEOUT => panic!("the program does not end"),
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        let lines: Vec<_> = self.lines.iter().collect();
        (status.code(), lines.join("\n"), self.all_errors())
    }

    /// Ends the program. Returns what it has written to the standard error.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.all_errors()
    }

    /// The program has ended.
    fn all_errors(&mut self) -> String {
        self.stderr_reader.take().unwrap().join().unwrap();
        self.stderr.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _result = self.child.kill();
        let _result = self.child.wait();
    }
}
