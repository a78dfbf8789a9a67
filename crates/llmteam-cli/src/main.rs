//! The `llmteam` command line.
fn main() {}
