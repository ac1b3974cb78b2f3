//! The one guarded way out: allow-list, pinned DNS, limits.
