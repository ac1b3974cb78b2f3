//! Forgetting.
