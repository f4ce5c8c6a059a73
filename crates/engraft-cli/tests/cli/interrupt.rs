//! Signals in the middle of a training.

use std::{
    fs,
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::fixture::Fixture;

const TRAIN: [&str; 8] = ["train", "data", "--fit", "stretch", "--out", "model", "--threads", "1"];

/// Waits until `child` has embedded an image, sends it a signal and waits for its end.
fn signal_midway(fixture: &Fixture, mut child: Child, signal: &str) -> ExitStatus {
    while fs::read_dir(fixture.path("cache/features-1")).map_or(0, Iterator::count) == 0 {
        std::thread::yield_now();
    }
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    child.wait().unwrap()
}

/// Trains until `signal` comes in the middle: on a busy machine it may come after the end, and is then tried again.
fn train_until(fixture: &Fixture, signal: &str) -> ExitStatus {
    for _ in 0..20 {
        let child = fixture.command(&TRAIN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let status = signal_midway(fixture, child, signal);
        if !status.success() {
            return status;
        }
        fs::remove_file(fixture.path("model")).unwrap();
        fs::remove_dir_all(fixture.path("cache")).unwrap();
    }
    panic!("{signal} always came too late");
}

/// Every name in the working folder, sorted.
fn names(fixture: &Fixture) -> Vec<String> {
    let names = fs::read_dir(fixture.path(".")).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_stopped_or_killed_run_leaves_no_model_and_the_next_is_undisturbed() {
    let fixture = Fixture::new();
    fixture.draw("data", 80, 0);
    for (signal, code) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let status = train_until(&fixture, signal);
        assert_eq!(status.code(), code, "{signal}");
        assert_eq!(names(&fixture), ["cache", "data"], "{signal}");
        if signal != "-KILL" {
            fs::remove_dir_all(fixture.path("cache")).unwrap();
        }
    }
    fixture.ok(&TRAIN);
    let disturbed = fs::read(fixture.path("model")).unwrap();
    fixture.ok(&["cache", "clear"]);
    fixture.ok(&TRAIN);
    assert!(disturbed == fs::read(fixture.path("model")).unwrap());
}

#[test]
fn a_hangup_that_the_parent_ignores_is_ignored() {
    let fixture = Fixture::new();
    fixture.draw("data", 40, 0);
    let train = fixture.command(&TRAIN);
    let mut shell = Command::new("sh");
    // As `nohup` does, without its redirections.
    shell.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]).arg(train.get_program()).args(train.get_args());
    shell.current_dir(fixture.path(".")).env("ENGRAFT_CACHE", fixture.path("cache"));
    let child = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = signal_midway(&fixture, child, "-HUP");
    assert_eq!(status.code(), Some(0));
    assert!(fixture.path("model").is_file());
}
