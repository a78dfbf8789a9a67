//! What a record holds is read, not changed.

use llmteam_security::audit::AuditRecord;

fn rewrite(record: &AuditRecord) {
    record.metadata().clear();
}

fn main() {}
