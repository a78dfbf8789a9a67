//! A viewer is not made by whoever likes to be one.

use llmteam_security::context::Viewer;

fn main() {
    let _forged = Viewer {
        role: llmteam_security::context::ViewerRole::System,
    };
}
