//! How much memory there is, and whether a training fits into it.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::Error;

/// Refuses what takes at least `needed_bytes` where less is free: the system would end the program without a word.
///
/// # Errors
/// [`Error::Memory`] for the network of that name.
pub(crate) fn require(network: &str, needed_bytes: u64) -> Result<(), Error> {
    let available_bytes = available_bytes();
    if needed_bytes <= available_bytes {
        return Ok(());
    }
    Err(Error::Memory { network: network.to_owned(), needed_bytes, available_bytes })
}

/// Bytes that programs can have without the system taking them from others; in a container, of what that may have. All
/// there could be where the system does not say.
fn available_bytes() -> u64 {
    let memory = MemoryRefreshKind::nothing().with_ram();
    let Ok(system) = System::new_with_specifics(RefreshKind::nothing().with_memory(memory)) else {
        return u64::MAX;
    };
    // Cached files count as used in a container's own figure, although they make room when it is needed.
    let container = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    // Nothing at all is how some systems say that they do not know.
    let free = Some(system.available_memory()).filter(|&bytes| bytes > 0);
    container.into_iter().chain(free).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_memory_but_not_without_end() {
        assert!(require("small", 1 << 20).is_ok());
        let error = require("pixels", 1 << 60).unwrap_err().to_string();
        let want = "training network pixels takes at least 1152921504.6 GB of memory, expected at most the ";
        assert!(error.starts_with(want), "{error}");
    }
}
