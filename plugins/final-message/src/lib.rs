//! plugin final-message
