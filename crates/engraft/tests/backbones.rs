//! The embedded backbone computes what PyTorch computes with the same rounded weights.

#[path = "backbones/reference.rs"]
mod reference;

use engraft_zoo::{Ending, Source, open};

#[test]
fn embedded_lite0_agrees_with_pytorch() {
    let opened = open("efficientnet_lite0", Source::Embedded, Ending::Features).unwrap();
    reference::assert_agrees(&opened, "efficientnet_lite0_embedded");
}

#[test]
fn features_depend_on_the_image_and_not_on_its_place() {
    let opened = open("efficientnet_lite0", Source::Embedded, Ending::Features).unwrap();
    let images = reference::patterns(opened.spec);
    let together = reference::run(&opened.graph, &opened, &images);
    for (image, features) in images.iter().zip(together.chunks_exact(opened.spec.feature_len)) {
        assert_eq!(reference::run(&opened.graph, &opened, std::slice::from_ref(image)), features);
    }
    assert_ne!(
        together[..opened.spec.feature_len],
        together[opened.spec.feature_len..][..opened.spec.feature_len]
    );
}
