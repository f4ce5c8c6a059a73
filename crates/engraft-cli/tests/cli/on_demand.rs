//! Weights that are downloaded because a command needs them, and weight files that a command cannot use.

use std::{
    fs,
    process::{Command, Output},
};

use engraft_testing::{HttpResponse, HttpServer, golden_path};

use crate::fixture::{Fixture, stderr};

const NAME: &str = "mobilenet_025";
const FILE: &str = "mobilenet_2_5_224_tf_no_top.h5";

/// A weight file by real Keras in the layout of the official ones; see `reference/keras_small.py`.
fn weights() -> Vec<u8> {
    fs::read(golden_path("formats/mobilenet_025.h5")).unwrap()
}

/// Serves the same bytes at every address.
fn mirror(bytes: Vec<u8>) -> HttpServer {
    HttpServer::start(move |request| HttpResponse::good(request, &bytes, "\"1\""))
}

fn online(fixture: &Fixture, server: &HttpServer, arguments: &[&str]) -> Output {
    let mut command: Command = fixture.command(arguments);
    command.env("ENGRAFT_MIRROR", server.url()).env("ENGRAFT_OFFLINE", "0").output().unwrap()
}

#[test]
fn a_command_downloads_the_weights_that_it_needs_once() {
    let (fixture, server) = (Fixture::with_data(), mirror(weights()));
    for arguments in [
        &["embed", "data", "--backbone", NAME, "--out", "features.npy"][..],
        &["train", "data", "--backbone", NAME, "--fit", "stretch", "--out", "model.safetensors"],
    ] {
        let output = online(&fixture, &server, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    }
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, [format!("/mobilenet/{FILE}")]);
    assert!(fs::read(fixture.path("cache/weights").join(FILE)).unwrap() == weights());
    fixture.ok(&["predict", "model.safetensors", "data"]);
}

#[test]
fn a_download_that_is_not_the_official_file_is_refused() {
    let (fixture, server) = (Fixture::with_data(), mirror(weights()));
    let output =
        online(&fixture, &server, &["embed", "data", "--backbone", "densenet121", "--out", "features.npy"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let file = "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5";
    let error = stderr(&output);
    let error = error.lines().last().unwrap();
    assert!(error.starts_with(&format!("error: {}/densenet/{file}: found md5 ", server.url())), "{error}");
    assert!(error.ends_with(", expected md5 30ee3e1110167f948a6b9946edeeb738"), "{error}");
    assert!(!fixture.path("cache/weights").join(file).exists());
    assert!(!fixture.path("features.npy").exists());
}

#[test]
fn offline_a_command_says_which_file_to_put_where() {
    let fixture = Fixture::with_data();
    let error = fixture.fails(&["embed", "data", "--backbone", NAME, "--out", "features.npy"], 4);
    let folder = fixture.path("cache/weights").display().to_string();
    let want = format!(
        "error: the file {FILE} is not on this computer and ENGRAFT_OFFLINE is set: put it into {folder}\n"
    );
    assert_eq!(error, want);
    fixture.write(format!("cache/weights/{FILE}"), weights());
    fixture.ok(&["embed", "data", "--backbone", NAME, "--out", "features.npy"]);
}

#[test]
fn a_file_that_does_not_fit_is_named_with_what_was_found_and_expected() {
    let fixture = Fixture::with_data();
    let whole = weights();
    fixture.write("own.h5", &whole);
    fixture.write("cut.h5", &whole[..whole.len() / 2]);
    for (backbone, file, want) in [
        (
            "mobilenet_050",
            "own.h5",
            "own.h5: weight `conv1/kernel` (`conv1/conv1/kernel`) has shape [3, 3, 3, 8], expected [3, 3, 3, 16]",
        ),
        ("vgg16", "own.h5", "own.h5: the file has 135 weights, expected 26; the first that does not fit is "),
        (NAME, "cut.h5", "cut.h5: input_layer in the HDF5 file is broken: unexpected end of data at offset "),
    ] {
        let arguments = ["embed", "data", "--backbone", backbone, "--weights", file, "--out", "features.npy"];
        let error = fixture.fails(&arguments, 4);
        assert!(error.starts_with(&format!("error: {want}")), "{backbone} {file}: {error}");
    }
}
