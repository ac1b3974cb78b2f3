//! Typed report requests to kernels over the store, to typed rows.
