//! What training does, and what it refuses.

use std::sync::atomic::Ordering;

use engraft_graph::GraphBuilder;
use engraft_kernels::InstructionSet;
use engraft_train::{
    FitData, FitError, FitOptions, FitRun, Optimizer, Silent, Stop, fit_network, initial_parameters,
};

use crate::{
    clouds::{CLASSES, Clouds, IMAGE_LEN, fit, fit_watched},
    watcher::Watcher,
};

fn options(optimizer: &str, learning_rate: f64, epochs: usize) -> FitOptions {
    let optimizer: Optimizer = optimizer.parse().unwrap();
    FitOptions { epochs, batch_size: 4, optimizer, learning_rate, ..FitOptions::default() }
}

/// Updates so small that no parameter changes.
fn standing_still() -> FitOptions {
    options("sgd", 1e-30, 1)
}

#[test]
fn every_optimizer_learns_to_tell_clouds_apart() {
    let (training, validation) = (Clouds::new(1, 30, 3.0), Clouds::new(2, 12, 3.0));
    for optimizer in Optimizer::NAMES {
        let fitted = fit(&training, Some(&validation), &options(optimizer, 0.05, 20)).unwrap();
        let [first, .., last] = fitted.history.epochs[..] else { panic!("{optimizer}: too few epochs") };
        assert!(last.training.loss < 0.5 * first.training.loss, "{optimizer}: {first:?}, {last:?}");
        assert_eq!((last.training.accuracy, last.validation.unwrap().accuracy), (1.0, 1.0), "{optimizer}");
        assert_eq!((fitted.stop, fitted.epoch, fitted.batch_size), (Stop::Epochs, 20, 4), "{optimizer}");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (training, validation) = (Clouds::new(1, 30, 1.0), Clouds::new(2, 12, 1.0));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&training, Some(&validation), &options("adam", 0.05, 3)).unwrap())
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    let other_seed = FitOptions { seed: 1, ..options("adam", 0.05, 3) };
    assert_ne!(one.history, fit(&training, Some(&validation), &other_seed).unwrap().history);
}

#[test]
fn a_short_last_batch_counts_by_its_images() {
    let clouds = Clouds::new(1, 11, 1.0);
    let mut scores = [1, 2, 4, 11].map(|batch_size| {
        let options = FitOptions { batch_size, label_smoothing: 0.1, ..standing_still() };
        fit(&clouds, Some(&clouds), &options).unwrap().history.epochs[0]
    });
    let whole = scores[3].validation.unwrap();
    for record in &mut scores {
        for score in [record.training, record.validation.unwrap()] {
            assert!((score.loss - whole.loss).abs() < 1e-6, "{record:?}");
            assert_eq!(score.accuracy, whole.accuracy, "{record:?}");
        }
    }
}

#[test]
fn class_weights_scale_the_training_loss_alone() {
    let clouds = Clouds::new(1, 12, 1.0);
    let losses = |class_weights: Option<[f32; CLASSES]>| {
        let class_weights = class_weights.map(|weights| weights.to_vec());
        let record = fit(&clouds, Some(&clouds), &FitOptions { class_weights, ..standing_still() }).unwrap();
        let record = record.history.epochs[0];
        (record.training.loss, record.validation.unwrap().loss)
    };
    let (plain, plain_validation) = losses(None);
    let parts: f64 = (0..CLASSES)
        .map(|class| {
            let mut weights = [0.0; CLASSES];
            weights[class] = 2.0;
            let (part, validation) = losses(Some(weights));
            assert_eq!(validation, plain_validation);
            part
        })
        .sum();
    assert!((parts - 2.0 * plain).abs() < 1e-6, "{parts}, twice {plain}");
}

#[test]
fn a_batch_larger_than_the_data_is_all_of_it_and_reported() {
    let clouds = Clouds::new(1, 6, 1.0);
    let watcher = Watcher::patient();
    let large = FitOptions { batch_size: 100, ..options("adam", 0.01, 2) };
    let fitted = fit_watched(&clouds, None, &large, None, &watcher).unwrap();
    assert_eq!(fitted.batch_size, 6);
    assert_eq!(watcher.warnings(), ["a batch of 100 is more than there is: all 6 images make one batch"]);
    let exact = FitOptions { batch_size: 6, ..large };
    assert_eq!(fitted, fit(&clouds, None, &exact).unwrap());
}

