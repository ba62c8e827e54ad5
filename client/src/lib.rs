//! Streams messages through a pylmd node, and their results back
