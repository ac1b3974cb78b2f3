//! Append with an opaque dedupe key, group commit, recovery and cursors; bytes in, bytes out.
