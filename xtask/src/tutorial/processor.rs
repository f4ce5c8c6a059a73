//! How long programs kept the processor busy.

/// Ticks of the kernel's clock in a second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time, in seconds, of all programs that this one has started and waited for: other programs on the machine do not
/// count. Zero where the system does not tell.
pub(super) fn seconds_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the program's name, is in parentheses; user and system time of children are the 16th and 17th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks = fields.skip(13).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_busy_program_counts() {
        let before = seconds_of_children();
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(Command::new("sh").args(["-c", busy]).status().unwrap().success());
        assert!(seconds_of_children() > before);
    }
}
