//! An administration is given by the lineage, for a reason, to a system node.

use llmteam_security::context::AdminCapability;

fn main() {
    let _forged = AdminCapability {
        reason: String::from("because"),
    };
}
