//! What a process has used. Source: proc(5).

use std::{fs, time::Duration};

use anyhow::Context as _;

/// CPU time of all threads so far, to the nanosecond.
///
/// `/proc/PID/stat` counts in steps of 10 ms; the scheduler's own account is exact where the kernel keeps one.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            return ticks(pid);
        };
        let spent = text.split(' ').next().unwrap_or_default();
        total += spent.parse::<u64>().context("reading schedstat")?;
    }
    if total == 0 {
        ticks(pid)
    } else {
        Ok(Duration::from_nanos(total))
    }
}

fn ticks(pid: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
    let (_, fields) = text.rsplit_once(')').context("reading stat")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let mut sum = 0;
    for value in ticks {
        sum += value.parse::<u64>().context("reading stat")?;
    }
    // USER_HZ is 100 on every Linux that Envoy runs on.
    Ok(Duration::from_millis(sum * 10))
}

/// Resident memory, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("no VmRSS")?.trim().parse()?;
    Ok(kib * 1024)
}
