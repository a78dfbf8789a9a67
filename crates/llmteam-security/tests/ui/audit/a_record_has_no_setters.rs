//! A record that was logged cannot be changed.

use llmteam_security::audit::AuditRecord;

fn rewrite(mut record: AuditRecord) {
    record.run_id = "another".to_owned();
}

fn main() {}
