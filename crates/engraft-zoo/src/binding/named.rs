//! Weights out of files in which each tensor has a name of its own: our names and layouts, or those of a PyTorch state
//! dictionary.

use std::collections::HashMap;

use engraft_graph::{Graph, NamedTensors, Node, Op, Tensor, TensorData, WeightSpec};

use crate::ZooError;

/// Takes the weights of `graph` out of `tensors`. Each of `pytorch_modules` pairs nodes with PyTorch modules as one kind of file
/// names them; `origin` names the tensors in errors.
pub(super) fn bind(
    graph: &Graph,
    tensors: NamedTensors,
    pytorch_modules: Vec<Vec<(String, String)>>,
    origin: &str,
) -> Result<HashMap<String, Tensor>, ZooError> {
    let mut tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    let modules = likeliest_modules(pytorch_modules, &tensors);
    let nodes: HashMap<&str, &Node> = graph.nodes().iter().map(|node| (node.name.as_str(), node)).collect();
    let mut bound = HashMap::new();
    for spec in graph.weights() {
        let (node, role) = spec.name.rsplit_once('/').expect("a weight is called NODE/ROLE");
        let pytorch = modules.get(node).map(|module| format!("{module}.{}", pytorch_role(role)));
        let layout = Layout::of(&nodes[node].op, role);
        let tensor = take(&spec, &mut tensors, pytorch, layout, origin)?;
        bound.insert(spec.name, tensor);
    }
    Ok(bound)
}

/// The naming of which most modules are in the file; the first one if none is better.
fn likeliest_modules(
    pytorch_modules: Vec<Vec<(String, String)>>,
    tensors: &HashMap<String, Tensor>,
) -> HashMap<String, String> {
    let present = |modules: &Vec<(String, String)>| {
        modules.iter().filter(|(_, module)| tensors.contains_key(&format!("{module}.weight"))).count()
    };
    let likeliest = pytorch_modules.into_iter().rev().max_by_key(present);
    likeliest.unwrap_or_default().into_iter().collect()
}

fn take(
    spec: &WeightSpec,
    tensors: &mut HashMap<String, Tensor>,
    pytorch: Option<String>,
    layout: Layout,
    origin: &str,
) -> Result<Tensor, ZooError> {
    let (origin, weight, expected) = (origin.to_owned(), spec.name.clone(), spec.shape.clone());
    if let Some(tensor) = tensors.remove(&spec.name) {
        if tensor.shape() == expected {
            return Ok(tensor);
        }
        let found = tensor.shape().to_vec();
        return Err(ZooError::WeightShape { origin, weight, alias: None, found, expected });
    }
    let Some(tensor) = pytorch.as_ref().and_then(|name| tensors.remove(name)) else {
        return Err(ZooError::MissingWeight { origin, weight, alias: pytorch, expected });
    };
    let expected = layout.pytorch_shape(&expected);
    if tensor.shape() != expected {
        let found = tensor.shape().to_vec();
        return Err(ZooError::WeightShape { origin, weight, alias: pytorch, found, expected });
    }
    Ok(layout.convert(&tensor))
}

/// What PyTorch calls a role; in its batch normalisation, `weight` is the factor.
fn pytorch_role(role: &str) -> &str {
    match role {
        "kernel" | "gamma" => "weight",
        "beta" => "bias",
        "moving_mean" => "running_mean",
        "moving_variance" => "running_var",
        other => other,
    }
}