#[test]
fn the_caller_is_told_of_every_step_and_epoch() {
    let (training, validation) = (Clouds::new(1, 11, 1.0), Clouds::new(2, 5, 1.0));
    let watcher = Watcher::patient();
    let fitted = fit_watched(&training, Some(&validation), &options("sgd", 0.1, 3), None, &watcher).unwrap();
    assert_eq!(*watcher.epochs.lock().unwrap(), fitted.history.epochs);
    assert_eq!((watcher.announced.load(Ordering::Relaxed), watcher.steps.load(Ordering::Relaxed)), (9, 9));
    assert!(watcher.warnings().is_empty());
}

#[test]
fn the_best_parameters_come_back_when_patience_ends() {
    let training = Clouds::new(1, 30, 3.0);
    let mut validation = Clouds::new(2, 12, 3.0);
    // What is learnt is wrong for these, so that the first epoch is the best.
    validation.labels.rotate_left(1);
    let patient = FitOptions { patience: Some(2), ..options("adam", 0.05, 20) };
    let stopped = fit(&training, Some(&validation), &patient).unwrap();
    assert_eq!((stopped.stop, stopped.epoch, stopped.history.epochs.len()), (Stop::Patience, 1, 3));
    let first = fit(&training, Some(&validation), &options("adam", 0.05, 1)).unwrap();
    assert_eq!(stopped.parameters, first.parameters);
    // Without validation the training loss decides, which falls all the time.
    let all = fit(&training, None, &patient).unwrap();
    assert_eq!((all.stop, all.epoch), (Stop::Epochs, 20));
}

#[test]
fn training_stops_below_a_loss() {
    let clouds = Clouds::new(1, 30, 3.0);
    let fitted =
        fit(&clouds, None, &FitOptions { stop_loss: Some(0.3), ..options("adam", 0.05, 100) }).unwrap();
    let losses: Vec<f64> = fitted.history.epochs.iter().map(|record| record.training.loss).collect();
    let [earlier @ .., last] = &losses[..] else { panic!("no epoch") };
    assert!(*last < 0.3 && earlier.iter().all(|&loss| loss >= 0.3), "{losses:?}");
    assert_eq!(fitted.stop, Stop::StopLoss);
}

#[test]
fn frozen_nodes_keep_their_weights() {
    let clouds = Clouds::new(1, 12, 1.0);
    let frozen = FitOptions { frozen: ["dense".to_owned()].into(), ..options("adamw", 0.05, 2) };
    assert_eq!(fit(&clouds, None, &frozen).unwrap().parameters, crate::clouds::initial());
}

#[test]
fn a_loss_that_is_no_number_is_an_error_that_says_what_to_try() {
    let clouds = Clouds::new(1, 12, 1.0);
    let error = fit(&clouds, None, &options("sgd", 3e38, 9)).unwrap_err().to_string();
    assert!(error.contains("in epoch 1, batch ") && error.contains(", at learning rate 3"), "{error}");
    assert!(error.contains("try a smaller learning rate, such as 0.01,"), "{error}");
    let mut broken = clouds.clone();
    broken.images.fill(f32::NAN);
    let error = fit(&broken, None, &options("sgd", 0.1, 9)).unwrap_err().to_string();
    let want = "the loss is NaN in epoch 1, batch 1, at learning rate 0.1, expected a finite number: \
                no update was made before, so look at the range of the images and the initial weights";
    assert_eq!(error, want);
    let error = fit(&clouds, Some(&broken), &options("sgd", 0.1, 9)).unwrap_err().to_string();
    assert!(error.starts_with("the validation loss is NaN in epoch 1, batch 3"), "{error}");
}

