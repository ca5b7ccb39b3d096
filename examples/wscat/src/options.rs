//! The command line.

use std::{
    io::{IsTerminal, stdout},
    path::PathBuf,
    time::Duration,
};

use lexopt::{
    Parser,
    prelude::{Long, Short, Value, ValueExt},
};
use sockless::{
    ClientRequest, Config, adapter::Settings, deflate::DeflateConfig, error::LocalHandshakeError, proxy::Proxy,
    timers::Timeouts,
};

use crate::{exit::Failure, record::Recording};

pub(crate) const HELP: &str = include_str!("help.txt");

/// What lines of the input mean, and how binary messages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Text,
    Binary,
    Hex,
}

/// What the command line says.
pub(crate) struct Options {
    pub(crate) request: ClientRequest,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) recording: Option<Recording>,
    pub(crate) http2: bool,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) insecure: bool,
    pub(crate) timeout: Duration,
    pub(crate) encoding: Encoding,
    pub(crate) raw: bool,
    /// How long to receive after the end of the input: `None` is until the server closes.
    pub(crate) wait: Option<Duration>,
    pub(crate) verbose: bool,
}

/// What to do.
pub(crate) enum Command {
    Help,
    Version,
    Connect(Box<Options>),
}

/// What the arguments say, in their order: the URL may come last.
#[derive(Default)]
struct Arguments {
    url: Option<String>,
    subprotocols: Vec<String>,
    headers: Vec<(String, String)>,
    origin: Option<String>,
    user: Option<(String, String)>,
    proxy: Option<String>,
    deflate: bool,
    http2: bool,
    ca: Option<PathBuf>,
    insecure: bool,
    timeout: Option<Duration>,
    encoding: Option<Encoding>,
    raw: bool,
    max_message_size: Option<u64>,
    ping: Option<Duration>,
    wait: Option<Option<Duration>>,
    record: Option<PathBuf>,
    redact: bool,
    verbose: bool,
}

/// Reads the command line.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(mut parser: Parser) -> Result<Command, Failure> {
    let mut arguments = Arguments::default();
    while let Some(argument) = parser.next().map_err(Failure::usage)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(url) if arguments.url.is_none() => {
                arguments.url = Some(url.string().map_err(Failure::usage)?);
            }
            Short(option) => {
                let name = long_name(option).map(str::to_owned);
                let name = name.ok_or_else(|| Failure::usage(format!("there is no option -{option}")))?;
                arguments.set(&name, &mut parser)?;
            }
            Long(name) => {
                let name = name.to_owned();
                arguments.set(&name, &mut parser)?;
            }
            Value(_) => return Err(Failure::usage(argument.unexpected())),
        }
    }
    Ok(Command::Connect(Box::new(arguments.into_options()?)))
}

const fn long_name(option: char) -> Option<&'static str> {
    Some(match option {
        'H' => "header",
        'u' => "user",
        'k' => "insecure",
        'v' => "verbose",
        _ => return None,
    })
}

impl Arguments {
    /// Sets the option of a name, to the next argument if it has a value.
    fn set(&mut self, name: &str, parser: &mut Parser) -> Result<(), Failure> {
        let mut value = || -> Result<String, Failure> {
            let value = parser.value().map_err(Failure::usage)?;
            value.string().map_err(Failure::usage)
        };
        match name {
            "subprotocol" => self.subprotocols.push(value()?),
            "header" => self.headers.push(pair("header", &value()?, "NAME:VALUE")?),
            "origin" => self.origin = Some(value()?),
            "user" => self.user = Some(pair("user", &value()?, "NAME:PASSWORD")?),
            "proxy" => self.proxy = Some(value()?),
            "deflate" => self.deflate = true,
            "http2" => self.http2 = true,
            "ca" => self.ca = Some(value()?.into()),
            "insecure" => self.insecure = true,
            "timeout" => self.timeout = Some(seconds(name, &value()?)?),
            "text" => self.encoding = Some(Encoding::Text),
            "binary" => self.encoding = Some(Encoding::Binary),
            "hex" => self.encoding = Some(Encoding::Hex),
            "raw" => self.raw = true,
            "max-message-size" => self.max_message_size = Some(bytes(name, &value()?)?),
            "ping" => self.ping = Some(seconds(name, &value()?)?),
            "wait" => {
                let value = value()?;
                self.wait = Some(if value == "forever" {
                    None
                } else {
                    Some(seconds(name, &value)?)
                });
            }
            "record" => self.record = Some(value()?.into()),
            "redact" => self.redact = true,
            "verbose" => self.verbose = true,
            _ => return Err(Failure::usage(format!("there is no option --{name}"))),
        }
        Ok(())
    }

