//! Sends permitted events to vendors; every send writes the ledger first.
