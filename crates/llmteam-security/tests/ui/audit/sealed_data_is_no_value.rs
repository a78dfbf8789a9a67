//! A secret has no way into an event.

use llmteam_security::{Secret, audit::{AuditEvent, AuditEventType}};

fn main() {
    let _ = AuditEvent::new(AuditEventType::ConfigChanged).with_action(Secret::new("key"));
}
