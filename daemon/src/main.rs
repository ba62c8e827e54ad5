//! The program `pylmd`: a node.
fn main() {}
