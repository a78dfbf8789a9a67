//! A sealed value is not serialised, copied, compared or reached into.

use llmteam_security::context::SealedData;

fn serialised(sealed: &SealedData) -> String {
    serde_json::to_string(sealed).unwrap()
}

fn copied(sealed: &SealedData) -> SealedData {
    Clone::clone(sealed)
}

fn guessed(sealed: &SealedData, guess: &SealedData) -> bool {
    sealed == guess
}

fn reached(sealed: SealedData) {
    drop(sealed.held);
}

fn main() {}
