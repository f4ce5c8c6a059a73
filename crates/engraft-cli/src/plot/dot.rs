//! Networks in the language of Graphviz.

use engraft::Layer;

use super::{color, label};

/// The layers and what they read as a `digraph`.
pub fn write(layers: &[Layer]) -> String {
    let mut dot =
        "digraph network {\n  node [shape=box, style=\"rounded,filled\", fontname=monospace];\n".to_owned();
    for layer in layers {
        let [red, green, blue] = color(layer);
        let label = quoted(&label(layer).join("\n"));
        dot += &format!(
            "  {} [label={label}, fillcolor=\"#{red:02x}{green:02x}{blue:02x}\"];\n",
            quoted(&layer.name)
        );
    }
    for layer in layers {
        for source in &layer.connected_to {
            dot += &format!("  {} -> {};\n", quoted(source), quoted(&layer.name));
        }
    }
    dot + "}\n"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::layer, *};

    #[test]
    fn layers_are_declared_and_joined() {
        let dot = write(&[layer("a", &[]), layer("b\"\\", &["a"])]);
        let want = r##"  "b\"\\" [label="b\"\\\nAdd  2 x 3 x 4", fillcolor="#ffeda0"];"##;
        assert!(dot.contains(want), "{dot}");
        assert!(dot.ends_with("  \"a\" -> \"b\\\"\\\\\";\n}\n"), "{dot}");
    }
}
