//! Weight files in the cache of the Hugging Face hub, where other programs have put them.
//!
//! A repository is a folder `models--OWNER--NAME` with one folder of `snapshots` per revision; `refs/main` names the
//! current one. A large file there is a link to `blobs/SHA256`, so that its name tells its digest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Checksum;

/// Backbones with the repository that holds the same network and weights as one safetensors file.
const REPOSITORIES: [(&str, &str); 5] = [
    ("efficientnet_lite0", "timm/tf_efficientnet_lite0.in1k"),
    ("efficientnet_lite1", "timm/tf_efficientnet_lite1.in1k"),
    ("efficientnet_lite2", "timm/tf_efficientnet_lite2.in1k"),
    ("efficientnet_lite3", "timm/tf_efficientnet_lite3.in1k"),
    ("efficientnet_lite4", "timm/tf_efficientnet_lite4.in1k"),
];

/// The file of `backbone` below the hub's cache folder, with its digest if its name tells.
pub(super) fn find(backbone: &str, hub_dir: &Path) -> Option<(PathBuf, Option<Checksum>)> {
    let (_, repository) = REPOSITORIES.iter().find(|(name, _)| *name == backbone)?;
    let folder = hub_dir.join(format!("models--{}", repository.replace('/', "--")));
    let path = snapshot(&folder)?.join("model.safetensors");
    let blob = fs::canonicalize(&path).ok().filter(|blob| blob.is_file())?;
    let digest = blob.file_name()?.to_string_lossy().into_owned();
    Some((path, Checksum::from_hexadecimal(&digest)))
}

/// The snapshot that `refs/main` names, or else the only one.
fn snapshot(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.join("snapshots");
    if let Ok(revision) = fs::read_to_string(folder.join("refs/main")) {
        let named = revision.trim();
        let is_name = !named.is_empty() && named.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return is_name.then(|| snapshots.join(named));
    }
    let mut entries = fs::read_dir(snapshots).ok()?;
    let only = entries.next()?.ok()?.path();
    entries.next().is_none().then_some(only)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_current_snapshot_is_found_with_the_digest_of_its_blob() {
        let hub = tempfile::tempdir().unwrap();
        let folder = hub.path().join("models--timm--tf_efficientnet_lite1.in1k");
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for folder in ["blobs", "refs", "snapshots/aa", "snapshots/bb"].map(|name| folder.join(name)) {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(folder.join("blobs").join(digest), "abc").unwrap();
        symlink(format!("../../blobs/{digest}"), folder.join("snapshots/bb/model.safetensors")).unwrap();
        assert_eq!(find("efficientnet_lite1", hub.path()), None, "two snapshots and no name");
        for (revision, found) in [("bb\n", true), ("aa", false), ("../bb", false), ("", false)] {
            fs::write(folder.join("refs/main"), revision).unwrap();
            let want = found
                .then(|| (folder.join("snapshots/bb/model.safetensors"), Checksum::from_hexadecimal(digest)));
            assert_eq!(find("efficientnet_lite1", hub.path()), want, "{revision}");
        }
        fs::remove_dir_all(folder.join("refs")).unwrap();
        fs::remove_dir_all(folder.join("snapshots/aa")).unwrap();
        assert!(find("efficientnet_lite1", hub.path()).is_some(), "the only snapshot");
        assert_eq!(find("efficientnet_lite2", hub.path()), None);
        assert_eq!(find("resnet50", hub.path()), None);
    }
}
