//! Export to HAR, the HTTP Archive format, with the messages of a WebSocket as Chromium has them.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{
    fmt::{self, Display, Write},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Recording,
    entry::{CallLine, ConstructorLine, EventLine, Fields},
    field::Data,
    message::{RecordedMessage, RecordedPayload},
    recorded_call::Item,
};
use crate::message::MessageKind;

/// What the opening handshake says.
#[derive(Default)]
struct HarOpening {
    started: Option<Duration>,
    opened: Option<Duration>,
    url: String,
    method: String,
    request: Vec<(String, String)>,
    status: u16,
    response: Vec<(String, String)>,
}

impl Recording<'_> {
    /// Returns the recording as a HAR 1.2 file with one entry, which has the messages in
    /// `_webSocketMessages`, as Chromium writes them: text as it is, binary in base64, the time in
    /// seconds since the Unix epoch. Developer tools of browsers open it.
    ///
    /// Pings, Pongs and Close frames are not in it, as in those of Chromium. What was redacted, or
    /// never recorded, is there as `<redacted>`. The time is that of the recorder's clock.
    #[must_use]
    pub fn to_har(self) -> String {
        let opening = self.opening();
        let (started, opened) = (
            opening.started.unwrap_or_default(),
            opening.opened.or(opening.started).unwrap_or_default(),
        );
        let wait = milliseconds(opened.saturating_sub(started));
        let mut har = String::new();
        let _written = write!(
            har,
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{{\"name\":\"sockless\",\"version\":\"{}\"}},\"entries\":[{{\
             \"startedDateTime\":\"{}\",\"time\":{wait},\
             \"request\":{{\"method\":{},\"url\":{},\"httpVersion\":\"HTTP/1.1\",\"cookies\":[],\"headers\":[{}],\
             \"queryString\":[],\"headersSize\":-1,\"bodySize\":0}},\
             \"response\":{{\"status\":{},\"statusText\":\"{}\",\"httpVersion\":\"HTTP/1.1\",\"cookies\":[],\
             \"headers\":[{}],\"content\":{{\"size\":0,\"mimeType\":\"x-unknown\"}},\"redirectURL\":\"\",\
             \"headersSize\":-1,\"bodySize\":-1}},\
             \"cache\":{{}},\"timings\":{{\"send\":0,\"wait\":{wait},\"receive\":0}},\
             \"_resourceType\":\"websocket\",\"_webSocketMessages\":[",
            env!("CARGO_PKG_VERSION"),
            Date(started),
            Json(&opening.method),
            Json(&opening.url),
            JsonFields(&opening.request),
            opening.status,
            if opening.status == 101 {
                "Switching Protocols"
            } else {
                ""
            },
            JsonFields(&opening.response),
        );
        for (index, message) in self.messages().enumerate() {
            har.push_str(if index > 0 { ",\n" } else { "\n" });
            write_message(&mut har, &message);
        }
        har.push_str("]}]}}\n");
        har
    }

    fn opening(self) -> HarOpening {
        let mut opening = HarOpening {
            method: "GET".into(),
            url: "ws://localhost/".into(),
            ..HarOpening::default()
        };
        for item in self.items() {
            match item {
                Item::Url(url) => opening.url = readable_url(url),
                Item::Call(recorded) => {
                    opening.started.get_or_insert(recorded.at);
                    match &recorded.call {
                        CallLine::Constructor(ConstructorLine::Client) => {
                            opening.request = fields_of_head(recorded.out);
                        }
                        CallLine::Accept { .. } | CallLine::Reject(..) | CallLine::RejectNotAllowed
                            if recorded.error.is_none() =>
                        {
                            opening.opened = Some(recorded.at);
                            opening.status = status_of_head(recorded.out).unwrap_or(opening.status);
                            opening.response = fields_of_head(recorded.out);
                        }
                        _ => {}
                    }
                    opening.take(&recorded.event, recorded.at);
                }
                Item::Truncated => {}
            }
        }
        opening
    }
}

impl HarOpening {
    fn take(&mut self, event: &Option<EventLine<'_>>, at: Duration) {
        match event {
            Some(EventLine::Request { method, target, fields }) => {
                self.method = (*method).into();
                self.request = texts(*fields);
                let is_host = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("host");
                let host = self.request.iter().find(is_host).map_or("localhost", |(_, host)| host);
                self.url = format!("ws://{host}{}", readable_url(*target));
            }
            Some(EventLine::Open(status, fields) | EventLine::Refused { status, fields, .. }) => {
                self.opened = Some(at);
                self.status = *status;
                self.response = texts(*fields);
            }
            _ => {}
        }
    }
}

fn write_message(har: &mut String, message: &RecordedMessage) {
    let (opcode, data) = match (&message.payload, message.kind) {
        (RecordedPayload::Bytes(bytes), MessageKind::Text) => (1, String::from_utf8_lossy(bytes).into_owned()),
        (RecordedPayload::Bytes(bytes), MessageKind::Binary) => (2, STANDARD.encode(bytes)),
        (RecordedPayload::Unknown(_), MessageKind::Text) => (1, "<redacted>".to_string()),
        (RecordedPayload::Unknown(_), MessageKind::Binary) => (2, STANDARD.encode("<redacted>")),
    };
    let kind = if message.is_sent { "send" } else { "receive" };
    let (seconds, micros) = (message.at.as_secs(), message.at.subsec_micros());
    let _written = write!(
        har,
        "{{\"type\":\"{kind}\",\"time\":{seconds}.{micros:06},\"opcode\":{opcode},\"data\":{}}}",
        Json(&data)
    );
}

/// The text of data, with `<redacted>` for what is not there.
fn readable(data: Data<'_>) -> String {
    let text = |data: Data<'_>| Some(String::from_utf8_lossy(&data.to_bytes()?).into_owned());
    text(data).unwrap_or_else(|| "<redacted>".into())
}

/// The text of a URL or of a target, with `/redacted` for what is not there.
fn readable_url(data: Data<'_>) -> String {
    let mut url = Vec::new();
    for segment in data.segments() {
        if segment.append_to(&mut url).is_none() {
            url.extend_from_slice(b"/redacted");
        }
    }
    String::from_utf8_lossy(&url).into_owned()
}

fn texts(fields: Fields<'_>) -> Vec<(String, String)> {
    fields.map(|(name, value)| (readable(name), readable(value))).collect()
}

/// The fields of a head that was sent. A redacted one has none.
fn fields_of_head(head: Data<'_>) -> Vec<(String, String)> {
    let head = head.to_bytes().unwrap_or_default();
    let head = String::from_utf8_lossy(&head);
    let lines = head.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let fields = lines.filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.into(), value.into())).collect()
}

fn status_of_head(head: Data<'_>) -> Option<u16> {
    let head = head.to_bytes()?;
    core::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

fn milliseconds(time: Duration) -> impl Display {
    format!("{}.{:03}", time.as_millis(), time.subsec_micros() % 1000)
}

/// A text in JSON (RFC 8259, section 7).
struct Json<'a>(&'a str);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                '\0'..='\x1F' | '\x7F' => write!(f, "\\u{:04x}", u32::from(char))?,
                _ => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}

struct JsonFields<'a>(&'a [(String, String)]);

impl Display for JsonFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{{\"name\":{},\"value\":{}}}", Json(name), Json(value))?;
        }
        Ok(())
    }
}

/// A date as ISO 8601 has it, of a time since the Unix epoch.
struct Date(Duration);

impl Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The years that four digits can tell.
        let seconds = self.0.as_secs().min(253_402_300_799);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millis = self.0.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// The year, the month and the day of a number of days since 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // 400 years have 146,097 days.
    let (mut year, mut day) = (1970 + 400 * (days / 146_097), days % 146_097);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < len {
            break;
        }
        day -= len;
        month += 1;
    }
    (year, month, day + 1)
}
