//! The arguments of the next call.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Display;

use super::super::{
    ReplayError,
    entry::Argument,
    field::{Data, Line},
};
use crate::{
    config::Config,
    error::Excerpt,
    frame::ReservedBits,
    handshake::{Accept, ClientRequest, Negotiated, Scheme},
    recorder::config::{self, InvalidSetting},
};

/// The arguments of the next call.
pub(super) struct Arguments {
    pub(super) config: Config,
    pub(super) seed: Option<[u8; 32]>,
    url: Option<String>,
    origin: Option<String>,
    subprotocols: Vec<String>,
    require_subprotocol: bool,
    headers: Vec<(String, String)>,
    extensions: Vec<(String, ReservedBits)>,
    decline_deflate: bool,
    any_origin: bool,
    origins: Option<Vec<String>>,
    scheme: Option<Scheme>,
    hosts: Option<Vec<String>>,
    reserved: ReservedBits,
    #[cfg(feature = "deflate")]
    deflate: Option<crate::deflate::DeflateParams>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            config: Config::new(),
            seed: None,
            url: None,
            origin: None,
            subprotocols: Vec::new(),
            require_subprotocol: false,
            headers: Vec::new(),
            extensions: Vec::new(),
            decline_deflate: false,
            any_origin: false,
            origins: None,
            scheme: None,
            hosts: None,
            reserved: ReservedBits::NONE,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}

/// Why an argument cannot be taken, or a call cannot be made.
pub(super) enum Reason {
    Redacted,
    Other(String),
}

impl Reason {
    pub(super) fn new(reason: impl Display) -> Self {
        Self::Other(reason.to_string())
    }

    pub(super) fn at(self, line: usize) -> ReplayError {
        match self {
            Self::Redacted => ReplayError::Redacted { line },
            Self::Other(reason) => ReplayError::Impossible { line, reason },
        }
    }
}

/// The lists of an acceptance, as it borrows them.
pub(super) struct Lists<'a> {
    headers: Vec<(&'a str, &'a str)>,
    extensions: Vec<(&'a str, ReservedBits)>,
    origins: Option<Vec<&'a str>>,
    hosts: Option<Vec<&'a str>>,
}

impl Arguments {
    pub(super) fn take(&mut self, argument: Argument<'_>) -> Result<(), Reason> {
        match argument {
            Argument::Config(name, value) => {
                let config = config::apply(self.config.clone(), name, value);
                self.config = config.map_err(|error| invalid_setting(name, value, &error))?;
            }
            Argument::Seed(data) => {
                let seed = <[u8; 32]>::try_from(bytes(data)?).map_err(|seed| {
                    let len = seed.len();
                    Reason::new(format_args!("the seed must have 32 bytes, but has {len}"))
                })?;
                self.seed = Some(seed);
            }
            Argument::Url(url) => self.url = Some(text(url)?),
            Argument::Origin(origin) => self.origin = Some(text(origin)?),
            Argument::Subprotocol(name) => self.subprotocols.push(text(name)?),
            Argument::RequireSubprotocol => self.require_subprotocol = true,
            Argument::Header(name, value) => self.headers.push((text(name)?, text(value)?)),
            Argument::Extension(extension, bits) => self.extensions.push((text(extension)?, bits)),
            Argument::DeclineDeflate => self.decline_deflate = true,
            Argument::AnyOrigin => self.any_origin = true,
            Argument::Origins(origins) => self.origins = Some(texts(origins)?),
            Argument::IsHttps(is_https) => self.scheme = Some(if is_https { Scheme::Https } else { Scheme::Http }),
            Argument::Hosts(hosts) => self.hosts = Some(texts(hosts)?),
            Argument::Forwarding => {
                return Err(Reason::new(
                    "the acceptance passes on the answer of another server, which was not recorded",
                ));
            }
            Argument::Reserved(bits) => self.reserved = bits,
            Argument::Deflate(bits, no_takeover) => self.take_deflate(bits, no_takeover)?,
        }
        Ok(())
    }

