//! Conversions from and to the types of the `http` crate (feature `http`).

use alloc::{format, string::String, vec::Vec};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, uri::Authority};

use super::{
    accept::Accept,
    client_request::ClientRequest,
    expected::Expected,
    fields::{connection_of_rejection, headers_of_status, name_excerpt},
    negotiated::Negotiated,
    request::Request,
    url::{is_http, public_excerpt},
};
use crate::{
    config::Config,
    error::{Excerpt, LocalHandshakeError, RequestError, ResponseError},
};

impl<'b> Request<'b> {
    /// Checks a request that hyper, axum or another user of the `http` crate has parsed (RFC 6455,
    /// section 4.2.1).
    ///
    /// # Errors
    /// Returns the first error in the request. [`RequestError::to_http`] is the response.
    pub fn from_http<B>(request: &'b http::Request<B>) -> Result<Self, RequestError> {
        if request.version() != Version::HTTP_11 {
            return Err(RequestError::UnsupportedHttpVersion {
                version: version_excerpt(request.version()),
            });
        }
        let uri = request.uri();
        // An authority alone is no target of GET, nor is a URI of another scheme.
        if uri.authority().is_some() && !uri.scheme_str().is_some_and(is_http) {
            return Err(RequestError::InvalidTarget {
                target: public_excerpt(format!("{uri}")),
            });
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let authority = uri.authority().map(|authority| authority.as_str());
        Self::from_split_target(request.method().as_str(), target, authority, fields(request.headers()))
    }

    /// Checks an extended CONNECT over HTTP/2 or HTTP/3 that hyper, axum or another user of the
    /// `http` crate has parsed (RFC 8441, RFC 9220).
    ///
    /// `protocol` is the `:protocol` pseudo-header. The `http` crate has no place for it, so hyper
    /// and h2 have it as an extension of the request:
    /// `request.extensions().get::<hyper::ext::Protocol>().map(|protocol| protocol.as_str())`.
    ///
    /// ```
    /// use sockless::{Accept, Config, Request};
    ///
    /// let parsed = http::Request::connect("https://example.com/chat")
    ///     .version(http::Version::HTTP_2)
    ///     .header("sec-websocket-version", "13")
    ///     .body(())?;
    /// let request = Request::from_http_connect(&parsed, Some("websocket"))?;
    /// let (response, negotiated) = request.to_http_response(&Accept::new(), &Config::default())?;
    /// assert_eq!(response.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the first error in the request. [`RequestError::to_http_connect`] is the response.
    pub fn from_http_connect<B>(
        request: &'b http::Request<B>,
        protocol: Option<&'b str>,
    ) -> Result<Self, RequestError> {
        if !is_connect_version(request.version()) {
            return Err(RequestError::UnsupportedConnectVersion {
                version: version_excerpt(request.version()),
            });
        }
        let uri = request.uri();
        let pseudo_headers = [
            (":method", Some(request.method().as_str())),
            (":protocol", protocol),
            (":scheme", uri.scheme_str()),
            (":authority", uri.authority().map(|authority| authority.as_str())),
            (":path", uri.path_and_query().map(|path| path.as_str())),
        ];
        let pseudo_headers = pseudo_headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        Self::from_connect(pseudo_headers, fields(request.headers()))
    }

    /// Returns the response that accepts the request, with status 101, or 200 for an extended
    /// CONNECT, and the result of the handshake for
    /// [`Connection::upgraded_server`](crate::Connection::upgraded_server).
    ///
    /// If [`Accept::config`] is set, it counts here, and not `config`; the caller passes it to
    /// [`upgraded_server`](crate::Connection::upgraded_server) too.
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::accept`](crate::Connection::accept).
    pub fn to_http_response(
        &self,
        accept: &Accept<'_>,
        config: &Config,
    ) -> Result<(http::Response<()>, Negotiated), LocalHandshakeError> {
        let (list, negotiated) = self.acceptance(accept, config)?;
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.acceptance_status()).unwrap_or_default();
        *response.headers_mut() = header_map(list)?;
        Ok((response, negotiated))
    }
}

impl RequestError {
    /// Returns the response to the invalid request, with the headers that its status requires and
    /// without a body.
    ///
    /// The response closes the connection: an intermediary may take the bytes after a rejected
    /// request for another request, or for frames.
    #[must_use]
    pub fn to_http(self) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let list = headers_of_status(self.status());
        let connection = HeaderValue::from_static(connection_of_rejection(list));
        response.headers_mut().insert(header::CONNECTION, connection);
        insert_static(response.headers_mut(), list);
        response
    }

    /// Returns the response to an invalid extended CONNECT, with the headers that its status
    /// requires and without a body: [`connect_response`](Self::connect_response).
    #[must_use]
    pub fn to_http_connect(self) -> http::Response<()> {
        let (status, list) = self.connect_response();
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        insert_static(response.headers_mut(), list);
        response
    }
}

impl ClientRequest {
    /// Converts to a request of the `http` crate. Returns the conditions that its response must
    /// meet with it.
    ///
    /// `nonce` must come from a strong source of randomness, and must be new for every connection
    /// (RFC 6455, section 4.1, step 7).
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the request.
    pub fn to_http(
        &self,
        nonce: [u8; 16],
        config: &Config,
    ) -> Result<(http::Request<()>, Expected), LocalHandshakeError> {
        let (list, expected) = self.fields(nonce, config)?;
        let mut request = http::Request::new(());
        *request.method_mut() = Method::GET;
        // The crate accepts every byte that `ClientRequest` does, but limits the length.
        *request.uri_mut() = self.target().parse().map_err(|_| LocalHandshakeError::TargetTooLong {
            len: self.target().len(),
        })?;
        *request.headers_mut() = header_map(list)?;
        Ok((request, expected))
    }

    /// Converts to an extended CONNECT of the `http` crate, for HTTP/2 (RFC 8441) or HTTP/3 (RFC
    /// 9220). Returns the conditions that its response must meet with it.
    ///
    /// The `http` crate has no place for the `:protocol` pseudo-header. The caller adds it as its
    /// HTTP implementation wants it: for hyper,
    /// `request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"))`. The other
    /// duties of the caller are those of [`connect_fields`](Self::connect_fields).
    ///
    /// # Errors
    /// Returns the error of the first invalid part of the request.
    pub fn to_http_connect(&self, config: &Config) -> Result<(http::Request<()>, Expected), LocalHandshakeError> {
        let (list, expected) = self.connect_fields(config)?;
        let [_, _, (_, scheme), (_, authority), (_, path)] = list.pseudo_headers;
        // The crate refuses percent-encoded hosts.
        let authority = Authority::try_from(authority).map_err(|_| LocalHandshakeError::InvalidHost {
            host: Excerpt::new(self.host().as_bytes()),
        })?;
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(authority)
            .path_and_query(path);
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        // Of the target, the crate accepts every byte that `ClientRequest` does, but limits the
        // length.
        *request.uri_mut() = uri.build().map_err(|_| LocalHandshakeError::TargetTooLong {
            len: self.target().len(),
        })?;
        *request.headers_mut() = header_map(list.headers)?;
        Ok((request, expected))
    }
}

impl Expected {
    /// Checks a response of the `http` crate, as [`check_response`](Self::check_response) does.
    ///
    /// Returns `None` for a status that accepts no WebSocket. The caller handles such a response as
    /// HTTP does.
    ///
    /// # Errors
    /// Returns the first error in the response. The connection must not be used.
    pub fn check_http<B>(&self, response: &http::Response<B>) -> Result<Option<Negotiated>, ResponseError> {
        let negotiated = self.check_response(response.status().as_u16(), fields(response.headers()));
        // A refusal may have any version.
        if let Ok(Some(_)) | Err(_) = negotiated {
            self.check_version(response.version())?;
        }
        negotiated
    }

