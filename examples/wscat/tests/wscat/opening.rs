//! How a connection is opened, or is not.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use sockless::Accept;

use crate::{
    process::wscat,
    server::{echo, listen, requests},
};

/// Answers with the value of a header of the request.
fn showing(header: &'static str) -> String {
    requests(move |incoming| {
        let value = incoming
            .request()
            .headers()
            .get(header)
            .map(|value| value.escape_ascii().to_string());
        let accept = Accept::new().any_origin();
        let mut ws = incoming.accept(&accept).unwrap();
        ws.send(value.unwrap_or_default()).unwrap();
        while let Ok(Some(_)) = ws.recv() {}
    })
}

/// Reads the head of a request.
fn read_head(mut tcp: &TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && tcp.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Answers each request with a text. Returns the address.
fn answering(answer: &'static str) -> String {
    listen(move |mut tcp| {
        read_head(&tcp);
        tcp.write_all(answer.as_bytes()).unwrap();
    })
}

#[test]
fn options_set_the_headers_of_the_request() {
    for (header, args, expected) in [
        (
            "Authorization",
            &["--user", "Aladdin:open:sesame"][..],
            "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==",
        ),
        ("Authorization", &["-u", "a:"], "Basic YTo="),
        ("X-Token", &["-H", "X-Token: a:b "], "a:b"),
        ("X-Token", &["--header=X-Token:a"], "a"),
        ("Origin", &["--origin", "https://example.com"], "https://example.com"),
        (
            "Sec-WebSocket-Protocol",
            &["--subprotocol", "a", "--subprotocol", "b"],
            "a, b",
        ),
    ] {
        let url = showing(header);
        let args = [args, &["--wait", "0", &url]].concat();
        assert_eq!(wscat(&args, "").exits(0), format!("{expected}\n"), "{args:?}");
    }
}

#[test]
fn the_steps_and_what_was_negotiated_are_shown() {
    let url = requests(|incoming| {
        let chosen = incoming.request().choose_subprotocol(&["b"]).map(str::to_owned);
        let accept = Accept::new()
            .subprotocol(chosen.as_deref())
            .headers(&[("Server", "a\x1bb")][..0]);
        let mut ws = incoming.accept(&accept).unwrap();
        ws.ping(b"\x1b]0;").unwrap();
        ws.close(sockless::CloseCode::NORMAL, "enough").unwrap();
        while let Ok(Some(_)) = ws.recv() {}
    });
    let run = wscat(
        &[
            "-v",
            "--wait",
            "forever",
            "--subprotocol",
            "a",
            "--subprotocol",
            "b",
            &url,
        ],
        "",
    );
    assert_eq!(run.exits(0), "");
    run.says("* connected to 127.0.0.1:")
        .says("* WebSocket open, ")
        .says("Sec-WebSocket-Protocol: b\n")
        .says(r#"* Ping received with "\x1b]0;""#)
        .says("* messages: 0 sent, 0 received, in ")
        .says("* closed by the server with code 1000 (normal closure): enough\n");
}

#[test]
fn a_refusal_shows_the_status_what_the_server_says_and_what_to_do() {
    let url = requests(|incoming| {
        let headers = [("WWW-Authenticate", "Basic realm=\"x\"")];
        incoming.reject(401, &headers, b"who are \x1b[31myou?").unwrap();
    });
    let run = wscat(&[&url], "hello\n");
    assert_eq!(run.exits(5), "");
    run.says("* the server refused with status 401\n")
        .says("WWW-Authenticate: Basic realm=\"x\"\n")
        .says(r"who are \u{1b}[31myou?")
        .says("--user NAME:PASSWORD");
}

#[test]
fn a_redirect_is_shown() {
    let address = answering("HTTP/1.1 301 Moved\r\nLocation: wss://new.example/\r\nContent-Length: 0\r\n\r\n");
    let run = wscat(&[&format!("ws://{address}")], "");
    run.exits(5);
    run.says("status 301")
        .says("Location: wss://new.example/")
        .says("use the new URL");
}

#[test]
fn what_is_wrong_with_the_command_line_is_said() {
    let url = echo();
    let cases: [(&[&str], &str); 15] = [
        (&[], "the URL is missing"),
        (&["example.com"], "does not begin with \"ws://\""),
        (&["ftp://example.com/"], "does not begin with \"ws://\""),
        (&["ws:///path"], "host"),
        (&["ws://example.com/#x"], "fragment"),
        (&["ws://ann:secret@example.com/"], "use --user"),
        (&["--nothing", &url], "there is no option --nothing"),
        (&["-x", &url], "there is no option -x"),
        (&[&url, &url], "unexpected argument"),
        (
            &["--wait", "soon", &url],
            "--wait needs a number of seconds, not \"soon\"",
        ),
        (&["--wait", "-1", &url], "--wait needs a number of seconds"),
        (
            &["--max-message-size", "1k", &url],
            "--max-message-size needs a number of bytes",
        ),
        (&["--header", "NoColon", &url], "the value of --header has no colon"),
        (&["--header", "Host: x", &url], "Host"),
        (&["--proxy", "socks5://127.0.0.1:1", &url], "proxy"),
    ];
    for (args, text) in cases {
        let run = wscat(args, "");
        assert_eq!(run.exits(2), "", "{args:?}");
        run.says(text).says("wscat --help");
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    }
}

#[test]
fn the_help_and_the_version_need_no_url() {
    let help = wscat(&["--help"], "").exits(0);
    for option in ["--subprotocol", "--proxy", "--hex", "--wait", "Exit status"] {
        assert!(help.contains(option), "{option}");
    }
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "the help fits a terminal"
    );
    assert!(wscat(&["-V"], "").exits(0).starts_with("wscat "));
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let run = wscat(&[&format!("ws://{address}/")], "hello\n");
    assert_eq!(run.exits(1), "");
    run.says(&format!("* cannot connect to {address}: "));
    let run = wscat(&["ws://name.invalid/"], "");
    run.exits(1);
    run.says("cannot connect to name.invalid:80: ");
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let url = format!("ws://{}/", listen(|tcp| drop(io::copy(&mut &tcp, &mut io::sink()))));
    let run = wscat(&["--timeout", "0.2", &url], "");
    run.exits(1);
    run.says("was not open after --timeout 0.2");
}

#[test]
fn an_answer_that_is_not_websocket_is_no_connection() {
    let run = wscat(&[&format!("ws://{}/", answering("SSH-2.0-x\r\n"))], "");
    run.exits(1);
    run.says("* ");
    let run = wscat(
        &[&format!(
            "ws://{}/",
            answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        )],
        "",
    );
    run.exits(5);
    run.says("status 200");
}

/// Opens tunnels for one pair of credentials, like a proxy.
fn proxy() -> String {
    listen(|mut client| {
        let head = read_head(&client);
        if !head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n") {
            let answer = "HTTP/1.1 407 Denied\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
            return client.write_all(answer.as_bytes()).unwrap();
        }
        let target = head.split(' ').nth(1).unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        let _result = io::copy(&mut server, &mut client);
    })
}

#[test]
fn a_proxy_opens_a_tunnel_or_says_why_not() {
    let (proxy, url) = (proxy(), echo());
    let run = wscat(
        &[
            "-v",
            "--wait",
            "0",
            "--proxy",
            &format!("http://user:pass@{proxy}"),
            &url,
        ],
        "hello\n",
    );
    assert_eq!(run.exits(0), "hello\n");
    run.says(&format!("* connected to {proxy}"))
        .says("* tunnel to 127.0.0.1:");
    assert!(!run.stderr.contains("pass"), "{}", run.stderr);
    let run = wscat(&["--proxy", &format!("http://{proxy}"), &url], "hello\n");
    run.exits(5);
    run.says("* the proxy refused with status 407")
        .says("--proxy http://NAME:PASSWORD@HOST:PORT");
    let run = wscat(&["--proxy", "http://127.0.0.1:1", &url], "");
    run.exits(1);
    run.says("the proxy: cannot connect to 127.0.0.1:1: ");
}
