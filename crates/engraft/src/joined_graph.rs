//! Several networks in one picture: side by side, their results joined.

use engraft_graph::{Graph, GraphBuilder, GraphError, Op};

/// The networks of a combination as one; that of a single backbone as it is.
///
/// A node is called `NETWORK:NODE`, so that layers of different networks never share a name.
pub(crate) fn joined_graph(networks: &[(&str, &Graph)]) -> Result<Graph, GraphError> {
    if let [(_, graph)] = networks {
        return Ok((*graph).clone());
    }
    let mut net = GraphBuilder::new();
    let outputs = networks.iter().map(|(name, graph)| net.append(graph, |node| format!("{name}:{node}")));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let output = net.node("combination", Op::Concatenate, &outputs)?;
    net.finish(output)
}

#[cfg(test)]
mod tests {
    use engraft_graph::{Padding, Shape};

    use super::*;

    fn network(features: usize) -> Graph {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let x = net.conv2d("conv/kernel", image, features, 1, 1, Padding::Same).unwrap();
        let output = net.global_average_pool2d("pool", x).unwrap();
        net.finish(output).unwrap()
    }

    #[test]
    fn networks_stand_side_by_side_under_their_own_names() {
        let joined = joined_graph(&[("a", &network(2)), ("b", &network(5))]).unwrap();
        let names: Vec<&str> = joined.nodes().iter().map(|node| &*node.name).collect();
        let want =
            ["a:image", "a:conv/kernel", "a:pool", "b:image", "b:conv/kernel", "b:pool", "combination"];
        assert_eq!(names, want);
        assert_eq!(joined.output_shape(), Shape::vector(7));
        assert_eq!(joined.parameter_count(), network(2).parameter_count() + network(5).parameter_count());
    }

    #[test]
    fn a_single_network_stays_as_it_is() {
        assert_eq!(joined_graph(&[("a", &network(2))]).unwrap(), network(2));
    }
}
