//! plugin parallel
