//! An owner's token is not copied and not made from text.

use std::str::FromStr;

use llmteam_security::context::OwnerToken;

fn copied(token: &OwnerToken) -> OwnerToken {
    Clone::clone(token)
}

fn parsed(text: &str) -> OwnerToken {
    OwnerToken::from_str(text).unwrap()
}

fn read(text: &str) -> OwnerToken {
    serde_json::from_str(text).unwrap()
}

fn converted(text: String) -> OwnerToken {
    OwnerToken::from(text)
}

fn main() {}