    fn check_version(&self, version: Version) -> Result<(), ResponseError> {
        match (&self.accept, version) {
            (Some(_), Version::HTTP_11) => Ok(()),
            (Some(_), _) => Err(ResponseError::UnsupportedHttpVersion {
                version: version_excerpt(version),
            }),
            (None, _) if is_connect_version(version) => Ok(()),
            (None, _) => Err(ResponseError::UnsupportedConnectVersion {
                version: version_excerpt(version),
            }),
        }
    }
}

/// Inserts headers whose names and values are valid.
fn insert_static(headers: &mut HeaderMap, list: &'static [(&'static str, &'static str)]) {
    for (name, value) in list {
        if let Ok(name) = HeaderName::try_from(*name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Returns whether a version of HTTP has the extended CONNECT.
fn is_connect_version(version: Version) -> bool {
    matches!(version, Version::HTTP_2 | Version::HTTP_3)
}

fn fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn header_map(list: Vec<(String, String)>) -> Result<HeaderMap, LocalHandshakeError> {
    let mut headers = HeaderMap::with_capacity(list.len());
    for (name, value) in list {
        let excerpt = name_excerpt(&name);
        let name = HeaderName::try_from(name).map_err(|_| LocalHandshakeError::InvalidHeaderName { name: excerpt })?;
        let value =
            HeaderValue::try_from(value).map_err(|_| LocalHandshakeError::InvalidHeaderValue { name: excerpt })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn version_excerpt(version: Version) -> Excerpt {
    Excerpt::new(format!("{version:?}").as_bytes())
}
