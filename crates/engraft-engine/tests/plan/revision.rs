//! Notices when the bits of results change, so that `ENGINE_REVISION` changes with them.
//!
//! Stored features are found under the revision: with new bits under an old name a store would mix the two. The digests say
//! nothing about whether results are right; the other tests do. After a change that is meant, give the revision a new
//! number and put the digests that this test prints here.

use engraft_engine::{ENGINE_REVISION, Plan, PlanOptions};
use engraft_graph::{Activation, Graph, Op};
use engraft_kernels::InstructionSet;
use engraft_testing::noise_u8;

use super::{nets, winograd};

/// The revision that the digests belong to.
const REVISION: &str = "engraft-engine 3";

/// Per instruction set, the digest of what all networks give; one that is not listed is not watched.
const DIGESTS: &[(&str, u64)] = &[
    ("avx512", 0x710a_7128_cd15_3afb),
    ("avx2", 0xe908_be7f_3421_4ff5),
    ("portable", 0x3e31_a2e0_f545_17f3),
];

#[test]
fn results_keep_their_bits_while_the_revision_stays() {
    assert_eq!(ENGINE_REVISION, REVISION, "a new revision needs new digests");
    let found: Vec<(&str, u64)> =
        InstructionSet::available().into_iter().map(|isa| (isa.name(), digest_of_all(isa))).collect();
    for pair in &found {
        let recorded = DIGESTS.iter().any(|(name, _)| *name == pair.0);
        assert!(!recorded || DIGESTS.contains(pair), "new bits need a new revision: {found:#x?}");
    }
}

/// FNV-1a of the bits of every result. Source: Fowler, Noll and Vo, draft-eastlake-fnv.
fn digest_of_all(isa: InstructionSet) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let graphs = nets::ALL.iter().map(|(_, net)| net().unwrap()).filter(|graph| !has_softmax(graph));
    for graph in graphs.chain([winograd::net().unwrap()]) {
        let plan = Plan::compile(&graph, &nets::weights(&graph), &PlanOptions::new(isa)).unwrap();
        let image = noise_u8(1, plan.input_shape().len());
        let mut out = vec![f32::NAN; plan.output_shape().len()];
        plan.run_one_u8(&mut plan.worker(), &image, &mut out).unwrap();
        for byte in out.iter().flat_map(|value| value.to_bits().to_le_bytes()) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    digest
}

/// A softmax uses the platform's exponential function, whose last bit is not ours. No feature passes through one.
fn has_softmax(graph: &Graph) -> bool {
    graph.nodes().iter().any(|node| matches!(node.op, Op::Activation(Activation::Softmax)))
}
