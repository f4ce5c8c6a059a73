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
const REVISION: &str = "engraft-engine 10";

/// Per instruction set and precision, the digest of what all networks give; one that is not listed is not watched: that of AMX
/// ("bf16 by amx") must still be taken from such a processor for this revision. Those of
/// NEON come from an emulator; that of NEON in int8 from the portable arithmetic with products and sums rounded once, which gives
/// its other digests as well.
const DIGESTS: &[(&str, &str, u64)] = &[
    ("avx512", "f32", 0xf4a8_8f2c_72b6_cf84),
    ("avx2", "f32", 0xa02d_d6f2_9209_e4fe),
    ("neon", "f32", 0x6f14_66b0_2323_155a),
    ("portable", "f32", 0xd689_5de1_fb3b_ed2c),
    ("avx512", "bf16 by avx512_bf16", 0x2066_b2bc_0901_0385),
    ("avx2", "bf16 by single", 0xb161_e9d3_5b9d_35d7),
    ("neon", "bf16 by single", 0x83ac_484c_4a6d_8064),
    ("portable", "bf16 by single", 0xc761_7da2_c268_130e),
    ("avx512", "int8 by avx512_vnni", 0x00e6_00ca_9e80_e133),
    ("avx2", "int8 by plain", 0xc8a1_90ff_0c9d_22bc),
    ("neon", "int8 by plain", 0xf14e_a722_69a4_30e5),
    ("portable", "int8 by plain", 0x9a2c_5931_0af6_4c51),
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
    for graph in graphs.chain([winograd::net().unwrap(), winograd::small_net().unwrap()]) {
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