/// For each of our dimensions, the place of that dimension in PyTorch's tensor.
#[derive(Clone, Copy)]
struct Layout(&'static [usize]);

impl Layout {
    fn of(op: &Op, role: &str) -> Layout {
        match (op, role) {
            // [out, in, height, width] to [height, width, in, out]
            (Op::Conv2d(_), "kernel") => Layout(&[2, 3, 1, 0]),
            // [channels, 1, height, width] to [height, width, channels, 1]
            (Op::DepthwiseConv2d(_), "kernel") => Layout(&[2, 3, 0, 1]),
            // [out, in] to [in, out]
            (Op::Dense(_), "kernel") => Layout(&[1, 0]),
            _ => Layout(&[0]),
        }
    }

    /// The shape in PyTorch of what has the shape `ours` here.
    fn pytorch_shape(self, ours: &[usize]) -> Vec<usize> {
        let mut shape = vec![0; ours.len()];
        for (&place, &len) in self.0.iter().zip(ours) {
            shape[place] = len;
        }
        shape
    }

    /// PyTorch's tensor in our layout.
    fn convert(self, tensor: &Tensor) -> Tensor {
        let order = self.source_indices(tensor.shape());
        let data = match tensor.data() {
            TensorData::F32(values) => TensorData::F32(order.map(|index| values[index]).collect()),
            TensorData::F16(values) => TensorData::F16(order.map(|index| values[index]).collect()),
            _ => unreachable!("the element types of a tensor are F32 and F16"),
        };
        let shape = self.0.iter().map(|&place| tensor.shape()[place]).collect();
        Tensor::new(shape, data).expect("a permutation keeps the number of elements")
    }

    /// For each element of our tensor, in order, its index in PyTorch's tensor of shape `pytorch`.
    fn source_indices(self, pytorch: &[usize]) -> impl Iterator<Item = usize> {
        let stride = |place: usize| pytorch[place + 1..].iter().product::<usize>();
        let axes: Vec<_> = self.0.iter().map(|&place| (pytorch[place], stride(place))).collect();
        (0..pytorch.iter().product()).map(move |mut index| {
            let mut source = 0;
            for (len, stride) in axes.iter().rev() {
                source += index % len * stride;
                index /= len;
            }
            source
        })
    }
}

#[cfg(test)]
mod tests {
    use engraft_graph::{GraphBuilder, Padding};
    use engraft_testing::Golden;
    use half::f16;

    use super::*;
    use crate::{Ending, backbone, backbones};

    /// A net with each kind of weight: 3 to 5 channels, a 2 x 2 kernel.
    fn small_net() -> Graph {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let x = net.conv2d("conv", image, 5, 2, 1, Padding::Same).unwrap();
        let x = net.depthwise_conv2d("dwconv", x, 2, 1, Padding::Same).unwrap();
        let x = net.batch_norm("bn", x, 1e-3).unwrap();
        let x = net.global_average_pool2d("pool", x).unwrap();
        let x = net.dense("logits", x, 4).unwrap();
        net.finish(x).unwrap()
    }

    fn modules() -> Vec<(String, String)> {
        [("conv", "a.c"), ("dwconv", "d"), ("bn", "b"), ("logits", "fc")]
            .map(|(node, module)| (node.to_owned(), module.to_owned()))
            .to_vec()
    }

    fn counting(shape: &[usize]) -> Tensor {
        let values = (0..shape.iter().product()).map(|value: usize| f16::from_f32(value as f32)).collect();
        Tensor::new(shape.to_vec(), TensorData::F16(values)).unwrap()
    }

    fn pytorch_file() -> NamedTensors {
        let mut tensors = NamedTensors::new();
        for (name, shape) in [
            ("a.c.weight", &[5, 3, 2, 2][..]),
            ("d.weight", &[5, 1, 2, 2]),
            ("b.weight", &[5]),
            ("b.bias", &[5]),
            ("b.running_mean", &[5]),
            ("b.running_var", &[5]),
            ("fc.weight", &[4, 5]),
            ("fc.bias", &[4]),
        ] {
            tensors.insert(name, counting(shape)).unwrap();
        }
        tensors
    }

    fn without(tensors: NamedTensors, name: &str) -> NamedTensors {
        let mut rest = NamedTensors::new();
        for (key, tensor) in tensors.into_iter().filter(|(key, _)| key != name) {
            rest.insert(key, tensor).unwrap();
        }
        rest
    }

    fn named(bound: HashMap<String, Tensor>) -> NamedTensors {
        let mut tensors = NamedTensors::new();
        bound.into_iter().for_each(|(name, tensor)| tensors.insert(name, tensor).unwrap());
        tensors
    }

    #[test]
    fn pytorch_kernels_are_brought_into_our_layout_and_keep_their_type() {
        let bound = named(bind(&small_net(), pytorch_file(), vec![modules()], "file").unwrap());
        small_net().check_weights(&bound).unwrap();
        let [conv, depthwise, dense] =
            ["conv/kernel", "dwconv/kernel", "logits/kernel"].map(|name| bound.get(name).unwrap());
        assert!(matches!(conv.data(), TensorData::F16(_)));
        for y in 0..2 {
            for x in 0..2 {
                for c in 0..5 {
                    let want = ((c * 2 + y) * 2 + x) as f32;
                    assert_eq!(depthwise.to_f32()[(y * 2 + x) * 5 + c], want, "{y} {x} {c}");
                    for input in 0..3 {
                        let want = (((c * 3 + input) * 2 + y) * 2 + x) as f32;
                        assert_eq!(
                            conv.to_f32()[((y * 2 + x) * 3 + input) * 5 + c],
                            want,
                            "{y} {x} {input} {c}"
                        );
                    }
                }
            }
        }
        for (input, output) in [(0, 0), (4, 0), (0, 3), (3, 2)] {
            assert_eq!(dense.to_f32()[input * 4 + output], (output * 5 + input) as f32);
        }
    }

    #[test]
    fn our_own_names_come_first() {
        let ours = bind(&small_net(), pytorch_file(), vec![modules()], "file").unwrap();
        let mut both = named(ours.clone());
        for (name, _) in pytorch_file() {
            both.insert(name, counting(&[1])).unwrap();
        }
        assert_eq!(bind(&small_net(), both, vec![modules()], "file").unwrap(), ours);
    }

    #[test]
    fn errors_name_the_weight_under_both_names() {
        let mut wrong = without(pytorch_file(), "a.c.weight");
        wrong.insert("a.c.weight", counting(&[5, 4, 2, 2])).unwrap();
        let mut ours_wrong = pytorch_file();
        ours_wrong.insert("conv/kernel", counting(&[5])).unwrap();
        for (tensors, want) in [
            (
                without(pytorch_file(), "d.weight"),
                "file: weight `dwconv/kernel` (`d.weight`) is missing, expected shape [2, 2, 5, 1]",
            ),
            (
                wrong,
                "file: weight `conv/kernel` (`a.c.weight`) has shape [5, 4, 2, 2], expected [5, 3, 2, 2]",
            ),
            (ours_wrong, "file: weight `conv/kernel` has shape [5], expected [2, 2, 3, 5]"),
        ] {
            assert_eq!(bind(&small_net(), tensors, vec![modules()], "file").unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn every_lite_backbone_binds_the_tensors_of_its_pytorch_packages() {
        let package = ["zoo/efficientnet_lite0", "zoo/efficientnet_lite1", "zoo/efficientnet_lite2"];
        let timm = backbones().filter(|spec| spec.name.starts_with("efficientnet_lite"));
        let timm: Vec<_> = timm.map(|spec| format!("timm_zoo/{}", spec.name)).collect();
        for golden in package.into_iter().chain(timm.iter().map(String::as_str)) {
            let spec = backbone(golden.rsplit('/').next().unwrap()).unwrap();
            let listing = Golden::open(golden).u8("state");
            let mut tensors = NamedTensors::new();
            for line in String::from_utf8(listing).unwrap().lines() {
                let (name, lens) = line.split_once(' ').unwrap();
                let shape: Vec<usize> = lens.split(' ').map(|len| len.parse().unwrap()).collect();
                let zeros = vec![0.0; shape.iter().product()];
                tensors.insert(name, Tensor::from_f32(shape, zeros).unwrap()).unwrap();
            }
            let graph = spec.graph(Ending::Logits);
            let count = tensors.len();
            let bound = bind(&graph, tensors, spec.architecture.pytorch_modules(), "package").unwrap();
            assert_eq!(bound.len(), count, "{golden}");
        }
    }
}
