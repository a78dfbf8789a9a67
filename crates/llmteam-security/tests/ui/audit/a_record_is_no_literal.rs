//! Nobody but the trail makes a record.

use llmteam_security::audit::AuditRecord;

fn main() {
    let _ = AuditRecord {};
}
