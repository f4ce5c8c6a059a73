//! A web server on the loopback interface that answers as a test tells it to, badly if need be.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A client that says nothing for this long is let go.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// A running server; dropping it stops it.
pub struct HttpServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<HttpRequest>>>,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What a client asked for.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// How many requests there were before it.
    pub index: usize,
    /// The path, for example `/resnet/weights.h5`.
    pub path: String,
    headers: Vec<(String, String)>,
}

/// An answer, sent over a connection that is closed afterwards.
pub struct HttpResponse {
    /// The status, for example 200.
    pub status: u16,
    /// Names and values; nothing is added to them, not even a length.
    pub headers: Vec<(&'static str, String)>,
    /// What follows the headers.
    pub body: Vec<u8>,
    /// How long the connection stays open, silent, after the body.
    pub silence: Duration,
}

impl HttpServer {
    /// Starts a server whose answers are made by `respond`, each in its own thread.
    ///
    /// # Panics
    /// If no port of the loopback interface can be had.
    pub fn start(respond: impl Fn(&HttpRequest) -> HttpResponse + Send + Sync + 'static) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback interface");
        let address = listener.local_addr().expect("a bound listener has an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let accepting = thread::spawn({
            let (requests, stopped, respond) = (requests.clone(), stopped.clone(), Arc::new(respond));
            move || {
                for stream in listener.incoming().take_while(|_| !stopped.load(Ordering::Relaxed)) {
                    let (requests, respond) = (requests.clone(), respond.clone());
                    // A client that goes away early is what some tests are about.
                    thread::spawn(move || stream.ok().and_then(|stream| serve(stream, &requests, &*respond)));
                }
            }
        });
        HttpServer { address, requests, stopped, accepting: Some(accepting) }
    }

    /// Its address, for example `http://127.0.0.1:40000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<HttpRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // The listener waits for a connection; this one ends the wait.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl HttpRequest {
    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first byte of the range that the client wants.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    fn read(stream: &TcpStream, index: usize) -> Option<HttpRequest> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(HttpRequest { index, path, headers: headers.collect() })
    }
}

impl HttpResponse {
    /// An answer without content.
    pub fn empty(status: u16) -> HttpResponse {
        HttpResponse {
            status,
            headers: vec![("Content-Length", "0".to_owned())],
            body: Vec::new(),
            silence: Duration::ZERO,
        }
    }

    /// The whole of a file.
    pub fn whole(file: &[u8]) -> HttpResponse {
        let headers = vec![("Content-Length", file.len().to_string())];
        HttpResponse { status: 200, headers, body: file.to_vec(), silence: Duration::ZERO }
    }

    /// What a good server answers to `request`: the range it asks for if the file is still `etag`, else all of the file.
    pub fn good(request: &HttpRequest, file: &[u8], etag: &str) -> HttpResponse {
        let unchanged = request.header("if-range").is_none_or(|wanted| wanted == etag);
        let mut response = match request.range_start().filter(|_| unchanged) {
            Some(start) if start >= file.len() => {
                let mut response = HttpResponse::empty(416);
                response.headers.push(("Content-Range", format!("bytes */{}", file.len())));
                response
            }
            Some(start) => {
                let mut response = HttpResponse::whole(&file[start..]);
                response.status = 206;
                let range = format!("bytes {start}-{}/{}", file.len() - 1, file.len());
                response.headers.push(("Content-Range", range));
                response
            }
            None => HttpResponse::whole(file),
        };
        response.headers.push(("ETag", etag.to_owned()));
        response
    }

    /// The same answer, cut off after `len` bytes of its body.
    pub fn cut(mut self, len: usize) -> HttpResponse {
        self.body.truncate(len);
        self
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<HttpRequest>>,
    respond: &(impl Fn(&HttpRequest) -> HttpResponse + ?Sized),
) -> Option<()> {
    stream.set_read_timeout(Some(CLIENT_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(CLIENT_TIMEOUT)).ok()?;
    let mut request = HttpRequest::read(&stream, 0)?;
    {
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        request.index = requests.len();
        requests.push(request.clone());
    }
    let response = respond(&request);
    let mut head = format!("HTTP/1.1 {} Test\r\nConnection: close\r\n", response.status);
    head.extend(response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(b"\r\n").ok()?;
    stream.write_all(&response.body).ok()?;
    thread::sleep(response.silence);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn ask(server: &HttpServer, headers: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET /file HTTP/1.1\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn ranges_are_served_while_the_file_is_the_same() {
        let server = HttpServer::start(|request| HttpResponse::good(request, b"0123456789", "\"a\""));
        for (headers, status, body) in [
            ("", 200, "0123456789"),
            ("Range: bytes=4-\r\n", 206, "456789"),
            ("Range: bytes=4-\r\nIf-Range: \"a\"\r\n", 206, "456789"),
            ("Range: bytes=4-\r\nIf-Range: \"b\"\r\n", 200, "0123456789"),
            ("Range: bytes=10-\r\n", 416, ""),
        ] {
            let answer = ask(&server, headers);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
            assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body, "{headers}");
        }
        assert_eq!(server.requests().len(), 5);
        assert_eq!(server.requests()[1].range_start(), Some(4));
    }
}
