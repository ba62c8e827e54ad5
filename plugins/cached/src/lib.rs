//! plugin cached
