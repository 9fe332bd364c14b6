//! From the flags of a machine to a device, a pool of threads and a size of memory.

use std::num::NonZero;

use infalign_lm::{Device, DeviceName, keep_buffers, open_device};

use crate::{
    args::Machine,
    error::{Error, Result},
    print,
};

/// What is assumed where the machine does not tell how much memory is available.
const UNTOLD: usize = 2 << 30;

/// Opens the device; makes the pool of threads that everything else uses, the calling thread one of them: handing every product of a step over to
/// others and waiting for them would take a tenth of its time.
pub(crate) fn open(args: &Machine) -> Result<Device> {
    open_beside(args, Caller::Computes)
}

/// What the calling thread does while others compute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// It is one of the pool's threads.
    Computes,
    /// It waits, as a service does: the pool has all its threads besides.
    Waits,
}

/// Opens the device, and makes the pool for a calling thread that computes or waits.
pub(crate) fn open_beside(args: &Machine, caller: Caller) -> Result<Device> {
    if args.quiet {
        print::hush();
    }
    keep_buffers();
    let name: DeviceName = args.device.parse()?;
    let device = open_device(name, args.dtype.precision())?;
    let threads = threads(args);
    let mut pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    // A pool of the calling thread alone could do nothing for another thread while that one waits.
    if threads > 1 && caller == Caller::Computes {
        pool = pool.use_current_thread();
    }
    match (pool.build_global(), args.threads) {
        (Err(e), Some(typed)) => Err(Error::Usage(format!("--threads {typed}: {e}; give fewer"))),
        // A pool that is there already does as well.
        _ => Ok(device),
    }
}

/// Threads of the pool: as typed, else as `RAYON_NUM_THREADS` says, else one for each processor.
fn threads(args: &Machine) -> usize {
    let told = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok();
    let typed = args.threads.or_else(told);
    typed.map_or_else(
        || std::thread::available_parallelism().map_or(1, NonZero::get),
        NonZero::get,
    )
}

/// Bytes for the cache of keys and values: as typed, else half of what is available.
pub(crate) fn cache_bytes(typed: Option<&str>) -> Result<usize> {
    match typed {
        Some(text) => bytes(text).ok_or_else(|| {
            Error::Usage(format!(
                "--memory {text}: expected a size such as 500MB or 2GiB"
            ))
        }),
        None => Ok(available().map_or(UNTOLD, |all| all / 2)),
    }
}

/// A number with a unit: decimal kB, MB, GB, binary KiB, MiB, GiB, or bytes.
fn bytes(text: &str) -> Option<usize> {
    const UNITS: [(&str, f64); 9] = [
        ("kib", 1024.0),
        ("mib", 1_048_576.0),
        ("gib", 1_073_741_824.0),
        ("tib", 1_099_511_627_776.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("tb", 1e12),
        ("b", 1.0),
    ];
    let text = text.trim().to_ascii_lowercase();
    let unit = UNITS
        .iter()
        .find_map(|&(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (number, size) = unit.unwrap_or((text.as_str(), 1.0));
    let number: f64 = number.trim().parse().ok()?;
    let bytes = number * size;
    (bytes.is_finite() && bytes >= 1.0).then_some(bytes as usize)
}

/// Bytes that the machine can give without swapping; Linux tells.
fn available() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        assert_eq!(bytes("500MB"), Some(500_000_000));
        assert_eq!(bytes("2 GiB"), Some(2 << 30));
        assert_eq!(bytes("1.5kib"), Some(1536));
        assert_eq!(bytes("4096"), Some(4096));
        for wrong in ["", "GB", "-1MB", "nan", "0", "1 parsec"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
