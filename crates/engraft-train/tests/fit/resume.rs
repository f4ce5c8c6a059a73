//! A training that is interrupted and goes on ends with the same bytes as one that was not.

use std::{fs, path::Path, time::Duration};

use engraft_train::{CheckpointFile, CheckpointProblem, FitError, FitOptions, FittedNetwork, Stop};

use crate::{
    clouds::{Clouds, fit, fit_watched},
    watcher::Watcher,
};

fn data() -> (Clouds, Clouds) {
    let mut training = Clouds::new(1, 11, 0.5);
    training.jitter = 0.3;
    (training, Clouds::new(2, 6, 0.5))
}

fn options(optimizer: &str, schedule: &str) -> FitOptions {
    FitOptions {
        epochs: 5,
        batch_size: 4,
        optimizer: optimizer.parse().unwrap(),
        learning_rate: 0.3,
        schedule: schedule.parse().unwrap(),
        ..FitOptions::default()
    }
}

/// A training with a checkpoint at `path`, interrupted after `epochs` more epochs.
fn run(path: &Path, options: &FitOptions, resume: bool, epochs: usize) -> Result<FittedNetwork, FitError> {
    let (training, validation) = data();
    let checkpoint = Some(CheckpointFile { path, resume, interval: Duration::ZERO });
    fit_watched(&training, Some(&validation), options, checkpoint, &Watcher::stopping_after(epochs))
}

/// As [`run`], to the end.
fn resumed(path: &Path, options: &FitOptions) -> Result<FittedNetwork, FitError> {
    run(path, options, true, usize::MAX)
}

/// The problem with the checkpoint at `path`.
fn problem(path: &Path, options: &FitOptions) -> CheckpointProblem {
    match resumed(path, options) {
        Err(FitError::Checkpoint(error)) => error.problem,
        other => panic!("expected an error of the checkpoint, got {other:?}"),
    }
}

#[test]
fn a_training_killed_after_any_epoch_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole_path, path) = (folder.path().join("whole"), folder.path().join("killed"));
    let optimizers = [
        "sgd",
        "sgd,momentum=0.9,nesterov=true",
        "rmsprop,momentum=0.5,centered=true",
        "adam",
        "adamw,amsgrad=true",
    ];
    let schedules = [
        "constant",
        "step,every=2,factor=0.5",
        "cosine,warmup=2,least=0.1",
        "plateau,patience=1,min_delta=0.05",
    ];
    let mut stopped_early = 0;
    for (optimizer, schedule) in
        optimizers.iter().flat_map(|&optimizer| schedules.map(|schedule| (optimizer, schedule)))
    {
        for patience in [None, Some(1)] {
            let options = FitOptions { patience, ..options(optimizer, schedule) };
            let whole = run(&whole_path, &options, false, usize::MAX).unwrap();
            stopped_early += usize::from(whole.stop == Stop::Patience);
            for epochs in 1..whole.history.epochs.len() {
                let case =
                    format!("{optimizer}, {schedule}, patience {patience:?}, killed after {epochs} epochs");
                assert!(matches!(run(&path, &options, false, epochs), Err(FitError::Interrupted)), "{case}");
                assert_eq!(resumed(&path, &options).unwrap(), whole, "{case}");
                assert!(fs::read(&path).unwrap() == fs::read(&whole_path).unwrap(), "{case}");
            }
        }
    }
    assert!((1..20).contains(&stopped_early), "{stopped_early} of 20 were stopped by patience");
}

#[test]
fn a_training_killed_again_and_again_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let options = options("adam", "cosine");
    assert!(run(&path, &options, false, 1).is_err());
    for _ in 2..options.epochs {
        assert!(matches!(run(&path, &options, true, 1), Err(FitError::Interrupted)));
    }
    let (training, validation) = data();
    assert_eq!(resumed(&path, &options).unwrap(), fit(&training, Some(&validation), &options).unwrap());
}

#[test]
fn epochs_within_the_interval_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (options, (training, validation)) = (options("adam", "constant"), data());
    let hourly = |epochs| {
        let file = CheckpointFile { path: &path, resume: false, interval: Duration::from_secs(3600) };
        fit_watched(&training, Some(&validation), &options, Some(file), &Watcher::stopping_after(epochs))
    };
    assert!(matches!(hourly(3), Err(FitError::Interrupted)));
    let (sparse, first) = (fs::read(&path).unwrap(), folder.path().join("first"));
    assert!(run(&first, &options, false, 1).is_err());
    assert!(sparse == fs::read(&first).unwrap(), "the checkpoint is that of the first epoch");
    let whole = hourly(usize::MAX).unwrap();
    let finished = fs::read(&path).unwrap();
    fs::write(&path, sparse).unwrap();
    assert_eq!(resumed(&path, &options).unwrap(), whole);
    assert!(finished == fs::read(&path).unwrap(), "the last epoch is written");
}

#[test]
fn a_finished_training_is_given_back_and_can_be_prolonged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let options = options("adam", "constant");
    let finished = run(&path, &options, false, usize::MAX).unwrap();
    assert_eq!(resumed(&path, &options).unwrap(), finished);
    let longer = FitOptions { epochs: 8, ..options.clone() };
    let (training, validation) = data();
    assert_eq!(resumed(&path, &longer).unwrap(), fit(&training, Some(&validation), &longer).unwrap());
    let shorter = problem(&path, &options).to_string();
    assert_eq!(shorter, "has 8 epochs, expected at most the 5 asked for");
}

