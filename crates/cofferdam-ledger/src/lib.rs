//! Exposures as bitmaps, durable before the send; blast radius.