#[test]
fn a_last_update_that_leaves_no_numbers_is_noticed() {
    let mut clouds = Clouds::new(1, 3, 1.0);
    clouds.images.iter_mut().for_each(|value| *value *= 100.0);
    let error = fit(&clouds, None, &options("sgd", 3e38, 1)).unwrap_err().to_string();
    let found = error.strip_prefix("a weight is ").unwrap().trim_start_matches('-');
    assert!(found.starts_with("inf in epoch 1, batch 1, at learning rate 3"), "{error}");
    assert!(found.contains("try a smaller learning rate"), "{error}");
}

#[test]
fn interruption_and_missing_images_are_errors() {
    let mut clouds = Clouds::new(1, 12, 1.0);
    let watcher = Watcher::stopping_after(0);
    let error = fit_watched(&clouds, None, &options("sgd", 0.1, 9), None, &watcher).unwrap_err();
    assert!(matches!(error, FitError::Interrupted), "{error}");
    clouds.broken_epoch = Some(2);
    let error = fit(&clouds, None, &options("sgd", 0.1, 9)).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
}

#[test]
fn what_cannot_be_trained_is_refused_with_the_reason() {
    type Change = fn(&mut Clouds, &mut FitOptions);
    let cases: [(Change, &str); 14] = [
        (|clouds, _| clouds.labels.clear(), "there are no training images, expected at least one"),
        (|clouds, _| clouds.classes = 0, "the training images have 0 classes, expected at least 2"),
        (|clouds, _| clouds.classes = 1, "the training images have 1 classes, expected at least 2"),
        (|clouds, _| clouds.classes = 4, "the training images have 4 classes, expected the 3 of the network"),
        (
            |clouds, _| clouds.image_len = 6,
            "the training images have 6 values, expected the 5 that the network reads",
        ),
        (|_, options| options.epochs = 0, "epochs is `0`: expected at least 1"),
        (|_, options| options.batch_size = 0, "batch_size is `0`: expected at least 1"),
        (
            |_, options| options.learning_rate = f64::NAN,
            "learning_rate is `NaN`: expected a positive number within single precision, 1e-45 to 3e38",
        ),
        (
            |_, options| options.learning_rate = 1e300,
            "learning_rate is `1e300`: expected a positive number within single precision, 1e-45 to 3e38",
        ),
        (
            |_, options| options.learning_rate = 1e-60,
            "learning_rate is `1e-60`: expected a positive number within single precision, 1e-45 to 3e38",
        ),
        (
            |_, options| options.label_smoothing = 1.0,
            "label_smoothing is `1`: expected a number from 0 to below 1",
        ),
        (
            |_, options| options.stop_loss = Some(-1.0),
            "stop_loss is `-1`: expected a number that is not negative",
        ),
        (
            |_, options| options.class_weights = Some(vec![1.0]),
            "there are 1 class weights, expected 3, one for each class",
        ),
        (
            |_, options| options.class_weights = Some(vec![1.0, -1.0, 1.0]),
            "class_weights is `-1`: expected numbers that are not negative",
        ),
    ];
    for (change, want) in cases {
        let (mut clouds, mut options) = (Clouds::new(1, 12, 1.0), options("sgd", 0.1, 1));
        change(&mut clouds, &mut options);
        assert_eq!(fit(&clouds, None, &options).unwrap_err().to_string(), want);
    }
    let (clouds, mut empty) = (Clouds::new(1, 12, 1.0), Clouds::new(1, 12, 1.0));
    empty.labels.clear();
    let error = fit(&clouds, Some(&empty), &options("sgd", 0.1, 1)).unwrap_err().to_string();
    assert_eq!(error, "there are no validation images, expected at least one");
}

#[test]
fn a_network_without_softmax_is_refused() {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [1, IMAGE_LEN, 1]).unwrap();
    let x = net.flatten("flatten", image).unwrap();
    let x = net.dense("dense", x, CLASSES).unwrap();
    let graph = net.finish(x).unwrap();
    let clouds = Clouds::new(1, 12, 1.0);
    let run = FitRun { isa: InstructionSet::best(), checkpoint: None, progress: &Silent };
    let data = FitData { training: &clouds, validation: None };
    let error =
        fit_network(&graph, &initial_parameters(&graph, 1).unwrap(), data, &FitOptions::default(), run);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the network ends in node `dense`, expected a softmax over a vector"
    );
}
