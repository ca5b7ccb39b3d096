//! Which web pages may open a connection, and under which names a server is reached (RFC 6455,
//! sections 4.2.2 and 10.2).

use core::net::Ipv6Addr;

use super::{scheme::Scheme, url::split_authority};
use crate::error::{Excerpt, RequestError};

/// How the Origin header of a request relates to the host that the request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginRelation {
    /// There is no Origin header: no browser sends the request.
    Missing,
    /// The origin is that of a page which the same host and port serve with this scheme.
    SameHost(Scheme),
    Foreign,
}

impl OriginRelation {
    /// `host` is the host that the request is for, with an optional port.
    pub(super) fn of(origin: Option<&[u8]>, host: &str) -> Self {
        let Some(origin) = origin else {
            return Self::Missing;
        };
        if host.is_empty() {
            return Self::Foreign;
        }
        // What most browsers send: the host as the Host header has it.
        for scheme in [Scheme::Https, Scheme::Http] {
            let authority = origin.strip_prefix(scheme.as_str().as_bytes());
            if authority.and_then(|rest| rest.strip_prefix(b"://")) == Some(host.as_bytes()) {
                return Self::SameHost(scheme);
            }
        }
        let origin = core::str::from_utf8(origin).ok().and_then(WebOrigin::parse);
        match (origin, split_authority(host)) {
            (Some(origin), Ok((host, port))) if origin.is_at(host, port) => Self::SameHost(origin.scheme),
            _ => Self::Foreign,
        }
    }
}

/// The origin of a page that was loaded with `http` or `https` (RFC 6454, section 6).
struct WebOrigin<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
}

impl<'a> WebOrigin<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))?;
        let (host, port) = split_authority(authority).ok()?;
        let port = port.unwrap_or_else(|| scheme.default_port());
        Some(Self { scheme, host, port })
    }

    fn is_at(&self, host: &str, port: Option<u16>) -> bool {
        self.port == port.unwrap_or_else(|| self.scheme.default_port()) && is_same_host(self.host, host)
    }
}

/// Returns whether two hosts are the same name, without regard to ASCII case, or the same address.
fn is_same_host(one: &str, other: &str) -> bool {
    let address = |host: &str| -> Option<Ipv6Addr> { host.strip_prefix('[')?.strip_suffix(']')?.parse().ok() };
    one.eq_ignore_ascii_case(other) || address(one).is_some_and(|one| address(other) == Some(one))
}

/// The requests that an acceptance allows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OriginPolicy<'a> {
    pub(super) pages: Pages<'a>,
    /// The scheme of [`Pages::SameOrigin`]. `None`: either.
    pub(super) scheme: Option<Scheme>,
    /// `None`: any host.
    pub(super) hosts: Option<&'a [&'a str]>,
}

/// The web pages that may open a connection. A request without an Origin header is of no page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Pages<'a> {
    #[default]
    SameOrigin,
    Listed(&'a [&'a str]),
    Any,
}

impl<'a> OriginPolicy<'a> {
    pub(super) const SAME_ORIGIN: Self = Self {
        pages: Pages::SameOrigin,
        scheme: None,
        hosts: None,
    };

    /// Checks a request by its relation to its host. `values` returns the Origin header and the
    /// host, which cost a search and are not always needed.
    pub(super) fn check<'r>(
        &self,
        relation: OriginRelation,
        values: impl Fn() -> (&'r str, &'r str),
    ) -> Result<(), RequestError> {
        if let Some(allowed) = self.hosts {
            let (_, host) = values();
            if !self.is_listed_host(allowed, host) {
                return Err(RequestError::UnlistedHost {
                    host: Excerpt::new(host.as_bytes()),
                });
            }
        }
        match (self.pages, relation) {
            (Pages::Any, _) | (_, OriginRelation::Missing) => Ok(()),
            (Pages::Listed(allowed), _) => {
                let (origin, _) = values();
                if allowed.iter().any(|allowed| is_same_origin(allowed, origin)) {
                    return Ok(());
                }
                Err(RequestError::UnlistedOrigin {
                    origin: Excerpt::new(origin.as_bytes()),
                })
            }
            (Pages::SameOrigin, OriginRelation::SameHost(scheme)) => match self.scheme {
                Some(public) if public != scheme => Err(RequestError::ForeignScheme {
                    origin: Excerpt::new(values().0.as_bytes()),
                    requires_https: public == Scheme::Https,
                }),
                _ => Ok(()),
            },
            (Pages::SameOrigin, OriginRelation::Foreign) => Err(RequestError::ForeignOrigin {
                origin: Excerpt::new(values().0.as_bytes()),
            }),
        }
    }

    /// Returns whether `allowed` has the host. An entry without a port allows every port.
    fn is_listed_host(&self, allowed: &[&'a str], host: &str) -> bool {
        let Ok((host, port)) = split_authority(host) else {
            return false;
        };
        // Without a port in the request, it is the default of the scheme, which may be unknown.
        let has_port = |allowed: u16| match (port, self.scheme) {
            (Some(port), _) => port == allowed,
            (None, Some(scheme)) => scheme.default_port() == allowed,
            (None, None) => [Scheme::Http, Scheme::Https]
                .iter()
                .any(|scheme| scheme.default_port() == allowed),
        };
        allowed.iter().any(|allowed| {
            split_authority(allowed).is_ok_and(|(name, port)| is_same_host(name, host) && port.is_none_or(has_port))
        })
    }
}

/// Returns whether two values of an Origin header are the same origin (RFC 6454, section 5).
fn is_same_origin(one: &str, other: &str) -> bool {
    match (WebOrigin::parse(one), WebOrigin::parse(other)) {
        (Some(one), Some(other)) => one.scheme == other.scheme && one.is_at(other.host, Some(other.port)),
        // "null", and the origins of browser extensions and applications.
        _ => one.eq_ignore_ascii_case(other),
    }
}
