//! Large pages for weights. A product of one row reads all of them, and with pages of 4 KiB it waits for their addresses: on Linux
//! large ones make it a third faster. Elsewhere, and where the system has none, nothing happens.

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE: usize = 2 << 20;

/// Has the system put the memory around `words` into large pages, as far as it is ours.
#[cfg(target_os = "linux")]
pub(super) fn enlarge(words: &[i32]) {
    let memory = words.as_ptr_range();
    let [first, end] = [memory.start, memory.end].map(|address| address.addr());
    for page in (first / LARGE * LARGE..end).step_by(LARGE) {
        // SAFETY: the contents stay what they are. A page that holds something else besides is refused, or moved like ours; it is
        // no matter if older kernels refuse them all.
        unsafe {
            libc::madvise(
                std::ptr::without_provenance_mut(page),
                LARGE,
                libc::MADV_COLLAPSE,
            )
        };
    }
}

/// Nothing.
#[cfg(not(target_os = "linux"))]
pub(super) fn enlarge(_words: &[i32]) {}
