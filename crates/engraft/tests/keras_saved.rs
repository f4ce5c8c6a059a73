//! A weight file of Keras gives Keras' features: see `reference/keras_small.py`. `examples/prove_keras_saved.rs` does the same with
//! large files of every family and format.

#[path = "keras_zoo/pictures.rs"]
mod pictures;

use engraft_testing::{Golden, golden_path};
use engraft_zoo::{Ending, Source, open};
use pictures::{deviation, run, sides};

#[test]
fn a_file_of_the_old_layout_gives_the_features_of_keras() {
    let path = golden_path("formats/mobilenet_025.h5");
    let opened = open("mobilenet_025", Source::File(&path), Ending::Features).unwrap();
    let golden = Golden::open("formats/mobilenet_025");
    let size = sides("61x47").unwrap();
    let graph = opened.spec.graph_at(size, Ending::Features).unwrap();
    let found = deviation(&run(&graph, &opened.weights, size), &golden.f32("features_61x47"));
    assert!(found <= 1e-4, "{found:e}");
}