    fn into_options(self) -> Result<Options, Failure> {
        if self.raw && stdout().is_terminal() {
            return Err(Failure::usage(
                "--raw would send control characters of the server to this terminal: use it with a pipe or a file",
            ));
        }
        if self.redact && self.record.is_none() {
            return Err(Failure::usage("--redact needs --record"));
        }
        let timeout = self.timeout.unwrap_or(Duration::from_secs(10));
        Ok(Options {
            config: self.config(),
            http2: self.http2,
            request: self.request()?,
            proxy: self
                .proxy
                .as_deref()
                .map(Proxy::new)
                .transpose()
                .map_err(Failure::usage)?,
            settings: self.settings(),
            // Last: a command line that is wrong makes no file.
            recording: self
                .record
                .as_deref()
                .map(|path| Recording::open(path, self.redact))
                .transpose()?,
            ca: self.ca,
            insecure: self.insecure,
            timeout,
            encoding: self.encoding.unwrap_or(Encoding::Text),
            raw: self.raw,
            wait: self.wait.unwrap_or(Some(Duration::from_secs(1))),
            verbose: self.verbose,
        })
    }

    fn request(&self) -> Result<ClientRequest, Failure> {
        let url = self
            .url
            .as_deref()
            .ok_or_else(|| Failure::usage("the URL is missing"))?;
        let mut request = ClientRequest::new(url).map_err(|error| {
            let hint = match error {
                LocalHandshakeError::UserInfoInUrl => ": use --user",
                _ => "",
            };
            Failure::usage(format!("{error}{hint}"))
        })?;
        for subprotocol in &self.subprotocols {
            request = request.subprotocol(subprotocol);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(origin) = &self.origin {
            request = request.origin(origin);
        }
        if let Some((name, password)) = &self.user {
            request = request.basic_auth(name, password).map_err(Failure::usage)?;
        }
        // To find what is wrong with the headers before anything is connected.
        request.fields([0; 16], &Config::new()).map_err(Failure::usage)?;
        Ok(request)
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        if let Some(bytes) = self.max_message_size {
            config = config.max_message_size(bytes);
        }
        if self.deflate {
            config = config.deflate(DeflateConfig::new());
        }
        config
    }

    fn settings(&self) -> Settings {
        // `--timeout` limits all of opening.
        let mut timeouts = Timeouts::new().handshake(None);
        if let Some(ping) = self.ping {
            let ping = Some(ping).filter(|ping| !ping.is_zero());
            timeouts = timeouts.ping(ping).pong(ping);
        }
        Settings::new().config(self.config()).timeouts(timeouts)
    }
}

/// Splits a value at its first colon.
fn pair(option: &str, value: &str, form: &str) -> Result<(String, String), Failure> {
    // The value may be a secret: it is not quoted.
    let (first, second) = value
        .split_once(':')
        .ok_or_else(|| Failure::usage(format!("the value of --{option} has no colon: it must be {form}")))?;
    // Only around the value of a header, white space has no meaning.
    let second = if option == "header" { second.trim() } else { second };
    Ok((first.to_owned(), second.to_owned()))
}

fn seconds(option: &str, value: &str) -> Result<Duration, Failure> {
    let seconds = value
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| Failure::usage(format!("--{option} needs a number of seconds, not {value:?}")))
}

fn bytes(option: &str, value: &str) -> Result<u64, Failure> {
    let bytes = value.parse();
    bytes.map_err(|_| Failure::usage(format!("--{option} needs a number of bytes, not {value:?}")))
}
