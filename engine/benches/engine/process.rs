//! What the operating system knows of this process.

/// Clock ticks of `/proc/self/stat` per second: fixed in Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of this process so far, of all its threads, in microseconds.
pub(crate) fn cpu_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name may have blanks: what is counted comes after its bracket.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).expect("a count");
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND * 1e6
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).expect("a number") * 1024.0
}
