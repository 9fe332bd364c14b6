//! The process's memory: freed buffers are kept for the next step.

/// Keeps freed buffers in the process instead of giving each back to the system, for programs that train or score: a step's activations are
/// as large as the last one's, and faulting their pages in again takes a fifth of its time. Call it once, early. Only glibc needs it.
pub fn keep_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // glibc's largest allowed threshold; larger buffers are still mapped one by one.
        const THRESHOLD: i32 = 32 << 20;
        #[expect(unsafe_code, reason = "the allocator's settings are C functions")]
        // SAFETY: mallopt sets process-wide tunables; it takes plain numbers and reads no memory of ours.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
    }
}
