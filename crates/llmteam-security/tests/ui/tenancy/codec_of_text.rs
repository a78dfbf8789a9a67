//! The parts of a key are ids, not texts.
use llmteam_security::KeyCodec;

fn main() {
    let _codec = KeyCodec::instance("acme", "run_1");
}
