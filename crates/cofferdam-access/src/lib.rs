//! Who may do what; mints permits after the audit leaf is durable.
