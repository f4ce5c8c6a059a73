//! Golden files are what their manifests say, so that none can be edited by hand.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Violations in the folders under `golden/`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for entry in fs::read_dir(root.join("golden"))? {
        let folder = entry?.path();
        if folder.is_dir() {
            violations.extend(check_folder(root, &folder)?);
        }
    }
    Ok(violations)
}

fn check_folder(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let manifest_path = folder.join("MANIFEST.json");
    let text = fs::read_to_string(&manifest_path).with_context(|| manifest_path.display().to_string())?;
    let mut manifest: BTreeMap<String, Value> = serde_json::from_str(&text)?;
    let mut violations = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "MANIFEST.json" {
            continue;
        }
        let found = sha256_hex(&fs::read(&path)?);
        match manifest.remove(&name) {
            None => violations.push(format!("{} is not in its manifest", path.display())),
            Some(entry) => violations.extend(check_entry(root, &path, &entry, &found)),
        }
    }
    violations.extend(manifest.into_keys().map(|name| format!("{}/{name} does not exist", folder.display())));
    Ok(violations)
}

fn check_entry(root: &Path, path: &Path, entry: &Value, found: &str) -> Option<String> {
    let script = entry["script"].as_str().unwrap_or_default();
    if script.is_empty() || !root.join("reference").join(script).is_file() {
        return Some(format!("{} was made by `{script}`, expected a script in reference/", path.display()));
    }
    let expected = entry["sha256"].as_str().unwrap_or_default();
    (found != expected).then(|| format!("{} has sha256 {found}, expected {expected}", path.display()))
}

/// The SHA-256 of some bytes, in lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_file_and_an_unknown_script_are_violations() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let found = sha256_hex(b"abc");
        assert!(found.starts_with("ba7816bf"), "{found}");
        for (script, sha256, want) in [
            ("common.py", found.as_str(), None),
            ("common.py", "00", Some("expected 00")),
            ("absent.py", found.as_str(), Some("expected a script in reference/")),
        ] {
            let entry = serde_json::json!({ "script": script, "sha256": sha256 });
            let violation = check_entry(root, Path::new("a.safetensors"), &entry, &found);
            assert_eq!(violation.is_some(), want.is_some());
            assert!(violation.unwrap_or_default().contains(want.unwrap_or_default()));
        }
    }
}
