//! 64-bit Arm as seen from another machine: `ci` checks that the code compiles for it, `cargo xtask arm` runs tests of it in
//! an emulator.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::ci::run_cargo;

const TARGET: &str = "aarch64-unknown-linux-gnu";

const LINKER: &str = "aarch64-linux-gnu-gcc";

/// What the emulator is called: on its own, and where it is packaged without dynamic libraries.
const EMULATORS: [&str; 2] = ["qemu-aarch64", "qemu-aarch64-static"];

/// Where distributions put Arm's C library.
const C_LIBRARY: &str = "/usr/aarch64-linux-gnu";

/// Checks kernels, engine and library with their tests, or says that they could not be.
pub fn check(root: &Path) -> Result<()> {
    if !target_is_installed(root)? {
        println!("NOT checked for {TARGET}: no such target is installed (rustup target add {TARGET})");
        return Ok(());
    }
    let packages = "-p engraft-kernels -p engraft-engine -p engraft";
    run_cargo(root, &format!("clippy --target {TARGET} {packages} --all-targets -- -D warnings"), &[])
}

/// Runs the tests of kernels and engine in an emulator.
///
/// # Errors
/// If one fails; if anything is missing, all that is.
pub fn run(root: &Path) -> Result<()> {
    let [linker, emulator] = [&[LINKER][..], &EMULATORS].map(on_path);
    let needs = [
        (target_is_installed(root)?, format!("the target {TARGET} (rustup target add {TARGET})")),
        (linker.is_some(), format!("the linker {LINKER} (Debian: gcc-aarch64-linux-gnu)")),
        (emulator.is_some(), format!("the emulator {} (Debian: qemu-user-static)", EMULATORS.join(" or "))),
        (Path::new(C_LIBRARY).exists(), format!("the folder {C_LIBRARY} (Debian: libc6-dev-arm64-cross)")),
    ];
    let missing: Vec<String> = needs.into_iter().filter(|need| !need.0).map(|need| need.1).collect();
    ensure!(missing.is_empty(), "tests for Arm cannot be run here; missing are\n  {}", missing.join("\n  "));

    let mut runner = emulator.unwrap_or_default().into_os_string();
    runner.push(" -L ");
    runner.push(C_LIBRARY);
    let environment = [
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", OsString::from(LINKER)),
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner),
    ];
    run_cargo(root, &format!("test --target {TARGET} -p engraft-kernels -p engraft-engine"), &environment)
}

/// Whether the compiler in use has the target's standard library.
fn target_is_installed(root: &Path) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.current_dir(root).args(["--print", "target-libdir", "--target", TARGET]);
    let output = command.output().context("rustc did not start")?;
    ensure!(output.status.success(), "rustc does not know {TARGET}: {}", output.status);
    let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let Ok(files) = folder.read_dir() else { return Ok(false) };
    Ok(files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
}

/// The first of these programs that can be started.
fn on_path(names: &[&str]) -> Option<PathBuf> {
    in_folders(&std::env::var_os("PATH")?, names)
}

fn in_folders(folders: &OsStr, names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(folders).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_order_of_their_names() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let folders = std::env::join_paths(["/nowhere", env!("CARGO_MANIFEST_DIR"), source]).unwrap();
        let found = in_folders(&folders, &["arms.rs", "main.rs", "Cargo.toml"]);
        assert_eq!(found, Some(Path::new(source).join("main.rs")));
        assert_eq!(in_folders(&folders, &["src"]), None, "a folder is no program");
    }
}
