//! Notices when the engine gives other bits than its revision stands for.
//!
//! Stored features are found by the revision, so a change of a kernel or of the lowering that changes a bit needs a new one.
//! These digests come from our own output: they prove no result right, only unchanged. Whoever changes a result on purpose
//! gives `ENGINE_REVISION` a new number and enters the new digests here.

use engraft_data::Digest;
use engraft_engine::{ENGINE_REVISION, Plan, PlanOptions};
use engraft_kernels::InstructionSet;
use engraft_testing::noise_u8;
use engraft_zoo::{Ending, Source, open};

/// The revision that the digests belong to.
const REVISION: &str = "engraft-engine 1";

/// Digest of the features of one image, as little-endian bytes.
const DIGESTS: &[(&str, &str)] = &[
    ("portable", "4815e1e9ea87bc4bc20e9bc54d01d7db75176759366889b118327bdd4af80c50"),
    ("avx2", "0c211fbedd70a13d215028182f7435d3dacb7b32b1451f6bf2768f9444bdf75e"),
    ("avx512", "0c211fbedd70a13d215028182f7435d3dacb7b32b1451f6bf2768f9444bdf75e"),
];

#[test]
fn features_of_this_revision_have_these_bits() {
    assert_eq!(ENGINE_REVISION, REVISION, "a new revision has new digests");
    let opened = open("efficientnet_lite0", Source::Embedded, Ending::Features).unwrap();
    let image = noise_u8(5, 224 * 224 * 3);
    for isa in InstructionSet::available() {
        let plan = Plan::compile(&opened.graph, &opened.weights, &PlanOptions::new(isa)).unwrap();
        let mut features = vec![0.0; opened.spec.feature_len];
        plan.run_u8(&[&image], &mut features).unwrap();
        let bytes: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
        let found = (isa.name(), &*Digest::of(&bytes).to_string());
        assert!(DIGESTS.contains(&found), "{found:?}, expected one of {DIGESTS:?}");
    }
}
