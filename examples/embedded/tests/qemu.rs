//! The firmware on an emulated Cortex-M4, whose UART is connected to this client.

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sockless::{ClientRequest, CloseCode, Config, Connection, Event, State};

struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _result = self.0.kill();
        let _result = self.0.wait();
    }
}

/// A connection without an adapter: those need `std`, and this package is built without it.
struct Client {
    tcp: TcpStream,
    ws: Connection,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl Client {
    fn new(tcp: TcpStream) -> Self {
        let (mut out, seed) = (Vec::new(), [7; 32]); // of a test: it is no secret
        let request = ClientRequest::new("ws://lamp.local/").unwrap();
        let ws = Connection::client(&request, Config::new(), seed, &mut out).unwrap();
        let input = Vec::new();
        Self { tcp, ws, out, input }
    }

    /// Writes the output, and returns the next event as text. `None`: the connection is closed.
    fn next(&mut self) -> Option<String> {
        loop {
            self.tcp.write_all(&self.out).unwrap();
            self.out.clear();
            let mut input = &mut self.input[..];
            let event = self.ws.receive(&mut input, &mut self.out).unwrap();
            let event = event.map(|event| match event {
                Event::Text(text) => text.into_owned(),
                other => format!("{other:?}"),
            });
            self.input = input.to_vec();
            if event.is_some() || self.ws.state() == State::Closed {
                return event;
            }
            let mut bytes = [0; 512];
            let len = self.tcp.read(&mut bytes).expect("the lamp answers in time");
            assert_ne!(len, 0, "QEMU runs");
            self.input.extend(&bytes[..len]);
        }
    }

    /// Sends a command, and returns the reply, which may come after a report.
    fn ask(&mut self, command: &str) -> String {
        self.ws.send_text(command, &mut self.out).unwrap();
        loop {
            let reply = self.next().expect("a reply");
            if !reply.ends_with("°C") {
                return reply;
            }
        }
    }
}

#[test]
fn the_firmware_is_a_server() {
    let Some(firmware) = env::var_os("FIRMWARE") else {
        // Not `eprintln`, whose output is shown only for tests that fail.
        let what = "FIRMWARE is not set; firmware/src/main.rs says how to build it";
        let _result = writeln!(io::stderr(), "\n*** the_firmware_is_a_server is SKIPPED: {what}");
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let serial = format!("tcp:{}", listener.local_addr().unwrap());
    let qemu = Command::new("qemu-system-arm")
        .args([
            "-M",
            "mps2-an386",
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            &serial,
            "-kernel",
        ])
        .arg(firmware)
        .stdin(Stdio::null())
        .spawn();
    let _qemu = Qemu(qemu.expect("qemu-system-arm is installed"));
    let tcp = listener.accept().unwrap().0;
    tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();

    // One connection after the other over the same line.
    for _ in 0..3 {
        let mut client = Client::new(tcp.try_clone().unwrap());
        assert!(client.next().unwrap().starts_with("Open"));
        assert_eq!(client.ask("on"), "done");
        assert_eq!(client.ask("what"), "a command is `on` or `off`");
        let report = client.next().unwrap();
        assert_eq!(report, "21 °C");
        client.ws.close(CloseCode::NORMAL, "", &mut client.out).unwrap();
        while client.next().is_some() {}
        assert!(client.ws.close_status().unwrap().is_clean());
    }
}
