//! Downloads from a server that breaks off, stalls, lies and sends the wrong bytes.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engraft_testing::{HttpRequest, HttpResponse, HttpServer};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    Checksum, FetchError, FetchProgress,
    download::{Download, MAX_BYTES, Patience},
    partial::Partial,
};

/// For servers that answer, on a machine that may be busy.
const PATIENT: Patience = Patience { stall: Duration::from_secs(8), pauses: &[Duration::ZERO; 3] };

/// For servers that do not.
const IMPATIENT: Patience = Patience { stall: Duration::from_secs(1), ..PATIENT };

/// Notes what it is told, and stops a download that has received `stop_at` bytes.
struct Watcher {
    begun: Mutex<Vec<(String, Option<u64>)>>,
    received: AtomicU64,
    stop_at: u64,
}

impl Watcher {
    fn stopping_at(stop_at: u64) -> Watcher {
        Watcher { begun: Mutex::default(), received: AtomicU64::new(0), stop_at }
    }

    fn new() -> Watcher {
        Watcher::stopping_at(u64::MAX)
    }
}

impl FetchProgress for Watcher {
    fn begin(&self, file: &str, total_bytes: Option<u64>) {
        self.begun.lock().unwrap().push((file.to_owned(), total_bytes));
    }

    fn received(&self, bytes: u64) {
        self.received.store(bytes, Ordering::Relaxed);
    }

    fn warn(&self, message: &str) {
        panic!("{message}");
    }

    fn is_cancelled(&self) -> bool {
        self.received.load(Ordering::Relaxed) >= self.stop_at
    }
}

/// A file of no pattern that a shift or a hole would keep.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn checksum(bytes: &[u8]) -> Checksum {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Checksum::from_hexadecimal(&digits).unwrap()
}

struct Target {
    folder: TempDir,
}

impl Target {
    fn new() -> Target {
        Target { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache/weights.h5")
    }

    fn download(&self, server: &HttpServer) -> Result<(), FetchError> {
        self.download_watched(server, &Watcher::new())
    }

    fn download_watched(&self, server: &HttpServer, watcher: &Watcher) -> Result<(), FetchError> {
        self.download_with(server, watcher, PATIENT)
    }

    fn download_impatiently(&self, server: &HttpServer) -> Result<(), FetchError> {
        self.download_with(server, &Watcher::new(), IMPATIENT)
    }

    fn download_with(
        &self,
        server: &HttpServer,
        watcher: &Watcher,
        patience: Patience,
    ) -> Result<(), FetchError> {
        let (url, path, checksum) =
            (format!("{}/weights.h5", server.url()), self.path(), checksum(&content()));
        Download { url: &url, path: &path, checksum: Some(&checksum), patience }.run(watcher)
    }

    /// The names of all files beside the lock.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("cache")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort();
        names
    }

    fn assert_whole(&self) {
        assert!(fs::read(self.path()).unwrap() == content());
        assert_eq!(self.files(), ["weights.h5"]);
    }
}

fn starts(server: &HttpServer) -> Vec<Option<usize>> {
    server.requests().iter().map(HttpRequest::range_start).collect()
}

fn silent(mut response: HttpResponse) -> HttpResponse {
    response.silence = Duration::from_secs(5);
    response
}

#[test]
fn a_file_arrives_whole_and_is_asked_for_once() {
    let server = HttpServer::start(|request| HttpResponse::good(request, &content(), "\"1\""));
    let (target, watcher) = (Target::new(), Watcher::new());
    target.download_watched(&server, &watcher).unwrap();
    target.download(&server).unwrap();
    target.assert_whole();
    assert_eq!(starts(&server), [None]);
    assert_eq!(*watcher.begun.lock().unwrap(), [("weights.h5".to_owned(), Some(300_000))]);
    assert_eq!(watcher.received.load(Ordering::Relaxed), 300_000);
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let server = HttpServer::start(|request| {
        let response = HttpResponse::good(request, &content(), "\"1\"");
        if request.index < 2 { response.cut(100_001) } else { response }
    });
    let target = Target::new();
    target.download(&server).unwrap();
    target.assert_whole();
    assert_eq!(starts(&server), [None, Some(100_000), Some(200_000)]);
    assert_eq!(server.requests()[1].header("if-range"), Some("\"1\""));
}

#[test]
fn a_silent_server_is_left_and_asked_again() {
    let server = HttpServer::start(|request| {
        let response = HttpResponse::good(request, &content(), "\"1\"");
        if request.index == 0 { silent(response.cut(1001)) } else { response }
    });
    let target = Target::new();
    target.download_impatiently(&server).unwrap();
    target.assert_whole();
    assert_eq!(starts(&server), [None, Some(1000)]);
}