    #[cfg(feature = "deflate")]
    fn take_deflate(&mut self, bits: [u8; 2], no_takeover: [bool; 2]) -> Result<(), Reason> {
        let window = |sender: &str, bits: u8| {
            crate::deflate::WindowBits::new(bits).ok_or_else(|| {
                Reason::new(format_args!(
                    "the window of the {sender} must have 8 to 15 bits, but has {bits}"
                ))
            })
        };
        self.deflate = Some(crate::deflate::DeflateParams {
            server_no_context_takeover: no_takeover[0],
            client_no_context_takeover: no_takeover[1],
            server_max_window_bits: window("server", bits[0])?,
            client_max_window_bits: window("client", bits[1])?,
        });
        Ok(())
    }

    #[cfg(not(feature = "deflate"))]
    #[allow(clippy::needless_pass_by_ref_mut, reason = "as with the feature")]
    fn take_deflate(&mut self, _bits: [u8; 2], _no_takeover: [bool; 2]) -> Result<(), Reason> {
        Err(Reason::new("the feature deflate is off"))
    }

    pub(super) fn negotiated(&self) -> Negotiated {
        #[cfg(feature = "deflate")]
        let deflate = self.deflate;
        #[cfg(not(feature = "deflate"))]
        let deflate = None;
        let subprotocol = self.subprotocols.first().map(|name| name.as_str().into());
        Negotiated::new(subprotocol, deflate, self.reserved)
    }

    pub(super) fn request(&self) -> Result<ClientRequest, Reason> {
        let url = self.url.as_ref().ok_or_else(|| Reason::new("the URL is missing"))?;
        let mut request = ClientRequest::new(url).map_err(Reason::new)?;
        if let Some(origin) = &self.origin {
            request = request.origin(origin);
        }
        for name in &self.subprotocols {
            request = request.subprotocol(name);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (extension, bits) in &self.extensions {
            request = request.extension(extension, *bits);
        }
        Ok(request.require_subprotocol(self.require_subprotocol))
    }

    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(super) fn lists(&self) -> Lists<'_> {
        Lists {
            headers: self.headers(),
            extensions: self
                .extensions
                .iter()
                .map(|(text, bits)| (text.as_str(), *bits))
                .collect(),
            origins: self
                .origins
                .as_ref()
                .map(|list| list.iter().map(String::as_str).collect()),
            hosts: self
                .hosts
                .as_ref()
                .map(|list| list.iter().map(String::as_str).collect()),
        }
    }

    pub(super) fn accept<'a>(&'a self, has_config: bool, lists: &'a Lists<'a>) -> Result<Accept<'a>, Reason> {
        let mut accept = Accept::new()
            .subprotocol(self.subprotocols.first().map(String::as_str))
            .headers(&lists.headers)
            .extensions(&lists.extensions);
        if has_config {
            accept = accept.config(&self.config);
        }
        if self.any_origin {
            accept = accept.any_origin();
        }
        if let Some(origins) = &lists.origins {
            accept = accept.origins(origins);
        }
        if let Some(scheme) = self.scheme {
            accept = accept.public_scheme(scheme);
        }
        if let Some(hosts) = &lists.hosts {
            accept = accept.hosts(hosts);
        }
        if self.decline_deflate {
            #[cfg(feature = "deflate")]
            return Ok(accept.decline_deflate());
            #[cfg(not(feature = "deflate"))]
            return Err(Reason::new("the feature deflate is off"));
        }
        Ok(accept)
    }
}

fn invalid_setting(name: &str, value: u64, error: &InvalidSetting) -> Reason {
    match error {
        InvalidSetting::UnknownName if cfg!(not(feature = "deflate")) && name.starts_with("deflate") => {
            Reason::new("the feature deflate is off")
        }
        InvalidSetting::UnknownName => {
            Reason::new(format_args!("there is no setting {}", Excerpt::new(name.as_bytes())))
        }
        InvalidSetting::OutOfRange(allowed) => {
            let (min, max) = (allowed.start(), allowed.end());
            Reason::new(format_args!(
                "the setting {name} must be {min} to {max}, but is {value}"
            ))
        }
    }
}

pub(super) fn bytes(data: Data<'_>) -> Result<Vec<u8>, Reason> {
    data.to_bytes().ok_or(Reason::Redacted)
}

pub(super) fn text(data: Data<'_>) -> Result<String, Reason> {
    String::from_utf8(bytes(data)?).map_err(|_| Reason::new("it has a text that is not UTF-8"))
}

fn texts(mut line: Line<'_>) -> Result<Vec<String>, Reason> {
    let mut texts = Vec::new();
    while let Ok(data) = line.data("") {
        texts.push(text(data)?);
    }
    Ok(texts)
}