#[test]
fn a_training_stopped_by_patience_stays_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let options = FitOptions { patience: Some(0), epochs: 50, ..options("adam", "constant") };
    let stopped = run(&path, &options, false, usize::MAX).unwrap();
    assert_eq!(stopped.stop, Stop::Patience);
    assert_eq!(resumed(&path, &options).unwrap(), stopped);
}

#[test]
fn a_foreign_checkpoint_is_refused_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let cosine = options("adam", "cosine");
    assert!(run(&path, &cosine, false, 2).is_err());
    type Change = fn(&mut FitOptions);
    let changes: [(&str, Change); 10] = [
        ("epochs is 5, expected 9", |options| options.epochs = 9),
        ("batch_size is 4, expected 5", |options| options.batch_size = 5),
        ("learning_rate is 0.3, expected 0.06", |options| options.learning_rate = 0.06),
        ("label_smoothing is 0.0, expected 0.5", |options| options.label_smoothing = 0.5),
        ("class_weights is null, expected [1.0,1.0,1.0]", |options| {
            options.class_weights = Some(vec![1.0; 3])
        }),
        ("patience is null, expected 3", |options| options.patience = Some(3)),
        ("seed is 0, expected 1", |options| options.seed = 1),
        ("schedule is {\"least\":0.0,\"name\":\"cosine\",\"warmup\":0}, expected {", |options| {
            options.schedule = "cosine,warmup=1".parse().unwrap();
        }),
        ("optimizer is {\"amsgrad\":false", |options| {
            (options.optimizer, options.learning_rate) = ("sgd".parse().unwrap(), 0.01);
        }),
        ("schedule is {\"least\":0.0,\"name\":\"cosine\"", |options| {
            options.schedule = "constant".parse().unwrap()
        }),
    ];
    for (want, change) in changes {
        let mut options = cosine.clone();
        change(&mut options);
        let problem = problem(&path, &options).to_string();
        assert!(problem.starts_with(&format!("is of a training whose {want}")), "{want}: {problem}");
    }
    let (mut training, validation) = data();
    training.jitter = 0.4;
    let file = Some(CheckpointFile { path: &path, resume: true, interval: Duration::ZERO });
    let error = fit_watched(&training, Some(&validation), &cosine, file, &Watcher::patient()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is of a training with other training images, or the same read, split or augmented"),
        "{error}"
    );
    training.jitter = 0.3;
    let error = fit_watched(&training, None, &cosine, file, &Watcher::patient()).unwrap_err();
    assert!(error.to_string().contains("is of a training with other validation images"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let options = FitOptions { patience: Some(9), ..options("adam", "constant") };
    assert!(run(&path, &options, false, 2).is_err());
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() {
        fs::write(&path, &whole[..position]).unwrap();
        problem(&path, &options);
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(&path, &damaged).unwrap();
        problem(&path, &options);
    }
}

#[test]
fn other_files_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let options = options("adam", "constant");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let found = problem(&path, &options).to_string();
    assert!(found.starts_with("has 1099511627776 bytes, expected at most "), "{found}");
    let error = resumed(folder.path(), &options).unwrap_err().to_string();
    assert!(error.ends_with("is a folder, expected the name of a file"), "{error}");
    let error = run(&folder.path().join("absent/file"), &options, false, 1).unwrap_err().to_string();
    assert!(error.contains("there is no folder"), "{error}");
}

#[test]
fn without_a_checkpoint_training_begins_anew_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (training, validation) = data();
    let (options, watcher) = (options("sgd", "constant"), Watcher::patient());
    let checkpoint = Some(CheckpointFile { path: &path, resume: true, interval: Duration::ZERO });
    let fitted = fit_watched(&training, Some(&validation), &options, checkpoint, &watcher).unwrap();
    let want = format!("there is no checkpoint {} to go on from, so training begins anew", path.display());
    assert_eq!(watcher.warnings(), [want]);
    assert_eq!(fitted, fit(&training, Some(&validation), &options).unwrap());
}

#[test]
fn what_is_done_with_a_checkpoint_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (training, validation) = data();
    let options = options("sgd", "constant");
    let told = |resume| {
        let watcher = Watcher::patient();
        let checkpoint = Some(CheckpointFile { path: &path, resume, interval: Duration::ZERO });
        fit_watched(&training, Some(&validation), &options, checkpoint, &watcher).unwrap();
        (watcher.warnings(), watcher.informed.into_inner().unwrap())
    };
    assert_eq!(told(false), (vec![], vec![]));
    let (epochs, shown) = (options.epochs, path.display());
    let resumed = format!("resuming from the checkpoint {shown}, which has {epochs} of {epochs} epochs");
    assert_eq!(told(true), (vec![], vec![resumed]));
    let (warnings, informed) = told(false);
    let replaced = format!("found the checkpoint {shown} of an earlier training, which is replaced after");
    assert!(warnings.len() == 1 && warnings[0].starts_with(&replaced), "{warnings:?}");
    assert_eq!(informed, [""; 0]);
}
