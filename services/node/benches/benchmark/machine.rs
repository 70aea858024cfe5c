//! What processes use, as Linux tells it.

/// Ticks of the processor's accounting in a second, which Linux has fixed for programs.
const TICKS_A_SECOND: f64 = 100.0;

/// Seconds of processor that a process has had, in user mode and for it in the kernel's.
pub(crate) fn cpu_s(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before it may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS_A_SECOND
}

/// The same of this process.
pub(crate) fn own_cpu_s() -> f64 {
    cpu_s(std::process::id())
}

/// Bytes that this process has in memory.
pub(crate) fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().unwrap_or_default().parse::<f64>().unwrap() * 1024.0
}

/// How busy the machine is with everything, over the last minute.
pub(crate) fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap_or_default().to_owned()
}