#[test]
fn a_server_that_never_answers_is_left_for_good() {
    let server = HttpServer::start(|_| {
        std::thread::sleep(Duration::from_secs(5));
        HttpResponse::empty(200)
    });
    let error = Target::new().download_impatiently(&server).unwrap_err();
    assert!(matches!(error, FetchError::Download { .. }), "{error}");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn wrong_bytes_and_wrong_lengths_leave_nothing_that_looks_good() {
    let lie = |len: usize| {
        let mut response = HttpResponse::whole(&content());
        response.headers = vec![("Content-Length", len.to_string())];
        response
    };
    let changed = || {
        let mut bytes = content();
        bytes[150_000] ^= 1;
        HttpResponse::whole(&bytes)
    };
    for (name, response, damaged) in [
        ("wrong byte", Box::new(changed) as Box<dyn Fn() -> HttpResponse + Send + Sync>, true),
        ("too short a length", Box::new(move || lie(299_990)), true),
        ("too long a length", Box::new(move || lie(300_010)), false),
        ("more than any file", Box::new(move || lie(MAX_BYTES as usize + 1)), false),
        ("empty", Box::new(|| HttpResponse::empty(200)), true),
    ] {
        let server = HttpServer::start(move |_| response());
        let target = Target::new();
        let error = target.download(&server).unwrap_err();
        assert_eq!(matches!(error, FetchError::Damaged { .. }), damaged, "{name}: {error}");
        assert!(error.to_string().contains(&server.url()), "{name}: {error}");
        assert!(!target.path().exists(), "{name}");
        assert!(!damaged || target.files().is_empty(), "{name}: {:?}", target.files());
    }
}

#[test]
fn a_file_without_a_digest_must_be_as_long_as_its_header_says() {
    let mut file = vec![0; 1000];
    file[..9].copy_from_slice(b"\x89HDF\r\n\x1a\n\0");
    file[13] = 8;
    file[40..48].copy_from_slice(&1000_u64.to_le_bytes());
    for (len, good) in [(1000, true), (999, false)] {
        let body = file[..len].to_vec();
        let server = HttpServer::start(move |_| HttpResponse::whole(&body));
        let (target, url) = (Target::new(), server.url());
        let download = Download { url: &url, path: &target.path(), checksum: None, patience: PATIENT };
        let result = download.run(&Watcher::new()).map_err(|error| error.to_string());
        let want = format!("{url}: found 999 bytes, expected 1000 bytes");
        assert_eq!(result, if good { Ok(()) } else { Err(want) }, "{len}");
        assert_eq!(target.path().exists(), good, "{len}");
    }
}

#[test]
fn refusals_say_what_to_do_and_are_not_repeated() {
    for status in [403, 404, 410] {
        let server = HttpServer::start(move |_| HttpResponse::empty(status));
        let target = Target::new();
        let error = target.download(&server).unwrap_err().to_string();
        let folder = target.path().parent().unwrap().display().to_string();
        let want = format!(
            "cannot download {}/weights.h5: status {status}; put the file weights.h5 into {folder}",
            server.url()
        );
        assert_eq!(error, want);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = HttpServer::start(|request| match request.index {
        0 => HttpResponse::empty(503),
        1 => HttpResponse::empty(429),
        _ => HttpResponse::good(request, &content(), "\"1\""),
    });
    let target = Target::new();
    target.download(&server).unwrap();
    target.assert_whole();
}

#[test]
fn redirects_are_followed_a_few_times() {
    let redirect = |to: &str| {
        let mut response = HttpResponse::empty(302);
        response.headers.push(("Location", to.to_owned()));
        response
    };
    let server = HttpServer::start(move |request| match request.index {
        0 => redirect("/elsewhere"),
        _ => HttpResponse::good(request, &content(), "\"1\""),
    });
    let target = Target::new();
    target.download(&server).unwrap();
    target.assert_whole();
    let server = HttpServer::start(move |request| redirect(&request.path));
    let error = Target::new().download(&server).unwrap_err().to_string();
    assert!(error.contains("too many redirects"), "{error}");
    assert!(server.requests().len() <= 6, "{}", server.requests().len());
}

#[test]
fn a_server_that_cannot_resume_sends_the_whole_again() {
    let server = HttpServer::start(|request| {
        let mut response = HttpResponse::whole(&content());
        response.headers.push(("ETag", "\"1\"".to_owned()));
        if request.index == 0 { response.cut(1001) } else { response }
    });
    let target = Target::new();
    target.download(&server).unwrap();
    target.assert_whole();
    assert_eq!(starts(&server), [None, Some(1000)]);
}

#[test]
fn nothing_is_resumed_without_a_strong_tag() {
    for tag in [None, Some("W/\"1\"")] {
        let server = HttpServer::start(move |request| {
            let mut response = HttpResponse::whole(&content());
            response.headers.extend(tag.map(|tag| ("ETag", tag.to_owned())));
            if request.index == 0 { response.cut(1001) } else { response }
        });
        let target = Target::new();
        target.download(&server).unwrap();
        target.assert_whole();
        assert_eq!(starts(&server), [None, None], "{tag:?}");
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() {
    let server = HttpServer::start(|request| match request.index {
        0 => HttpResponse::good(request, &[7; 300_000], "\"old\"").cut(1001),
        _ => HttpResponse::good(request, &content(), "\"new\""),
    });
    let target = Target::new();
    target.download(&server).unwrap();
    target.assert_whole();
}

#[test]
fn what_does_not_fit_to_the_rest_is_forgotten() {
    let good = |request: &HttpRequest| HttpResponse::good(request, &content(), "\"1\"");
    let elsewhere = move |request: &HttpRequest| {
        let mut response = good(request);
        if request.index == 0 {
            response.headers.retain(|(name, _)| *name != "Content-Range");
            response.headers.push(("Content-Range", "bytes 7-299999/300000".to_owned()));
        }
        response
    };
    for (name, bytes, server) in [
        ("wrong bytes", vec![7; 1001], HttpServer::start(good)),
        ("too many bytes", vec![7; 300_002], HttpServer::start(good)),
        ("another range", content()[..1001].to_vec(), HttpServer::start(elsewhere)),
    ] {
        let target = Target::new();
        fs::create_dir(target.folder.path().join("cache")).unwrap();
        let partial = Partial::of(&target.path());
        drop(partial.begin(&format!("{}/weights.h5", server.url()), Some("\"1\"")).unwrap());
        fs::write(&partial.path, &bytes).unwrap();
        target.download(&server).unwrap();
        target.assert_whole();
        assert_eq!(starts(&server), [Some(bytes.len() - 1), None], "{name}");
    }
}

#[test]
fn many_at_once_download_once() {
    let server = HttpServer::start(|request| HttpResponse::good(request, &content(), "\"1\""));
    let target = Target::new();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| target.download(&server))).collect();
        all.into_iter().for_each(|one| one.join().unwrap().unwrap());
    });
    target.assert_whole();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_stopped_download_is_kept_and_resumed() {
    let server = HttpServer::start(|request| HttpResponse::good(request, &content(), "\"1\""));
    let target = Target::new();
    let error = target.download_watched(&server, &Watcher::stopping_at(100_000)).unwrap_err();
    assert!(matches!(error, FetchError::Cancelled), "{error}");
    assert_eq!(target.files(), ["weights.h5.part", "weights.h5.part.from"]);
    target.download(&server).unwrap();
    target.assert_whole();
    assert!(starts(&server)[1].is_some_and(|start| start >= 99_999), "{:?}", starts(&server));
}

#[test]
fn no_server_is_one_sentence() {
    let server = HttpServer::start(|_| HttpResponse::empty(200));
    let url = server.url();
    drop(server);
    let target = Target::new();
    let checksum = checksum(b"");
    let download = Download { url: &url, path: &target.path(), checksum: Some(&checksum), patience: PATIENT };
    let error = download.run(&Watcher::new()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot download {url}: ")), "{error}");
    assert!(error.contains("refused") && error.contains("; put the file weights.h5 into "), "{error}");
}

#[test]
fn a_cache_that_takes_no_file_is_named() {
    let server = HttpServer::start(|request| HttpResponse::good(request, &content(), "\"1\""));
    let target = Target::new();
    let folder = target.folder.path().join("cache");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let error = target.download(&server).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot use the weight cache at {}: ", folder.display())), "{error}");
    assert!(server.requests().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let server = HttpServer::start(|request| HttpResponse::good(request, &content(), "\"1\""));
    let target = Target::new();
    let part = Partial::of(&target.path()).path;
    fs::create_dir(part.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = target.download(&server).unwrap_err().to_string();
    assert!(error.contains(&part.display().to_string()) && error.contains("space"), "{error}");
    assert!(!target.path().exists());
    assert_eq!(server.requests().len(), 1);
}
