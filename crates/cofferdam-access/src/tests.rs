//! Permits, denials and the token.
