//! Who acts is an identity that was parsed.

use llmteam_security::audit::Actor;

fn main() {
    let _ = Actor::user("anybody");
}
