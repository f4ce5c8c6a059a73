//! Fetching weights from a server of our own.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use engraft_testing::{HttpResponse, HttpServer};
use serde_json::{Value, json};

use crate::fixture::{Fixture, stderr};

const NAME: &str = "mobilenet_025";
const FILE: &str = "mobilenet_2_5_224_tf_no_top.h5";
const LEN: usize = 3_000_000;

/// What passes for the weights of MobileNet, whose makers publish no digest: an HDF5 file as long as its header says.
fn weights() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..LEN).map(|index| (index / 1000) as u8).collect();
    bytes[..48].fill(0);
    bytes[..9].copy_from_slice(b"\x89HDF\r\n\x1a\n\0");
    bytes[13] = 8;
    bytes[40..48].copy_from_slice(&(LEN as u64).to_le_bytes());
    bytes
}

fn mirror() -> HttpServer {
    HttpServer::start(|request| match request.path.starts_with("/mobilenet/") {
        true => HttpResponse::good(request, &weights(), "\"1\""),
        false => HttpResponse::empty(404),
    })
}

fn fetch(fixture: &Fixture, server: &HttpServer, arguments: &[&str]) -> Command {
    let mut command = fixture.command(&[&["fetch"], arguments].concat());
    command.env("ENGRAFT_MIRROR", server.url()).env("ENGRAFT_OFFLINE", "0");
    command
}

