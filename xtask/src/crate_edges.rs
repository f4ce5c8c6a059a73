//! Which crate may depend on which: the layers of ARCHITECTURE.md.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Every crate of the workspace with the crates of ours that it may use outside its tests.
const EDGES: &[(&str, &[&str])] = &[
    ("engraft-cli", &["engraft"]),
    (
        "engraft",
        &[
            "engraft-train",
            "engraft-zoo",
            "engraft-data",
            "engraft-formats",
            "engraft-engine",
            "engraft-graph",
        ],
    ),
    ("engraft-train", &["engraft-engine", "engraft-kernels", "engraft-graph", "engraft-data"]),
    ("engraft-zoo", &["engraft-graph", "engraft-formats"]),
    ("engraft-engine", &["engraft-kernels", "engraft-graph"]),
    ("engraft-formats", &["engraft-graph"]),
    ("engraft-data", &[]),
    ("engraft-kernels", &[]),
    ("engraft-graph", &[]),
    ("engraft-testing", &[]),
];

/// Violations in the manifests under `crates/`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        violations.extend(check_manifest(&name, &text));
    }
    Ok(violations)
}

fn check_manifest(name: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "crate {name} stands in no layer, expected an entry in xtask/src/crate_edges.rs"
        )];
    };
    let mut section = "";
    let mut violations = Vec::new();
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            continue;
        }
        let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let ours = EDGES.iter().any(|(known, _)| *known == dependency);
        let shipped = section == "dependencies" || section == "build-dependencies";
        if ours && shipped && !allowed.contains(&dependency) {
            violations.push(format!("crate {name} depends on {dependency}, expected only {allowed:?}"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_edge_is_found_and_a_dev_dependency_is_not_one() {
        let manifest = "[dependencies]\nengraft-graph.workspace = true\nengraft-train = { path = \"x\" }\n\
                        [dev-dependencies]\nengraft-testing.workspace = true\n";
        let want = "crate engraft-engine depends on engraft-train, expected only [\"engraft-kernels\", \"engraft-graph\"]";
        assert_eq!(check_manifest("engraft-engine", manifest), [want]);
    }

    #[test]
    fn an_unknown_crate_is_a_violation() {
        assert_eq!(check_manifest("engraft-new", "").len(), 1);
    }
}
