//! Backbones compute what Keras or timm computes with weights from the same formula; `cargo xtask golden --full` runs all of them.

#[path = "keras_zoo/proof.rs"]
mod proof;

use proof::Proof;

/// One of each structure, those that take seconds left out.
const FAST: [&str; 13] = [
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite3",
    "efficientnet_v2_b0",
    "inception_v3",
    "mobilenet_025",
    "mobilenet_v2_035",
    "mobilenet_v3_large_minimalistic",
    "mobilenet_v3_small",
    "nasnet_mobile",
    "resnet50",
    "resnet50_v2",
];

#[test]
fn fast_backbones_agree_with_their_references() {
    for name in FAST {
        let proof = Proof::of(name);
        assert_eq!(proof.value_counts, proof.reference_value_counts, "{name}");
        assert!(proof.holds(), "{name}: features {:e}, other outputs {:e}", proof.features, proof.others);
    }
}
