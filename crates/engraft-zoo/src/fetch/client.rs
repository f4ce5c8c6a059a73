//! One request to a web server, and what its failures mean.

use std::{
    io::{self, ErrorKind, Read},
    time::Duration,
};

use ureq::{
    Agent, Body,
    http::{HeaderMap, Response, Uri, header},
};

use super::{FetchError, partial::ResumePoint, tls};

/// A server may redirect so often, as Google's and most mirrors do once.
const MAX_REDIRECTS: u32 = 5;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// No file takes this long, however slowly a server trickles.
const BODY_TIMEOUT: Duration = Duration::from_secs(6 * 3600);

/// What an attempt to download failed of.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again may help.
    Passing(String),
    /// Trying again would not help.
    Lasting(String),
    /// Not the network's fault.
    Other(FetchError),
}

/// Asks web servers for files.
pub(super) struct Client {
    agent: Agent,
}

/// What a server sends.
pub(super) struct Reply {
    /// The position in the file of the first byte of the body.
    pub start: u64,
    /// The length of the file, as the server says.
    pub total: Option<u64>,
    /// The version of the file, to resume with.
    pub etag: Option<String>,
    /// The rest of the file from `start`.
    pub body: Box<dyn Read>,
}

impl Client {
    /// A client for `url` and what it redirects to, which gives up on a server that is silent for `stall`.
    pub(super) fn new(url: &str, stall: Duration) -> Result<Client, Failure> {
        let mut config = Agent::config_builder()
            .tls_config(tls::settings().map_err(Failure::Lasting)?)
            .https_only(url.starts_with("https://"))
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .user_agent(concat!("engraft/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .timeout_per_write(Some(stall))
            .timeout_recv_body(Some(BODY_TIMEOUT));
        if is_loopback(url) {
            // A proxy would look for the server on its own computer.
            config = config.proxy(None);
        }
        Ok(Client { agent: config.build().new_agent() })
    }

    /// Asks for the file at `url`, or for the rest of it from `resume` on if it has not changed; `None` if the file has no
    /// such rest.
    pub(super) fn get(&self, url: &str, resume: Option<&ResumePoint>) -> Result<Option<Reply>, Failure> {
        let mut request = self.agent.get(url);
        if let Some(ResumePoint { offset, etag }) = resume {
            request =
                request.header(header::RANGE, format!("bytes={offset}-")).header(header::IF_RANGE, etag);
        }
        let response = request.call().map_err(Failure::from)?;
        match response.status().as_u16() {
            200 => Ok(Some(whole(response))),
            206 => partial(response).map(Some),
            416 => Ok(None),
            status @ (408 | 429 | 500..) => Err(Failure::Passing(format!("status {status}"))),
            status => Err(Failure::Lasting(format!("status {status}"))),
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Failure {
        let passing = match &error {
            ureq::Error::Timeout(_) | ureq::Error::BodyStalled => true,
            ureq::Error::Io(error) => matches!(
                error.kind(),
                ErrorKind::UnexpectedEof
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::TimedOut
            ),
            _ => false,
        };
        let problem = match error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        if passing { Failure::Passing(problem) } else { Failure::Lasting(problem) }
    }
}

impl From<io::Error> for Failure {
    /// What reading a body failed of.
    fn from(error: io::Error) -> Failure {
        ureq::Error::from(error).into()
    }
}

fn whole(response: Response<Body>) -> Reply {
    let headers = response.headers();
    let total = text(headers, header::CONTENT_LENGTH).and_then(|len| len.parse().ok());
    let etag = strong_etag(headers);
    Reply { start: 0, total, etag, body: Box::new(response.into_body().into_reader()) }
}

fn partial(response: Response<Body>) -> Result<Reply, Failure> {
    let range = text(response.headers(), header::CONTENT_RANGE).unwrap_or_default();
    let (start, total) = parse_content_range(range)
        .ok_or_else(|| Failure::Lasting(format!("Content-Range `{range}`, expected a range of bytes")))?;
    let etag = strong_etag(response.headers());
    Ok(Reply { start, total, etag, body: Box::new(response.into_body().into_reader()) })
}

/// First byte and length of the file in `bytes 5-9/10`; the length may be `*`.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

/// A weak tag, which begins with `W/`, does not promise the same bytes.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    text(headers, header::ETAG).filter(|etag| etag.starts_with('"')).map(str::to_owned)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_loopback(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_start_and_perhaps_a_total() {
        for (text, want) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */10", None),
            ("bytes 5-9", None),
            ("bytes -1-9/10", None),
            ("items 5-9/10", None),
            ("", None),
        ] {
            assert_eq!(parse_content_range(text), want, "{text}");
        }
    }

    #[test]
    fn only_this_computer_is_loopback() {
        for (url, want) in [
            ("http://127.0.0.1:80/a", true),
            ("http://localhost/a", true),
            ("http://[::1]:80/a", true),
            ("https://storage.googleapis.com/a", false),
            ("http://127.0.0.1.example.org/a", false),
            ("127.0.0.1/a b", false),
        ] {
            assert_eq!(is_loopback(url), want, "{url}");
        }
    }
}