fn json(mut command: Command) -> Value {
    let output = command.arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sources(fetched: &Value) -> Vec<&str> {
    fetched.as_array().unwrap().iter().map(|weights| weights["source"].as_str().unwrap()).collect()
}

#[test]
fn weights_are_fetched_once_and_then_found() {
    let (fixture, server) = (Fixture::new(), mirror());
    let fetched = json(fetch(&fixture, &server, &[NAME]));
    let path = fixture.path("cache/weights").join(FILE);
    assert!(fs::read(&path).unwrap() == weights());
    assert_eq!(
        fetched,
        json!([{
            "name": NAME,
            "path": path.to_str().unwrap(),
            "bytes": LEN,
            "sha256": fetched[0]["sha256"],
            "source": "download",
        }])
    );
    assert_eq!(fetched[0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(
        sources(&json(fetch(&fixture, &server, &[NAME, "efficientnet_lite0"]))),
        ["cache", "embedded"]
    );
    assert_eq!(server.requests().len(), 1);
    json(fetch(&fixture, &server, &["mobilenet_050", "--with-top"]));
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, [format!("/mobilenet/{FILE}"), "/mobilenet/mobilenet_5_0_224_tf.h5".to_owned()]);
    let text = String::from_utf8(fetch(&fixture, &server, &[NAME]).output().unwrap().stdout).unwrap();
    assert!(text.starts_with(NAME) && text.contains(" 3.0 MB  cache ") && text.contains(FILE), "{text}");
}

#[test]
fn weights_that_keras_or_the_user_has_are_used() {
    let (fixture, server) = (Fixture::new(), mirror());
    for (folder, source) in [("keras/models", "keras"), ("own", "weights_dir")] {
        fixture.write(&format!("{folder}/{FILE}"), weights());
        let mut command = fetch(&fixture, &server, &[NAME]);
        command.env("ENGRAFT_WEIGHTS", fixture.path("own"));
        assert_eq!(sources(&json(command)), [source]);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_broken_copy_in_a_cache_is_passed_over_with_a_warning() {
    for folder in ["keras/models", "cache/weights"] {
        let (fixture, server) = (Fixture::new(), mirror());
        let name = format!("{folder}/{FILE}");
        fixture.write(&name, &weights()[..1000]);
        let output = fetch(&fixture, &server, &[NAME]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let want = format!("{}: found 1000 bytes, expected 3000000 bytes", fixture.path(name).display());
        assert_eq!(stderr(&output), format!("warning: passed over {want}\n"));
        assert!(fs::read(fixture.path("cache/weights").join(FILE)).unwrap() == weights(), "{folder}");
    }
}

#[test]
fn offline_is_one_sentence_with_the_file_and_its_place() {
    let fixture = Fixture::new();
    let error = fixture.fails(&["fetch", "resnet50"], 4);
    let folder = fixture.path("cache/weights");
    let want = format!(
        "error: the file resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 is not on this computer and \
         ENGRAFT_OFFLINE is set: put it into {}\n",
        folder.display()
    );
    assert_eq!(error, want);
    assert!(!folder.exists());
}

#[test]
fn wrong_usage_is_exit_2_and_fetches_nothing() {
    let (fixture, server) = (Fixture::new(), mirror());
    for (arguments, want) in [
        (&[][..], "NAME"),
        (&["--all", NAME], "--all"),
        (&["efficientnet-lite0"], "the nearest is efficientnet_lite0"),
    ] {
        let output = fetch(&fixture, &server, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(want), "{arguments:?}: {}", stderr(&output));
    }
    let output = fetch(&fixture, &server, &[NAME]).env("ENGRAFT_MIRROR", "mirror").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(server.requests().is_empty());
}

#[test]
fn one_that_cannot_be_fetched_does_not_keep_the_others_from_it() {
    let (fixture, server) = (Fixture::new(), mirror());
    let output = fetch(&fixture, &server, &["vgg16", NAME, "vgg19", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let fetched: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sources(&fetched), ["download"]);
    let errors = stderr(&output);
    assert_eq!(errors.lines().count(), 3, "{errors}");
    let last = errors.lines().last().unwrap();
    assert!(
        last.starts_with("error: 2 of 3 backbones could not be fetched, the first: cannot download"),
        "{last}"
    );
    assert!(last.contains("/vgg16/vgg16_weights_") && last.contains(": status 404; put the file "), "{last}");
}

#[test]
fn all_asks_for_every_official_file() {
    let (fixture, server) = (Fixture::new(), mirror());
    let output = fetch(&fixture, &server, &["--all", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let fetched: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sources(&fetched), ["download"; 4]);
    assert!(stderr(&output).contains("error: 48 of 52 backbones"), "{}", stderr(&output));
    assert_eq!(server.requests().len(), 52);
}

#[test]
fn many_processes_at_once_download_once() {
    let (fixture, server) = (Fixture::new(), mirror());
    let start = |_| fetch(&fixture, &server, &[NAME]).stdout(Stdio::null()).spawn().unwrap();
    let processes: Vec<Child> = (0..4).map(start).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(server.requests().len(), 1);
}

/// Waits until a download has so many bytes.
fn wait_for_part(fixture: &Fixture, bytes: u64) {
    let path = fixture.path("cache/weights").join(format!("{FILE}.part"));
    let start = Instant::now();
    while fs::metadata(&path).map_or(0, |metadata| metadata.len()) < bytes {
        assert!(start.elapsed() < Duration::from_secs(20), "the download did not begin");
        thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(unix)]
#[test]
fn a_killed_or_stopped_download_goes_on_where_it_was() {
    for (signal, code) in [("-KILL", None), ("-INT", Some(130))] {
        let server = HttpServer::start(|request| {
            let mut response = HttpResponse::good(request, &weights(), "\"1\"");
            if request.index == 0 {
                response = response.cut(LEN / 2);
                response.silence = Duration::from_secs(3);
            }
            response
        });
        let fixture = Fixture::new();
        let mut process = fetch(&fixture, &server, &[NAME]).stderr(Stdio::null()).spawn().unwrap();
        wait_for_part(&fixture, LEN as u64 / 2);
        Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        assert_eq!(process.wait().unwrap().code(), code, "{signal}");
        assert!(!fixture.path("cache/weights").join(FILE).exists(), "{signal}");
        assert_eq!(sources(&json(fetch(&fixture, &server, &[NAME]))), ["download"], "{signal}");
        assert!(fs::read(fixture.path("cache/weights").join(FILE)).unwrap() == weights(), "{signal}");
        let last = server.requests().last().unwrap().range_start();
        assert_eq!(last, Some(LEN / 2 - 1), "{signal}");
    }
}

#[test]
fn the_cache_verb_tells_weights_and_features_apart() {
    let (fixture, server) = (Fixture::new(), mirror());
    fetch(&fixture, &server, &[NAME]).output().unwrap();
    let weights = |arguments: &[&str]| {
        let info = fixture.json(arguments);
        assert_eq!([&info["entries"], &info["bytes"]], [0, 0], "{arguments:?}");
        let weights = &info["weights"];
        assert_eq!(weights["folder"], fixture.path("cache/weights").to_str().unwrap());
        (weights["files"].as_u64().unwrap(), weights["bytes"].as_u64().unwrap(), weights["cleared"].clone())
    };
    let whole = LEN as u64;
    for (arguments, want) in [
        (&["cache", "info"][..], (1, whole, false.into())),
        (&["cache", "clear"], (1, whole, false.into())),
        (&["cache", "clear", "--weights"], (1, whole, true.into())),
        (&["cache", "info"], (0, 0, false.into())),
    ] {
        assert_eq!(weights(arguments), want, "{arguments:?}");
    }
}
