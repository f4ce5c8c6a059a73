//! Notices when the bits of results change, so that `ENGINE_REVISION` changes with them.
//!
//! Stored features are found under the revision: with new bits under an old name a store would mix the two. The digests say
//! nothing about whether results are right; the other tests do. After a change that is meant, give the revision a new
//! number and put the digests that this test prints here.

use engraft_engine::{ENGINE_REVISION, PlanOptions, Precision};
use engraft_graph::{Activation, Graph, Op};
use engraft_kernels::InstructionSet;
use engraft_testing::noise_u8;

use super::{compiled, nets, winograd};

/// The revision that the digests belong to.
const REVISION: &str = "engraft-engine 8";

/// Per instruction set and precision, the digest of what all networks give; one that is not listed is not watched. Those of
/// NEON come from an emulator; that of NEON in int8 from the portable arithmetic with products and sums rounded once, which gives
/// its other digests as well.
const DIGESTS: &[(&str, &str, u64)] = &[
    ("avx512", "f32", 0x66b3_426b_6cf8_0a2d),
    ("avx2", "f32", 0x53ed_3390_001b_cc9b),
    ("neon", "f32", 0x5daf_2d93_7592_94f7),
    ("portable", "f32", 0x4a62_46f2_8e21_279e),
    ("avx512", "bf16 by avx512_bf16", 0x5a5f_0c6b_8692_5c22),
    ("avx2", "bf16 by single", 0xd240_4cf8_0a5b_c8ed),
    ("neon", "bf16 by single", 0x86b0_6968_fa88_839f),
    ("portable", "bf16 by single", 0x1042_2559_e99b_ed19),
    ("avx512", "int8 by avx512_vnni", 0xe4da_28e2_be42_d590),
    ("avx2", "int8 by plain", 0x6ec9_47a7_a967_9c54),
    ("neon", "int8 by plain", 0x6a37_2871_53e3_4e91),
    ("portable", "int8 by plain", 0x291c_9d57_dd58_0ab9),
];

#[test]
fn results_keep_their_bits_while_the_revision_stays() {
    assert_eq!(ENGINE_REVISION, REVISION, "a new revision needs new digests");
    let kinds =
        InstructionSet::available().into_iter().flat_map(|isa| Precision::ALL.map(|kind| (isa, kind)));
    let found: Vec<(&str, String, u64)> =
        kinds.map(|(isa, precision)| digest_of_all(isa, precision)).collect();
    for (isa, precision, digest) in &found {
        let recorded = DIGESTS.iter().find(|known| (known.0, known.1) == (*isa, precision));
        assert!(recorded.is_none_or(|known| known.2 == *digest), "new bits need a new revision: {found:#x?}");
    }
}

/// What an instruction set and a precision are called, and FNV-1a of the bits of every result. Source: Fowler, Noll and Vo, draft-eastlake-fnv.
fn digest_of_all(isa: InstructionSet, precision: Precision) -> (&'static str, String, u64) {
    let options = PlanOptions { precision, ..PlanOptions::new(isa) };
    let mut name = String::new();
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let graphs = nets::ALL.iter().map(|(_, net)| net().unwrap()).filter(|graph| !has_softmax(graph));
    for graph in graphs.chain([winograd::net().unwrap()]) {
        let image = noise_u8(1, graph.nodes()[0].shape.len());
        let plan = compiled(&graph, &nets::weights(&graph), &options, &image);
        name = plan.precision_name();
        let mut out = vec![f32::NAN; plan.output_shape().len()];
        plan.run_one_u8(&mut plan.worker(), &image, &mut out).unwrap();
        for byte in out.iter().flat_map(|value| value.to_bits().to_le_bytes()) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    (isa.name(), name, digest)
}

/// A softmax uses the platform's exponential function, whose last bit is not ours. No feature passes through one.
fn has_softmax(graph: &Graph) -> bool {
    graph.nodes().iter().any(|node| matches!(node.op, Op::Activation(Activation::Softmax)))
}
