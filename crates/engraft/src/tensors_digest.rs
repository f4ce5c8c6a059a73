//! The identity of a set of tensors, whatever file they came from.

use engraft_data::{Digest, Hasher};
use engraft_graph::{NamedTensors, Tensor, TensorData};

/// A digest of each tensor's name, type, shape and bytes; the order of the tensors does not matter.
pub(crate) fn tensors_digest(tensors: &NamedTensors) -> Digest {
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let digests: Vec<[u8; 32]> = sorted.into_iter().map(|(name, tensor)| digest(name, tensor).0).collect();
    Digest::of_parts(&digests.iter().map(|digest| &digest[..]).collect::<Vec<_>>())
}

fn digest(name: &str, tensor: &Tensor) -> Digest {
    let mut hasher = Hasher::default();
    let mut begin = |kind: &str| hasher.update(format!("{name} {kind} {:?} ", tensor.shape()).as_bytes());
    match tensor.data() {
        TensorData::F32(values) => {
            begin("f32");
            hasher.update_values(values, |value| value.to_le_bytes());
        }
        TensorData::F16(values) => {
            begin("f16");
            hasher.update_values(values, |value| value.to_le_bytes());
        }
        _ => unreachable!("the formats yield f32 and f16 only"),
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(entries: &[(&str, Vec<usize>, &[f32])]) -> NamedTensors {
        let mut tensors = NamedTensors::new();
        for (name, shape, values) in entries {
            tensors.insert(*name, Tensor::from_f32(shape.clone(), values.to_vec()).unwrap()).unwrap();
        }
        tensors
    }

    #[test]
    fn names_shapes_and_values_count_and_order_does_not() {
        let base = tensors_digest(&tensors(&[("a", vec![2], &[1.0, 2.0]), ("b", vec![1], &[3.0])]));
        assert_eq!(base, tensors_digest(&tensors(&[("b", vec![1], &[3.0]), ("a", vec![2], &[1.0, 2.0])])));
        for other in [
            tensors(&[("a", vec![2], &[1.0, 2.0])]),
            tensors(&[("a", vec![2], &[1.0, 2.0]), ("c", vec![1], &[3.0])]),
            tensors(&[("a", vec![2, 1], &[1.0, 2.0]), ("b", vec![1], &[3.0])]),
            tensors(&[("a", vec![2], &[1.0, 2.5]), ("b", vec![1], &[3.0])]),
        ] {
            assert_ne!(tensors_digest(&other), base);
        }
    }
}
