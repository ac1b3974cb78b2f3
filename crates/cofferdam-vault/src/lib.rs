//! Keys, tokens, sealing, identity merges and forgetting.
